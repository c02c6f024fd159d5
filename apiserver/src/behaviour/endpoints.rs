//! Endpoints on its way into the store.
//! <https://kubernetes.io/docs/concepts/services-networking/service/#endpoints>

use super::causes::{invalid, required};
use super::defaulting::{items, put_filled};
use super::metadata::check;
use super::names::{dns_label, dns_subdomain, ip_address, non_special_ip, port_number, qualified_name};
use super::path::FieldPath;
use super::pod_spec::{PROTOCOLS, problems, required_one_of, text};
use super::{Behaviour, PLAIN, schema_of};
use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, Endpoints};
use kubus_proto::status::Cause;

/// Behaviour of Endpoints.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::endpoints::ROW,
    schema: schema_of!(Endpoints),
    defaults: |endpoints| {
        let Some(fields) = endpoints.as_object_mut() else { return };
        for subset in items(fields, "subsets") {
            items(subset, "ports").for_each(|port| put_filled(port, "protocol", "TCP"));
        }
    },
    rules: |endpoints, causes| check(endpoints, causes, validate_endpoints),
    ..PLAIN
};

fn validate_endpoints(endpoints: &Endpoints, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("subsets");
    for (i, subset) in endpoints.subsets.iter().flatten().enumerate() {
        let path = path.index(i);
        let ready = subset.addresses.as_deref().unwrap_or_default();
        let others = subset.not_ready_addresses.as_deref().unwrap_or_default();
        if ready.is_empty() && others.is_empty() {
            causes.push(required(path, "must specify `addresses` or `notReadyAddresses`"));
        }
        for (field, addresses) in [("addresses", ready), ("notReadyAddresses", others)] {
            for (j, address) in addresses.iter().enumerate() {
                validate_address(address, &path.field(field).index(j), causes);
            }
        }
        let ports = subset.ports.as_deref().unwrap_or_default();
        for (j, port) in ports.iter().enumerate() {
            validate_port(port, ports.len() > 1, &path.field("ports").index(j), causes);
        }
    }
}

fn validate_address(address: &EndpointAddress, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let before = causes.len();
    problems(&path.field("ip"), &address.ip, ip_address(&address.ip), causes);
    let hostname = text(&address.hostname);
    if !hostname.is_empty() {
        problems(&path.field("hostname"), hostname, dns_label(hostname), causes);
    }
    if let Some(node) = &address.node_name {
        problems(&path.field("nodeName"), node, dns_subdomain(node), causes);
    }
    if causes.len() == before {
        problems(&path.field("ip"), &address.ip, non_special_ip(&address.ip), causes);
    }
}

fn validate_port(port: &EndpointPort, needs_name: bool, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    match text(&port.name) {
        "" if needs_name => causes.push(required(path.field("name"), "")),
        "" => {}
        name => problems(&path.field("name"), name, dns_label(name), causes),
    }
    let wrong = port_number(port.port.into());
    causes.extend(wrong.iter().map(|problem| invalid(path.field("port"), port.port, problem)));
    required_one_of(&path.field("protocol"), &port.protocol, PROTOCOLS, causes);
    if let Some(protocol) = &port.app_protocol {
        problems(&path.field("appProtocol"), protocol, qualified_name(protocol), causes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn addresses_and_ports_are_checked() {
        let mut endpoints = json!({"metadata": {"name": "e", "namespace": "n"}, "subsets": [
            {"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]},
            {},
            {"addresses": [{"ip": "127.0.0.1"}, {"ip": "x"}], "ports": [{"port": 0, "name": "a"}, {"port": 1}]},
        ]});
        BEHAVIOUR.default(&mut endpoints);
        let fields: Vec<String> = BEHAVIOUR.validate(&endpoints).into_iter().map(|cause| cause.field).collect();
        let expected = [
            "subsets[1]",
            "subsets[2].addresses[0].ip",
            "subsets[2].addresses[1].ip",
            "subsets[2].ports[0].port",
            "subsets[2].ports[1].name",
        ];
        assert_eq!(fields, expected);
    }
}
