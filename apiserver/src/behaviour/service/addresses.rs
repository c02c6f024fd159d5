//! What is checked of a service's addresses in the cluster and their families.

use super::NO_ADDRESS;
use crate::behaviour::causes::{duplicate, invalid, not_supported};
use crate::behaviour::names::ip_address;
use crate::behaviour::path::FieldPath;
use crate::behaviour::pod_spec::{one_of, problems, text};
use k8s_openapi::api::core::v1::ServiceSpec;
use kubus_proto::status::Cause;
use serde_json::json;
use std::net::IpAddr;

const FAMILIES: &[&str] = &["IPv4", "IPv6"];
const POLICIES: &[&str] = &["PreferDualStack", "RequireDualStack", "SingleStack"];
/// Most addresses a service has, one of each family.
const ADDRESSES_LIMIT: usize = 2;

fn family(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "IPv4" } else { "IPv6" }
}

/// `clusterIP`, `clusterIPs`, `ipFamilies` and `ipFamilyPolicy`, which must fit each other.
pub fn validate_addresses(spec: &ServiceSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if text(&spec.type_) == "ExternalName" {
        return;
    }
    let (first, all) = (text(&spec.cluster_ip), spec.cluster_ips.as_deref().unwrap_or_default());
    let ips_path = path.field("clusterIPs");
    match all.first() {
        Some(_) if first.is_empty() => {
            causes.push(invalid(ips_path, json!(all), "must be empty when `clusterIP` is not specified"));
        }
        Some(ip) if ip != first => causes.push(invalid(ips_path, json!(all), "first value must match `clusterIP`")),
        _ => {}
    }
    let families = spec.ip_families.as_deref().unwrap_or_default();
    let families_path = path.field("ipFamilies");
    for (i, family) in families.iter().enumerate() {
        if !FAMILIES.contains(&family.as_str()) {
            causes.push(not_supported(families_path.index(i), family.as_str(), FAMILIES));
        }
        if families[..i].contains(family) {
            causes.push(duplicate(families_path.index(i), family.as_str()));
        }
    }
    one_of(&path.field("ipFamilyPolicy"), &spec.ip_family_policy, POLICIES, causes);
    let before = causes.len();
    if all.len() > 1 && all.first().is_some_and(|ip| ip == NO_ADDRESS) {
        causes.push(invalid(ips_path, json!(all), "'None' must be the first and only value"));
    }
    for (i, ip) in all.iter().enumerate().filter(|(i, ip)| !(*i == 0 && *ip == NO_ADDRESS)) {
        problems(&ips_path.index(i), ip, ip_address(ip), causes);
    }
    if all.len() > ADDRESSES_LIMIT {
        causes.push(invalid(ips_path, json!(all), format!("may only hold up to {ADDRESSES_LIMIT} values")));
    }
    if causes.len() > before {
        return;
    }
    let found: Vec<&str> = all.iter().filter_map(|ip| ip.parse().ok()).map(family).collect();
    if found.len() == 2 && found[0] == found[1] {
        causes.push(invalid(ips_path, json!(all), "may specify no more than one IP for each IP family"));
    }
    for (i, (found, wanted)) in found.iter().zip(families).enumerate() {
        if found != wanted {
            let detail = format!("expected an {wanted} value as indicated by `ipFamilies[{i}]`");
            causes.push(invalid(ips_path.index(i), all[i].as_str(), detail));
        }
    }
}
