//! What an update of a service leaves out is kept, what its new type has no use for goes, and the rest may not change.

use super::{is_headless, kind, needs_address, needs_health_port, needs_node_ports};
use crate::behaviour::causes::invalid;
use crate::behaviour::path::FieldPath;
use kubus_proto::status::Cause;
use serde_json::{Value, json};

fn ips(service: &Value) -> Vec<String> {
    let all = service["spec"]["clusterIPs"].as_array().into_iter().flatten();
    all.filter_map(|ip| ip.as_str().map(str::to_owned)).collect()
}

fn ip(service: &Value) -> &str {
    service["spec"]["clusterIP"].as_str().unwrap_or_default()
}

fn ports(service: &Value) -> impl Iterator<Item = &Value> {
    service["spec"]["ports"].as_array().into_iter().flatten()
}

fn node_port(port: &Value) -> i64 {
    port["nodePort"].as_i64().unwrap_or(0)
}

/// `clusterIP` is the first of `clusterIPs`; who changes only one of them means both.
pub fn normalize_addresses(new: &mut Value, old: &Value) {
    let (first, all) = (ip(new).to_owned(), ips(new));
    let created = old.is_null();
    let changed = first != ip(old);
    let set = |service: &mut Value, first: Option<&str>, all: Option<Value>| {
        let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) else { return };
        for (key, value) in [("clusterIP", first.map(Value::from)), ("clusterIPs", all)] {
            match value {
                Some(value) => spec.insert(key.to_owned(), value),
                None => spec.remove(key),
            };
        }
    };
    if created {
        if !first.is_empty() && all.is_empty() {
            set(new, Some(&first), Some(json!([first])));
        }
    } else if changed && all == ips(old) {
        match first.as_str() {
            "" => set(new, None, None),
            first => set(new, Some(first), Some(json!([first]))),
        }
    } else if !changed && !ips(old).is_empty() && all.is_empty() {
        set(new, None, None);
    }
}

/// What the server gave out and the update does not mention stays.
pub fn keep_allocated(new: &mut Value, old: &Value) {
    if needs_address(kind(old)) && needs_address(kind(new)) {
        if ip(new).is_empty() && ips(new).is_empty() {
            new["spec"]["clusterIP"] = old["spec"]["clusterIP"].clone();
        }
        if ips(new).is_empty() && ip(new) == ip(old) {
            new["spec"]["clusterIPs"] = old["spec"]["clusterIPs"].clone();
        }
    }
    if needs_node_ports(old) && needs_node_ports(new) {
        let before: Vec<(Value, i64)> = ports(old).map(|port| (port["name"].clone(), node_port(port))).collect();
        let mut used: Vec<i64> =
            ports(new).map(node_port).filter(|number| before.iter().any(|(_, b)| b == number)).collect();
        for port in new["spec"]["ports"].as_array_mut().into_iter().flatten().filter(|port| node_port(port) == 0) {
            let number = before.iter().find(|(name, _)| *name == port["name"]).map_or(0, |(_, number)| *number);
            if number != 0 && !used.contains(&number) {
                port["nodePort"] = json!(number);
                used.push(number);
            }
        }
    }
    let health = &old["spec"]["healthCheckNodePort"];
    let given = new["spec"]["healthCheckNodePort"].as_i64().unwrap_or(0) != 0;
    if needs_health_port(old) && needs_health_port(new) && !given && !health.is_null() {
        new["spec"]["healthCheckNodePort"] = health.clone();
    }
}

/// A service of another type loses what that type has no use for, unless the update asks for it in so many words.
pub fn drop_what_the_type_has_not(new: &mut Value, old: &Value) {
    let same = |new: &Value, key: &str| new["spec"][key] == old["spec"][key];
    let mut gone: Vec<&str> = Vec::new();
    let (was, is) = (kind(old), kind(new));
    if needs_address(was) && !needs_address(is) {
        if same(new, "clusterIP") && same(new, "clusterIPs") {
            gone.extend(["clusterIP", "clusterIPs"]);
        }
        gone.extend(["ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"].into_iter().filter(|key| same(new, key)));
    }
    if needs_health_port(old) && !needs_health_port(new) && same(new, "healthCheckNodePort") {
        gone.push("healthCheckNodePort");
    }
    if was == "LoadBalancer" && is != was {
        let keys = ["allocateLoadBalancerNodePorts", "loadBalancerClass"];
        gone.extend(keys.into_iter().filter(|key| same(new, key)));
    }
    let no_outside = new["spec"]["externalIPs"].as_array().is_none_or(Vec::is_empty);
    let inside_only = is == "ExternalName" || (is == "ClusterIP" && no_outside);
    if inside_only && same(new, "externalTrafficPolicy") {
        gone.push("externalTrafficPolicy");
    }
    let numbers = |service: &Value| -> Vec<i64> { ports(service).map(node_port).collect() };
    let drop_ports = needs_node_ports(old) && !needs_node_ports(new) && numbers(new) == numbers(old);
    let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) else { return };
    gone.into_iter().for_each(|key| drop(spec.remove(key)));
    if drop_ports {
        let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
        for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
            port.remove("nodePort");
        }
    }
}

/// Addresses in the cluster stay for as long as the service has any.
pub fn validate_update(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    let named = [new, old].iter().any(|service| kind(service) == "ExternalName");
    let stays_headless = is_headless(new) && is_headless(old);
    if !named && !stays_headless {
        let (is, was) = (ips(new), ips(old));
        let path = path.field("clusterIPs");
        if is.is_empty() && !was.is_empty() {
            causes.push(invalid(path.index(0), json!(is), "primary clusterIP can not be unset"));
        }
        for (i, _) in is.iter().zip(&was).enumerate().filter(|(_, (is, was))| is != was) {
            causes.push(invalid(path.index(i), json!(is), "may not change once set"));
        }
    }
    let class = |service: &Value| service["spec"]["loadBalancerClass"].clone();
    if kind(new) == "LoadBalancer" && kind(old) == "LoadBalancer" && class(new) != class(old) {
        causes.push(invalid(path.field("loadBalancerClass"), class(new), "may not change once set"));
    }
}
