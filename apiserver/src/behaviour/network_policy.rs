//! NetworkPolicy on its way into the store.
//! <https://kubernetes.io/docs/concepts/services-networking/network-policies/>

use super::addresses::{Cidr, cidr};
use super::at::At;
use super::defaulting::{items, object_or_new, put};
use super::names::{port_name, port_number};
use super::{Behaviour, PLAIN, prepare, schema_of};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kubus_proto::status::Cause;
use serde_json::{Map, Value, json};

/// Behaviour of NetworkPolicy.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::network_policy::ROW,
    schema: schema_of!(NetworkPolicy),
    defaults,
    prepare_create: prepare::only_first_generation,
    spec_changed: prepare::spec_differs,
    rules,
    ..PLAIN
};

/// The two directions, with the field of each that names the peers.
const DIRECTIONS: [(&str, &str); 2] = [("ingress", "from"), ("egress", "to")];

fn defaults(policy: &mut Value) {
    let Some(spec) = policy.as_object_mut().and_then(|policy| object_or_new(policy, "spec")) else { return };
    put(spec, "podSelector", json!({}));
    for (direction, _) in DIRECTIONS {
        for rule in items(spec, direction) {
            items(rule, "ports").for_each(|port| put(port, "protocol", "TCP"));
        }
    }
    let given =
        |spec: &Map<String, Value>, key: &str| spec.get(key).and_then(Value::as_array).is_some_and(|l| !l.is_empty());
    if !given(spec, "policyTypes") {
        let types = if given(spec, "egress") { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
        spec.insert("policyTypes".to_owned(), types);
    }
}

fn rules(policy: &Value, causes: &mut Vec<Cause>) {
    let spec = At::root(policy, "spec");
    spec.field("podSelector").label_selector(causes);
    for (direction, peers) in DIRECTIONS {
        for rule in spec.field(direction).items() {
            rule.field("ports").items().for_each(|port| validate_port(&port, causes));
            rule.field(peers).items().for_each(|peer| validate_peer(&peer, causes));
        }
    }
    let types = spec.field("policyTypes");
    if types.len() > DIRECTIONS.len() {
        types.invalid("may not specify more than two policyTypes", causes);
        return;
    }
    for kind in types.items() {
        kind.one_of(&["Egress", "Ingress"], causes);
    }
}

fn validate_port(at: &At<'_>, causes: &mut Vec<Cause>) {
    at.field("protocol").one_of(&["SCTP", "TCP", "UDP"], causes);
    let (port, end) = (at.field("port"), at.field("endPort"));
    match port.value {
        Value::Null if !end.is_null() => end.invalid("may not be specified when `port` is not specified", causes),
        Value::Null => {}
        Value::String(name) => {
            if !end.is_null() {
                end.invalid("may not be specified when `port` is non-numeric", causes);
            }
            port_name(name).into_iter().for_each(|problem| port.invalid(problem, causes));
        }
        number => {
            let number = number.as_i64().unwrap_or_default();
            port_number(number).into_iter().for_each(|problem| port.invalid(problem, causes));
            let Some(last) = end.number() else { return };
            if last < number {
                end.invalid("must be greater than or equal to `port`", causes);
            }
            port_number(last).into_iter().for_each(|problem| end.invalid(problem, causes));
        }
    }
}

fn validate_peer(peer: &At<'_>, causes: &mut Vec<Cause>) {
    let selectors = [peer.field("podSelector"), peer.field("namespaceSelector")];
    let given: Vec<&At> = selectors.iter().filter(|selector| !selector.is_null()).collect();
    given.iter().for_each(|selector| selector.label_selector(causes));
    let block = peer.field("ipBlock");
    if !block.is_null() {
        validate_block(&block, causes);
    }
    match (given.is_empty(), block.is_null()) {
        (true, true) => peer.missing("must specify a peer", causes),
        (false, false) => peer.forbidden("may not specify both ipBlock and another peer", causes),
        _ => {}
    }
}

fn validate_block(block: &At<'_>, causes: &mut Vec<Cause>) {
    let whole = block.field("cidr");
    if !whole.require("", causes) {
        return;
    }
    whole.follow(cidr, causes);
    for except in block.field("except").items() {
        match (Cidr::parse(whole.text()), Cidr::parse(except.text())) {
            (_, None) => except.follow(cidr, causes),
            (Some(whole), Some(part)) if !whole.strictly_contains(&part) => {
                except.invalid("must be a strict subset of `cidr`", causes);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_defaulted() {
        for (spec, expected) in [
            (json!({}), json!({"podSelector": {}, "policyTypes": ["Ingress"]})),
            (
                json!({"podSelector": {}, "egress": [{"ports": [{"port": 53}]}]}),
                json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "egress": [{"ports": [{"protocol": "TCP", "port": 53}]}]}),
            ),
            (json!({"policyTypes": ["Egress"]}), json!({"podSelector": {}, "policyTypes": ["Egress"]})),
        ] {
            let mut policy = json!({"spec": spec});
            defaults(&mut policy);
            assert_eq!(policy["spec"], expected);
        }
    }

    #[test]
    fn ports_and_peers_are_checked() {
        let rule = |rule: Value| json!({"ingress": [rule]});
        for (spec, expected) in [
            (
                rule(
                    json!({"from": [{"podSelector": {}}, {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}),
                ),
                vec![],
            ),
            (rule(json!({"ports": [{"port": 80, "endPort": 90}, {"port": "http"}]})), vec![]),
            (
                rule(json!({"ports": [{"port": 80, "endPort": 70}, {"endPort": 9}]})),
                vec!["spec.ingress[0].ports[0].endPort", "spec.ingress[0].ports[1].endPort"],
            ),
            (
                rule(json!({"ports": [{"port": 0, "protocol": "ICMP"}]})),
                vec!["spec.ingress[0].ports[0].protocol", "spec.ingress[0].ports[0].port"],
            ),
            (rule(json!({"from": [{}]})), vec!["spec.ingress[0].from[0]"]),
            (
                rule(json!({"from": [{"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}]})),
                vec!["spec.ingress[0].from[0]"],
            ),
            (
                rule(json!({"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16", "x"]}}]})),
                vec!["spec.ingress[0].from[0].ipBlock.except[0]", "spec.ingress[0].from[0].ipBlock.except[1]"],
            ),
            (json!({"policyTypes": ["Sideways"]}), vec!["spec.policyTypes[0]"]),
        ] {
            let mut causes = Vec::new();
            rules(&json!({"spec": spec}), &mut causes);
            let found: Vec<String> = causes.into_iter().map(|cause| cause.field).collect();
            assert_eq!(found, expected, "{spec}");
        }
    }
}
