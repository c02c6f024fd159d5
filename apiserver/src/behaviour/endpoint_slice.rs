//! EndpointSlice on its way into the store.
//! <https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/>

use super::at::At;
use super::defaulting::{items, put, put_empty};
use super::names::{dns_label, dns_subdomain, non_special_ip, qualified_name};
use super::{Behaviour, PLAIN, prepare, schema_of};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kubus_proto::status::Cause;
use serde_json::Value;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Behaviour of EndpointSlice.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::endpoint_slice::ROW,
    schema: schema_of!(EndpointSlice),
    defaults,
    prepare_create: prepare::only_first_generation,
    spec_changed: |new, old| ["addressType", "endpoints", "ports"].iter().any(|key| new[*key] != old[*key]),
    rules,
    update_rules: |new, old, causes| {
        let whole = At::root(new, "addressType");
        if new["addressType"] != old["addressType"] {
            whole.invalid("field is immutable", causes);
        }
    },
    ..PLAIN
};

/// Most endpoints of a slice, addresses of an endpoint, ports of a slice, hints of an endpoint.
const ENDPOINTS_LIMIT: usize = 1000;
const ADDRESSES_LIMIT: usize = 100;
const PORTS_LIMIT: usize = 20_000;
const HINTS_LIMIT: usize = 8;
const ADDRESS_TYPES: &[&str] = &["FQDN", "IPv4", "IPv6"];

fn defaults(slice: &mut Value) {
    let Some(fields) = slice.as_object_mut() else { return };
    for port in items(fields, "ports") {
        put(port, "name", "");
        put(port, "protocol", "TCP");
    }
    items(fields, "endpoints").for_each(|endpoint| put_empty(endpoint, "conditions"));
}

fn rules(slice: &Value, causes: &mut Vec<Cause>) {
    let kind = At::root(slice, "addressType");
    kind.require_one_of(ADDRESS_TYPES, causes);
    let endpoints = At::root(slice, "endpoints");
    limit(&endpoints, ENDPOINTS_LIMIT, causes);
    for endpoint in endpoints.items().take(ENDPOINTS_LIMIT) {
        validate_endpoint(&endpoint, kind.text(), causes);
    }
    let ports = At::root(slice, "ports");
    limit(&ports, PORTS_LIMIT, causes);
    unique_names(&ports, causes);
    for port in ports.items().take(PORTS_LIMIT) {
        port.field("name").follow(dns_label, causes);
        port.field("protocol").require_one_of(&["SCTP", "TCP", "UDP"], causes);
        port.field("appProtocol").follow(qualified_name, causes);
    }
}

fn limit(list: &At<'_>, most: usize, causes: &mut Vec<Cause>) {
    if list.len() > most {
        causes.push(super::causes::too_many(list.path, list.len(), most));
    }
}

/// Ports of one slice have different names, and the empty one is a name too.
fn unique_names(ports: &At<'_>, causes: &mut Vec<Cause>) {
    let mut seen = std::collections::BTreeSet::new();
    for port in ports.items() {
        let name = port.field("name");
        if !seen.insert(name.text().to_owned()) {
            causes.push(super::causes::duplicate(name.path, name.text()));
        }
    }
}

fn validate_endpoint(endpoint: &At<'_>, kind: &str, causes: &mut Vec<Cause>) {
    let addresses = endpoint.field("addresses");
    if addresses.is_empty() {
        addresses.missing("must contain at least 1 address", causes);
    }
    limit(&addresses, ADDRESSES_LIMIT, causes);
    for address in addresses.items().take(ADDRESSES_LIMIT) {
        match kind {
            "IPv4" => address.follow(ipv4, causes),
            "IPv6" => address.follow(ipv6, causes),
            "FQDN" => address.follow(dns_subdomain, causes),
            _ => {}
        }
    }
    endpoint.field("nodeName").follow(dns_subdomain, causes);
    endpoint.field("hostname").follow(dns_label, causes);
    for hint in [&endpoint.field("hints").field("forZones"), &endpoint.field("hints").field("forNodes")] {
        limit(hint, HINTS_LIMIT, causes);
        for one in hint.items() {
            one.field("name").require("", causes);
        }
        hint.unique("name", causes);
    }
}

fn ipv4(text: &str) -> Vec<String> {
    let good = text.parse::<Ipv4Addr>().is_ok();
    if good { non_special_ip(text) } else { vec!["must be a valid IPv4 address".to_owned()] }
}

fn ipv6(text: &str) -> Vec<String> {
    let good = text.parse::<Ipv6Addr>().is_ok();
    if good { non_special_ip(text) } else { vec!["must be a valid IPv6 address".to_owned()] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn slices_are_checked() {
        let slice = |kind: &str, addresses: Value, ports: Value| json!({"addressType": kind, "endpoints": [{"addresses": addresses}], "ports": ports});
        for (slice, expected) in [
            (slice("IPv4", json!(["10.1.1.1"]), json!([{"port": 80}])), vec![]),
            (slice("IPv6", json!(["2001:db8::1"]), json!([])), vec![]),
            (slice("FQDN", json!(["a.b"]), json!([])), vec![]),
            (slice("", json!(["a.b"]), json!([])), vec!["addressType"]),
            (
                slice("IPv4", json!(["127.0.0.1", "::1"]), json!([])),
                vec!["endpoints[0].addresses[0]", "endpoints[0].addresses[1]"],
            ),
            (slice("IPv4", json!([]), json!([{}, {}])), vec!["endpoints[0].addresses", "ports[1].name"]),
            (
                slice("IPv4", json!(["10.1.1.1"]), json!([{"name": "A", "protocol": "ICMP"}])),
                vec!["ports[0].name", "ports[0].protocol"],
            ),
        ] {
            let mut slice = slice;
            defaults(&mut slice);
            let mut causes = Vec::new();
            rules(&slice, &mut causes);
            let found: Vec<String> = causes.into_iter().map(|cause| cause.field).collect();
            assert_eq!(found, expected, "{slice}");
        }
        let (mut causes, old) = (Vec::new(), json!({"addressType": "IPv4"}));
        (BEHAVIOUR.update_rules)(&json!({"addressType": "IPv6"}), &old, &mut causes);
        assert_eq!(causes.len(), 1);
    }
}
