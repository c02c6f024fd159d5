//! What is checked of every service.

use super::addresses::validate_addresses;
use crate::behaviour::causes::{duplicate, forbidden, invalid, not_supported, required};
use crate::behaviour::labels::validate_labels;
use crate::behaviour::names::{
    dns_label, dns_subdomain, ip_address, is_cidr, non_special_ip, port_name, port_number, qualified_name,
};
use crate::behaviour::path::FieldPath;
use crate::behaviour::pod_spec::{PROTOCOLS, one_of, problems, required_one_of, text};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kubus_proto::status::Cause;
use serde_json::json;
use std::collections::BTreeSet;

const TYPES: &[&str] = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const AFFINITIES: &[&str] = &["ClientIP", "None"];
const TRAFFIC_POLICIES: &[&str] = &["Cluster", "Local"];
const DISTRIBUTIONS: &[&str] = &["PreferClose", "PreferSameNode", "PreferSameZone"];
/// The port of every node's agent, which must not be balanced to the outside.
const AGENT_PORT: i32 = 10_250;
/// A day, the longest affinity, in seconds.
const AFFINITY_LIMIT_SECONDS: i32 = 86_400;

/// A service after defaulting and preparation; addresses and node ports that are not there yet are given out later.
pub fn validate_service(service: &Service, causes: &mut Vec<Cause>) {
    let spec = service.spec.clone().unwrap_or_default();
    let path = FieldPath::root("spec");
    let kind = text(&spec.type_);
    let headless = text(&spec.cluster_ip) == super::NO_ADDRESS;
    let ports = spec.ports.as_deref().unwrap_or_default();
    if ports.is_empty() && !headless && kind != "ExternalName" {
        causes.push(required(path.field("ports"), ""));
    }
    validate_type(&spec, headless, &path, causes);
    validate_ports(ports, &path.field("ports"), causes);
    validate_labels(spec.selector.as_ref(), &path.field("selector"), causes);
    validate_affinity(&spec, &path, causes);
    validate_addresses(&spec, &path, causes);
    for (i, ip) in spec.external_ips.iter().flatten().enumerate() {
        let path = path.field("externalIPs");
        problems(&path.index(i), ip, ip_address(ip), causes);
        if ip_address(ip).is_empty() {
            problems(&path.index(i), ip, non_special_ip(ip), causes);
        }
    }
    required_one_of(&path.field("type"), &spec.type_, TYPES, causes);
    validate_taken_ports(kind, ports, &path.field("ports"), causes);
    validate_balancer(&spec, &path, causes);
    validate_traffic(&spec, &path, causes);
}

fn validate_type(spec: &ServiceSpec, headless: bool, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let kind = text(&spec.type_);
    if kind == "LoadBalancer" {
        for (i, port) in spec.ports.iter().flatten().enumerate().filter(|(_, port)| port.port == AGENT_PORT) {
            let detail = format!("may not expose port {AGENT_PORT} externally since it is used by kubelet");
            causes.push(invalid(path.field("ports").index(i), port.port, detail));
        }
    }
    if headless && matches!(kind, "LoadBalancer" | "NodePort") {
        let detail = format!("may not be set to 'None' for {kind} services");
        causes.push(invalid(path.field("clusterIPs").index(0), super::NO_ADDRESS, detail));
    }
    if kind != "ExternalName" {
        return;
    }
    for (field, given) in [
        ("clusterIPs", spec.cluster_ips.as_ref().is_some_and(|ips| !ips.is_empty())),
        ("ipFamilies", spec.ip_families.as_ref().is_some_and(|families| !families.is_empty())),
        ("ipFamilyPolicy", spec.ip_family_policy.is_some()),
    ] {
        if given {
            causes.push(forbidden(path.field(field), "may not be set for ExternalName services"));
        }
    }
    let name = text(&spec.external_name);
    let plain = name.strip_suffix('.').unwrap_or(name);
    match plain {
        "" => causes.push(required(path.field("externalName"), "")),
        plain => problems(&path.field("externalName"), plain, dns_subdomain(plain), causes),
    }
}

fn validate_ports(ports: &[ServicePort], path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let mut names = BTreeSet::new();
    for (i, port) in ports.iter().enumerate() {
        let path = path.index(i);
        match text(&port.name) {
            "" if ports.len() > 1 => causes.push(required(path.field("name"), "")),
            "" => {}
            name => {
                problems(&path.field("name"), name, dns_label(name), causes);
                if !names.insert(name) {
                    causes.push(duplicate(path.field("name"), name));
                }
            }
        }
        let wrong = port_number(port.port.into());
        causes.extend(wrong.iter().map(|problem| invalid(path.field("port"), port.port, problem)));
        required_one_of(&path.field("protocol"), &port.protocol, PROTOCOLS, causes);
        let field = path.field("targetPort");
        match &port.target_port {
            Some(IntOrString::Int(number)) => {
                let wrong = port_number((*number).into());
                causes.extend(wrong.iter().map(|problem| invalid(field, *number, problem)));
            }
            Some(IntOrString::String(name)) => problems(&field, name, port_name(name), causes),
            None => {}
        }
        if let Some(protocol) = &port.app_protocol {
            problems(&path.field("appProtocol"), protocol, qualified_name(protocol), causes);
        }
    }
}

