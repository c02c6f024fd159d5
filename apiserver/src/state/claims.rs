//! What no two objects may hold at a time, such as a service's address. The first object to claim it has it until it goes or
//! no longer claims it; `apply` refuses any other, so that two writers who chose the same are told apart.

use super::{Key, State};
use kubus_proto::KindRow;
use serde_json::Value;
use std::sync::Arc;

/// The claims of one object, each a text such as `address/10.96.0.10`.
pub type Claims = Box<[Box<str>]>;

/// A kind whose objects claim something.
struct Claimant {
    group: &'static str,
    plural: &'static str,
    claims: fn(&Value) -> Vec<Box<str>>,
}

static CLAIMANTS: &[Claimant] = &[Claimant { group: "", plural: "services", claims: of_service }];

/// What an object of `row`'s kind claims.
pub(super) fn of(row: &KindRow, object: &Value) -> Claims {
    let claimant = CLAIMANTS.iter().find(|c| c.group == row.group && c.plural == row.plural);
    claimant.map(|claimant| (claimant.claims)(object)).unwrap_or_default().into()
}

/// The claim of an address in the cluster.
pub fn address(ip: &str) -> String {
    format!("address/{ip}")
}

/// The claim of a port on every node.
pub fn node_port(port: i64) -> String {
    format!("node-port/{port}")
}

fn of_service(service: &Value) -> Vec<Box<str>> {
    let spec = &service["spec"];
    let ips = spec["clusterIPs"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let ips = ips.filter(|ip| *ip != "None").map(address);
    let ports = spec["ports"].as_array().into_iter().flatten().map(|port| &port["nodePort"]);
    let numbers = ports.chain([&spec["healthCheckNodePort"]]).filter_map(Value::as_i64).filter(|port| *port != 0);
    let mut all: Vec<Box<str>> = ips.chain(numbers.map(node_port)).map(String::into_boxed_str).collect();
    // A port may serve two protocols.
    all.sort();
    all.dedup();
    all
}

impl State {
    /// Who holds what a claim is about.
    pub fn holder(&self, claim: &str) -> Option<&Key> {
        self.claims.get(claim).map(|key| &**key)
    }

    /// The first of `claims` that another object than `key` holds.
    pub(super) fn taken<'a>(&self, key: &Key, claims: &'a Claims) -> Option<&'a str> {
        claims.iter().map(|claim| &**claim).find(|claim| self.holder(claim).is_some_and(|holder| holder != key))
    }

    /// Takes what `key` held away from it and gives it what it claims now.
    pub(super) fn hold(&mut self, key: &Key, before: &[Box<str>], after: &[Box<str>]) {
        for claim in before {
            self.claims.remove(claim);
        }
        if after.is_empty() {
            return;
        }
        let key = Arc::new(key.clone());
        for claim in after {
            self.claims.insert(claim.clone(), key.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Action, Command, Conflict, Draft, Limits, Op, Outcome, RequestId, Require, Transaction};
    use kubus_proto::kinds::service;
    use serde_json::json;

    fn put(name: &str, ip: &str, ports: &[i64]) -> Op {
        let ports: Vec<Value> = ports.iter().map(|port| json!({"nodePort": port})).collect();
        let object = json!({"metadata": {"name": name, "namespace": "n"},
            "spec": {"clusterIPs": [ip], "ports": ports}});
        let draft = Draft::encode(&service::ROW, &object).expect("encodes");
        let key = Key::new(service::ROW.resource_key(), "n", name);
        Op { key, require: Require::default(), action: Action::Put(draft) }
    }

    fn delete(name: &str) -> Op {
        Op { action: Action::Delete, ..put(name, "None", &[]) }
    }

    fn run(state: &mut State, ops: Vec<Op>) -> Option<Conflict> {
        let id = RequestId { request: uuid::Uuid::new_v4(), part: 0 };
        let command = Command { transactions: vec![Transaction { id, ops }], now_ms: 0 };
        match state.apply(command).outcomes.remove(0) {
            Outcome::Failed { conflict, .. } => Some(conflict),
            Outcome::Done { .. } | Outcome::Repeated { .. } => None,
        }
    }

    fn claimed(claim: &str) -> Option<Conflict> {
        Some(Conflict::Claimed { claim: claim.to_owned() })
    }

    #[test]
    fn nothing_is_held_twice() {
        let mut state = State::default();
        let steps = [
            (vec![put("a", "10.0.0.1", &[30_000, 30_000])], None),
            (vec![put("b", "10.0.0.1", &[])], claimed("address/10.0.0.1")),
            (vec![put("b", "10.0.0.2", &[30_000])], claimed("node-port/30000")),
            (vec![put("a", "10.0.0.1", &[30_001])], None),
            (vec![put("b", "10.0.0.2", &[30_000])], None),
            (vec![put("c", "None", &[]), put("d", "10.0.0.2", &[])], claimed("address/10.0.0.2")),
            (vec![delete("b"), put("d", "10.0.0.2", &[])], None),
            (vec![delete("a")], None),
            (vec![put("e", "10.0.0.1", &[30_001])], None),
        ];
        for (i, (ops, expected)) in steps.into_iter().enumerate() {
            assert_eq!(run(&mut state, ops), expected, "step {i}");
        }
        let holder = |state: &State, claim: &str| state.holder(claim).map(|key| key.name.clone());
        assert_eq!(holder(&state, "address/10.0.0.2").as_deref(), Some("d"));
        assert_eq!((holder(&state, "node-port/30000"), state.claims.len()), (None, 3));
        let restored = State::restore(state.image(), Limits::default()).expect("restores");
        assert_eq!(restored.claims, state.claims);
    }
}
