//! Validation of a pod's DNS settings and host aliases.
//! <https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/>

use super::{problems, text};
use crate::behaviour::causes::{invalid, required};
use crate::behaviour::names::{dns_subdomain, ip_address};
use crate::behaviour::path::FieldPath;
use k8s_openapi::api::core::v1::PodSpec;
use kubus_proto::status::Cause;
use serde_json::json;

/// Every DNS policy.
pub const POLICIES: &[&str] = &["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"];

const NAMESERVERS_LIMIT: usize = 3;
const SEARCHES_LIMIT: usize = 32;
const SEARCHES_LIMIT_BYTES: usize = 2048;

/// `dnsConfig`, and that there is one where the policy is None.
pub fn validate_dns_config(spec: &PodSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let none = spec.dns_policy.as_deref() == Some("None");
    let Some(config) = &spec.dns_config else {
        if none {
            causes.push(required(path, "must provide `dnsConfig` when `dnsPolicy` is None"));
        }
        return;
    };
    let servers = config.nameservers.as_deref().unwrap_or_default();
    let path_of_servers = path.field("nameservers");
    if none && servers.is_empty() {
        let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
        causes.push(required(path_of_servers, detail));
    }
    if servers.len() > NAMESERVERS_LIMIT {
        let detail = format!("must not have more than {NAMESERVERS_LIMIT} nameservers");
        causes.push(invalid(path_of_servers, json!(servers), detail));
    }
    for (i, server) in servers.iter().enumerate() {
        problems(&path_of_servers.index(i), server, ip_address(server), causes);
    }
    let searches = config.searches.as_deref().unwrap_or_default();
    let path_of_searches = path.field("searches");
    if searches.len() > SEARCHES_LIMIT {
        let detail = format!("must not have more than {SEARCHES_LIMIT} search paths");
        causes.push(invalid(path_of_searches, json!(searches), detail));
    }
    if searches.join(" ").len() > SEARCHES_LIMIT_BYTES {
        let detail =
            format!("must not have more than {SEARCHES_LIMIT_BYTES} characters (including spaces) in the search list");
        causes.push(invalid(path_of_searches, json!(searches), detail));
    }
    for (i, search) in searches.iter().enumerate() {
        // A lone dot is the root, and a final dot only says that nothing follows.
        if search != "." {
            let name = search.strip_suffix('.').unwrap_or(search).replace('_', "-");
            let name = name.trim_start_matches('-');
            problems(&path_of_searches.index(i), search, dns_subdomain(name), causes);
        }
    }
    for (i, option) in config.options.iter().flatten().enumerate() {
        if text(&option.name).is_empty() {
            causes.push(required(path.field("options").index(i), "must not be empty"));
        }
    }
}

/// `hostAliases`.
pub fn validate_host_aliases(spec: &PodSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    for (i, alias) in spec.host_aliases.iter().flatten().enumerate() {
        let path = path.index(i);
        problems(&path.field("ip"), &alias.ip, ip_address(&alias.ip), causes);
        for (j, name) in alias.hostnames.iter().flatten().enumerate() {
            problems(&path.field("hostnames").index(j), name, dns_subdomain(name), causes);
        }
    }
}