/// No port and no node port twice; a service that is reached in the cluster only has no node ports.
fn validate_taken_ports(kind: &str, ports: &[ServicePort], path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let node_ports = || ports.iter().enumerate().filter_map(|(i, p)| Some((i, p, p.node_port.filter(|n| *n != 0)?)));
    if kind == "ClusterIP" {
        for (i, _, _) in node_ports() {
            let detail = "may not be used when `type` is 'ClusterIP'";
            causes.push(forbidden(path.index(i).field("nodePort"), detail));
        }
    }
    let mut taken = BTreeSet::new();
    for (i, port, number) in node_ports() {
        if !taken.insert((text(&port.protocol), number)) {
            causes.push(duplicate(path.index(i).field("nodePort"), number));
        }
    }
    let mut taken = BTreeSet::new();
    for (i, port) in ports.iter().enumerate() {
        if !taken.insert((text(&port.protocol), port.port)) {
            let key = json!({"Name": "", "Protocol": port.protocol, "AppProtocol": null, "Port": port.port,
                "TargetPort": 0, "NodePort": 0});
            causes.push(duplicate(path.index(i), key));
        }
    }
}

fn validate_affinity(spec: &ServiceSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    required_one_of(&path.field("sessionAffinity"), &spec.session_affinity, AFFINITIES, causes);
    let path = path.field("sessionAffinityConfig");
    let config = &spec.session_affinity_config;
    match (text(&spec.session_affinity), config) {
        ("ClientIP", None) => causes.push(required(path, "when session affinity type is ClientIP")),
        ("ClientIP", Some(config)) => {
            let seconds = config.client_ip.as_ref().and_then(|client| client.timeout_seconds);
            let path = path.field("clientIP");
            match seconds {
                None => {
                    causes.push(required(path.field("timeoutSeconds"), "when session affinity type is ClientIP"));
                }
                Some(seconds) if !(1..=AFFINITY_LIMIT_SECONDS).contains(&seconds) => {
                    let detail = format!("must be greater than 0 and less than {AFFINITY_LIMIT_SECONDS}");
                    causes.push(invalid(path.field("timeoutSeconds"), seconds, detail));
                }
                Some(_) => {}
            }
        }
        ("None", Some(_)) => causes.push(forbidden(path, "must not be set when session affinity is None")),
        _ => {}
    }
}

fn validate_balancer(spec: &ServiceSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let balanced = text(&spec.type_) == "LoadBalancer";
    let detail = "may only be used when `type` is 'LoadBalancer'";
    let ranges = spec.load_balancer_source_ranges.as_deref().unwrap_or_default();
    let ranges_path = path.field("loadBalancerSourceRanges");
    if !ranges.is_empty() && !balanced {
        causes.push(forbidden(ranges_path, detail));
    }
    for (i, range) in ranges.iter().enumerate().filter(|(_, range)| !is_cidr(range.trim())) {
        let detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
        causes.push(invalid(ranges_path.index(i), range.as_str(), detail));
    }
    match spec.allocate_load_balancer_node_ports {
        Some(_) if !balanced => causes.push(forbidden(path.field("allocateLoadBalancerNodePorts"), detail)),
        None if balanced => causes.push(required(path.field("allocateLoadBalancerNodePorts"), "")),
        _ => {}
    }
    if let Some(class) = &spec.load_balancer_class {
        let path = path.field("loadBalancerClass");
        if !balanced {
            causes.push(forbidden(path, detail));
        }
        problems(&path, class, qualified_name(class), causes);
    }
}

fn validate_traffic(spec: &ServiceSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let kind = text(&spec.type_);
    let external = spec.external_ips.as_ref().is_some_and(|ips| !ips.is_empty());
    let outside = matches!(kind, "NodePort" | "LoadBalancer") || (kind == "ClusterIP" && external);
    let (policy, field) = (text(&spec.external_traffic_policy), path.field("externalTrafficPolicy"));
    match (outside, policy) {
        (false, "") => {}
        (false, policy) => {
            causes.push(invalid(field, policy, "may only be set for externally-accessible services"));
        }
        (true, _) => required_one_of(&field, &spec.external_traffic_policy, TRAFFIC_POLICIES, causes),
    }
    let health = spec.health_check_node_port.unwrap_or_default();
    let field = path.field("healthCheckNodePort");
    if health != 0 && !(kind == "LoadBalancer" && policy == "Local") {
        let detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        causes.push(invalid(field, health, detail));
    } else if health != 0 {
        causes.extend(port_number(health.into()).iter().map(|problem| invalid(field, health, problem)));
    }
    let field = path.field("internalTrafficPolicy");
    match &spec.internal_traffic_policy {
        None if super::needs_address(kind) => causes.push(required(field, "")),
        Some(policy) if !TRAFFIC_POLICIES.contains(&policy.as_str()) => {
            causes.push(not_supported(field, policy.as_str(), TRAFFIC_POLICIES));
        }
        _ => {}
    }
    one_of(&path.field("trafficDistribution"), &spec.traffic_distribution, DISTRIBUTIONS, causes);
}
