//! Service on its way into the store. Addresses and node ports are given out by the pipeline, which sees what is taken.
//! <https://kubernetes.io/docs/concepts/services-networking/service/>

mod addresses;
mod rules;
mod update;

use super::defaulting::{items, object_or_new, put, put_filled};
use super::metadata::check;
use super::prepare;
use super::{Behaviour, NameRule, PLAIN, schema_of};
use k8s_openapi::api::core::v1::Service;
use serde_json::{Map, Value, json};

/// Behaviour of Service.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::service::ROW,
    schema: schema_of!(Service),
    name: NameRule::DnsLabel,
    defaults,
    prepare_create: |service| {
        prepare::first_status(service, json!({"loadBalancer": {}}));
        update::normalize_addresses(service, &Value::Null);
        fill_in_families(service, &Value::Null);
    },
    prepare_update: |new, old| {
        prepare::keep_status(new, old);
        update::keep_allocated(new, old);
        update::drop_what_the_type_has_not(new, old);
        update::normalize_addresses(new, old);
        fill_in_families(new, old);
    },
    prepare_status: prepare::only_status,
    rules: |service, causes| check(service, causes, rules::validate_service),
    update_rules: update::validate_update,
    warnings: super::warnings::of_service,
    ..PLAIN
};

/// How long the affinity of a client lasts, in seconds.
const AFFINITY_SECONDS: i64 = 10_800;

/// What a headless service has in place of an address.
pub const NO_ADDRESS: &str = "None";

/// Whether services of this type have an address in the cluster.
pub fn needs_address(kind: &str) -> bool {
    matches!(kind, "ClusterIP" | "NodePort" | "LoadBalancer")
}

/// Whether a service has a port on every node for each of its own.
pub fn needs_node_ports(service: &Value) -> bool {
    let spec = &service["spec"];
    match kind(service) {
        "NodePort" => true,
        "LoadBalancer" => spec["allocateLoadBalancerNodePorts"] != false,
        _ => false,
    }
}

/// Whether its load balancer asks nodes which of them have pods.
pub fn needs_health_port(service: &Value) -> bool {
    kind(service) == "LoadBalancer" && service["spec"]["externalTrafficPolicy"] == "Local"
}

/// The type of a service.
pub fn kind(service: &Value) -> &str {
    service["spec"]["type"].as_str().unwrap_or_default()
}

/// Whether a service has no address of its own by wish.
pub fn is_headless(service: &Value) -> bool {
    service["spec"]["clusterIP"] == NO_ADDRESS
}

fn is_reached_from_outside(spec: &Map<String, Value>) -> bool {
    let kind = spec.get("type").and_then(Value::as_str).unwrap_or_default();
    let external = spec.get("externalIPs").and_then(Value::as_array).is_some_and(|ips| !ips.is_empty());
    matches!(kind, "NodePort" | "LoadBalancer") || (kind == "ClusterIP" && external)
}

fn defaults(service: &mut Value) {
    let Some(fields) = service.as_object_mut() else { return };
    let Some(spec) = object_or_new(fields, "spec") else { return };
    put_filled(spec, "sessionAffinity", "None");
    if spec["sessionAffinity"] == "None" {
        spec.remove("sessionAffinityConfig");
    } else if spec["sessionAffinity"] == "ClientIP"
        && let Some(config) = object_or_new(spec, "sessionAffinityConfig")
        && let Some(client) = object_or_new(config, "clientIP")
    {
        put(client, "timeoutSeconds", AFFINITY_SECONDS);
    }
    put_filled(spec, "type", "ClusterIP");
    for port in items(spec, "ports") {
        put_filled(port, "protocol", "TCP");
        let number = port.get("port").cloned().unwrap_or(json!(0));
        if port.get("targetPort").is_none_or(|target| target == 0 || target == "") {
            port.insert("targetPort".to_owned(), number);
        }
        // A port of nothing is no port.
        if port.get("nodePort") == Some(&json!(0)) {
            port.remove("nodePort");
        }
    }
    let kind = spec["type"].as_str().unwrap_or_default().to_owned();
    if is_reached_from_outside(spec) {
        put_filled(spec, "externalTrafficPolicy", "Cluster");
    }
    if needs_address(&kind) {
        put(spec, "internalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        put(spec, "allocateLoadBalancerNodePorts", true);
    }
    let ingress = fields.get_mut("status").and_then(|status| status.get_mut("loadBalancer"));
    if let Some(balancer) = ingress.and_then(Value::as_object_mut) {
        for ingress in items(balancer, "ingress").filter(|ingress| ingress.contains_key("ip")) {
            put(ingress, "ipMode", "VIP");
        }
    }
}

/// Which families of addresses a service has: what it says, what it had, or IPv4, the only one this cluster gives out.
fn fill_in_families(service: &mut Value, old: &Value) {
    let (kind, headless) = (kind(service).to_owned(), is_headless(service));
    let selects = service["spec"]["selector"].as_object().is_some_and(|labels| !labels.is_empty());
    let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if !needs_address(&kind) {
        return;
    }
    for key in ["ipFamilies", "ipFamilyPolicy"] {
        if spec.get(key).is_none_or(Value::is_null) && !old["spec"][key].is_null() {
            spec.insert(key.to_owned(), old["spec"][key].clone());
        }
    }
    let families = spec.entry("ipFamilies").or_insert_with(|| json!([]));
    let Some(list) = families.as_array_mut() else { return };
    if list.is_empty() {
        list.push(json!("IPv4"));
    }
    // Nobody knows what is behind a service that selects nothing and has no address: it may be of either family.
    let either = headless && !selects && old.is_null();
    if either && spec.get("ipFamilyPolicy").is_none_or(|policy| policy != "SingleStack") {
        let list = spec.get_mut("ipFamilies").and_then(Value::as_array_mut);
        if let Some(list) = list.filter(|list| list.len() == 1) {
            let other = if list[0] == "IPv6" { "IPv4" } else { "IPv6" };
            list.push(json!(other));
        }
        put(spec, "ipFamilyPolicy", "RequireDualStack");
    }
    put(spec, "ipFamilyPolicy", "SingleStack");
}

#[cfg(test)]
mod tests;
