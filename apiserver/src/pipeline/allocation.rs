//! What the server gives out to Services: an address in the cluster and ports on every node. What is chosen here is held by
//! the store, which refuses to give it to two; who comes second chooses again.
//! <https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/>

use super::call::decode;
use super::commit::Decision;
use super::create::{encode, tried};
use crate::behaviour::causes;
use crate::behaviour::service::{NO_ADDRESS, kind, needs_address, needs_health_port, needs_node_ports};
use crate::state::claims::{address, node_port};
use crate::state::{Action, Key, State};
use kubus_proto::status::Cause;
use kubus_proto::{ApiError, KindRow, Reason};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The network that addresses of Services come from.
pub const SERVICE_NETWORK: &str = "10.96.0.0/12";
/// The address of the Service `kubernetes`.
pub const API_ADDRESS: &str = "10.96.0.1";
/// First address of that network, which is nobody's.
const FIRST_ADDRESS: u32 = u32::from_be_bytes([10, 96, 0, 0]);
/// Last address of that network, which is nobody's either.
const LAST_ADDRESS: u32 = u32::from_be_bytes([10, 111, 255, 255]);
/// Addresses at the beginning that are left to those who choose for themselves, for as long as there are others.
const CHOSEN_ADDRESSES: u32 = 256;
const FIRST_PORT: i64 = 30_000;
const LAST_PORT: i64 = 32_767;
/// Ports at the beginning that are left to those who choose for themselves.
const CHOSEN_PORTS: i64 = 86;

/// The decision with everything given out that its object needs.
pub(super) fn allocate(row: &KindRow, state: &State, decision: Decision) -> Result<Decision, ApiError> {
    if !row.group.is_empty() || row.plural != "services" {
        return Ok(decision);
    }
    match decision {
        Decision::Tried(bytes) => {
            let object: Value = decode(&bytes)?;
            Ok(Decision::Tried(tried(&*complete(row, state, &object, rand::random)?)?))
        }
        Decision::Write(mut ops) => {
            if let Some(Action::Put(draft)) = ops.last_mut().map(|op| &mut op.action) {
                let object: Value = decode(&draft.bytes)?;
                if let Cow::Owned(object) = complete(row, state, &object, rand::random)? {
                    *draft = encode(row, &object)?;
                }
            }
            Ok(Decision::Write(ops))
        }
        Decision::Keep(object) => Ok(Decision::Keep(object)),
    }
}

/// The service with everything that is given out; 422 where it chose what is taken or is none of ours. `random` says where
/// the search for something free begins.
fn complete<'a>(
    row: &KindRow,
    state: &State,
    object: &'a Value,
    mut random: impl FnMut() -> u64,
) -> Result<Cow<'a, Value>, ApiError> {
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
    let key = Key::new(row.resource_key(), text("namespace"), text("name"));
    let free = Free { state, key: &key };
    let mut service = Cow::Borrowed(object);
    let mut wrong = Vec::new();
    free.give_address(&mut service, &mut random, &mut wrong)?;
    free.give_ports(&mut service, &mut random, &mut wrong)?;
    if wrong.is_empty() {
        return Ok(service);
    }
    Err(ApiError::invalid("", row.kind, &key.name, wrong))
}

/// What is free for one Service.
struct Free<'a> {
    state: &'a State,
    key: &'a Key,
}

impl Free<'_> {
    fn is_free(&self, claim: &str) -> bool {
        self.state.holder(claim).is_none_or(|holder| holder == self.key)
    }

    fn give_address(
        &self,
        service: &mut Cow<'_, Value>,
        random: &mut impl FnMut() -> u64,
        wrong: &mut Vec<Cause>,
    ) -> Result<(), ApiError> {
        let chosen = service["spec"]["clusterIP"].as_str().unwrap_or_default();
        if !needs_address(kind(service)) || chosen == NO_ADDRESS {
            return Ok(());
        }
        if chosen.is_empty() {
            let (own, first) = (FIRST_ADDRESS + 1, FIRST_ADDRESS + CHOSEN_ADDRESSES);
            let text = |number: u64| Ipv4Addr::from(u32::try_from(number).unwrap_or_default()).to_string();
            let taken = |number: u64| !self.is_free(&address(&text(number)));
            let found = search(u64::from(own), u64::from(first), u64::from(LAST_ADDRESS) - 1, random(), taken);
            let ip = text(found.ok_or_else(|| full("serviceIP"))?);
            let spec = &mut service.to_mut()["spec"];
            spec["clusterIPs"] = json!([ip]);
            spec["clusterIP"] = json!(ip);
            return Ok(());
        }
        let all = &service["spec"]["clusterIPs"];
        for ip in all.as_array().into_iter().flatten().filter_map(Value::as_str) {
            let number = ip.parse::<Ipv4Addr>().map(u32::from);
            let why = match number {
                Ok(number) if FIRST_ADDRESS < number && number < LAST_ADDRESS => match self.is_free(&address(ip)) {
                    true => continue,
                    false => "provided IP is already allocated".to_owned(),
                },
                _ => format!(
                    "the provided IP ({ip}) is not in the valid range. The range of valid IPs is {SERVICE_NETWORK}"
                ),
            };
            let detail = format!("failed to allocate IP {ip}: {why}");
            wrong.push(causes::invalid("spec.clusterIPs", all.clone(), detail));
        }
        Ok(())
    }

    fn give_ports(
        &self,
        service: &mut Cow<'_, Value>,
        random: &mut impl FnMut() -> u64,
        wrong: &mut Vec<Cause>,
    ) -> Result<(), ApiError> {
        let mut own: Vec<i64> = Vec::new();
        if needs_node_ports(service) {
            let ports: Vec<Value> = service["spec"]["ports"].as_array().cloned().unwrap_or_default();
            let chosen = |port: &Value| port["nodePort"].as_i64().filter(|number| *number != 0);
            own = ports.iter().filter_map(chosen).collect();
            for (i, number) in ports.iter().enumerate().filter_map(|(i, port)| Some((i, chosen(port)?))) {
                wrong.extend(
                    self.refuse_port(number)
                        .map(|why| causes::invalid(format!("spec.ports[{i}].nodePort"), number, why)),
                );
            }
            // One port that speaks two protocols is one port on the node.
            let mut given: BTreeMap<i64, i64> =
                ports.iter().filter_map(|port| Some((port["port"].as_i64()?, chosen(port)?))).collect();
            for (i, port) in ports.iter().enumerate().filter(|(_, port)| chosen(port).is_none()) {
                let number = port["port"].as_i64().unwrap_or_default();
                let node = match given.get(&number) {
                    Some(node) => *node,
                    None => self.any_port(&own, random())?,
                };
                given.insert(number, node);
                own.push(node);
                service.to_mut()["spec"]["ports"][i]["nodePort"] = json!(node);
            }
        }
        if needs_health_port(service) {
            match service["spec"]["healthCheckNodePort"].as_i64().unwrap_or(0) {
                0 => {
                    let port = self.any_port(&own, random())?;
                    service.to_mut()["spec"]["healthCheckNodePort"] = json!(port);
                }
                chosen => wrong.extend(
                    self.refuse_port(chosen).map(|why| causes::invalid("spec.healthCheckNodePort", chosen, why)),
                ),
            }
        }
        Ok(())
    }

    fn refuse_port(&self, port: i64) -> Option<String> {
        if !(FIRST_PORT..=LAST_PORT).contains(&port) {
            let range = format!("The range of valid ports is {FIRST_PORT}-{LAST_PORT}");
            return Some(format!("provided port is not in the valid range. {range}"));
        }
        (!self.is_free(&node_port(port))).then(|| "provided port is already allocated".to_owned())
    }

    fn any_port(&self, own: &[i64], random: u64) -> Result<i64, ApiError> {
        let number = |number: u64| i64::try_from(number).unwrap_or_default();
        let taken = |port: u64| own.contains(&number(port)) || !self.is_free(&node_port(number(port)));
        let (first, last) = (FIRST_PORT.unsigned_abs(), LAST_PORT.unsigned_abs());
        let found = search(first, first + CHOSEN_PORTS.unsigned_abs(), last, random, taken);
        found.map(number).ok_or_else(|| full("nodePort"))
    }
}

/// A number that is not taken: of `preferred..=last` from a random place on, else of those before.
fn search(first: u64, preferred: u64, last: u64, random: u64, taken: impl Fn(u64) -> bool) -> Option<u64> {
    let count = last - preferred + 1;
    let start = random % count;
    let later = (0..count).map(|i| preferred + (start + i) % count);
    later.chain(first..preferred).find(|number| !taken(*number))
}

fn full(what: &str) -> ApiError {
    let message = format!("Internal error occurred: failed to allocate a {what}: range is full");
    ApiError::new(Reason::InternalError, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Command, Draft, Op, RequestId, Require, Transaction};
    use kubus_proto::kinds::service;

    fn key(name: &str) -> Key {
        Key::new(service::ROW.resource_key(), "n", name)
    }

    fn completed(state: &State, spec: Value) -> Result<Value, ApiError> {
        let object = json!({"metadata": {"name": "s", "namespace": "n"}, "spec": spec});
        complete(&service::ROW, state, &object, || 0).map(|service| service["spec"].clone())
    }

    /// A state in which another service holds these.
    fn holding(ip: &str, port: i64) -> State {
        let object = json!({"metadata": {"name": "other", "namespace": "n"},
            "spec": {"clusterIPs": [ip], "ports": [{"nodePort": port}]}});
        let draft = Draft::encode(&service::ROW, &object).expect("encodes");
        let op = Op { key: key("other"), require: Require::default(), action: Action::Put(draft) };
        let id = RequestId { request: uuid::Uuid::new_v4(), part: 0 };
        let mut state = State::default();
        state.apply(Command { transactions: vec![Transaction { id, ops: vec![op] }], now_ms: 0 });
        state
    }

    #[test]
    fn addresses_and_ports_are_given_out() {
        let state = holding("10.96.1.0", 30_086);
        let port = |name: &str, port: i64| json!({"name": name, "port": port});
        let spec = completed(&state, json!({"type": "ClusterIP", "ports": [port("a", 80)]})).expect("completed");
        assert_eq!((&spec["clusterIP"], &spec["clusterIPs"]), (&json!("10.96.1.1"), &json!(["10.96.1.1"])));
        assert_eq!(spec["ports"][0]["nodePort"], Value::Null);
        let ports = json!([port("a", 80), port("b", 53), port("c", 53), {"name": "d", "port": 1, "nodePort": 30_087}]);
        let spec = completed(&state, json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": ports}));
        let spec = spec.expect("completed");
        let given: Vec<i64> = (0..4).filter_map(|i| spec["ports"][i]["nodePort"].as_i64()).collect();
        assert_eq!((given, &spec["healthCheckNodePort"]), (vec![30_088, 30_089, 30_089, 30_087], &json!(30_090)));
        for spec in [
            json!({"type": "ExternalName", "externalName": "a"}),
            json!({"type": "ClusterIP", "clusterIP": "None", "clusterIPs": ["None"]}),
            json!({"type": "LoadBalancer", "clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"],
                "allocateLoadBalancerNodePorts": false, "ports": [{"port": 80}]}),
        ] {
            assert_eq!(completed(&state, spec.clone()).expect("completed"), spec);
        }
    }

    #[test]
    fn what_is_taken_or_out_of_range_is_refused() {
        let state = holding("10.96.0.9", 30_000);
        let chosen = |ip: &str, port: i64| json!({"type": "NodePort", "clusterIP": ip, "clusterIPs": [ip], "ports": [{"port": 80, "nodePort": port}]});
        for (spec, expected) in [
            (
                chosen("10.96.0.9", 30_000),
                "Service \"s\" is invalid: [spec.clusterIPs: Invalid value: [\"10.96.0.9\"]: failed to allocate IP \
                 10.96.0.9: provided IP is already allocated, spec.ports[0].nodePort: Invalid value: 30000: provided port is \
                 already allocated]",
            ),
            (
                chosen("1.2.3.4", 80),
                "Service \"s\" is invalid: [spec.clusterIPs: Invalid value: [\"1.2.3.4\"]: failed to allocate IP 1.2.3.4: \
                 the provided IP (1.2.3.4) is not in the valid range. The range of valid IPs is 10.96.0.0/12, \
                 spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid \
                 ports is 30000-32767]",
            ),
        ] {
            assert_eq!(completed(&state, spec).expect_err("refused").message, expected);
        }
        // A service that has them keeps them.
        let object = json!({"metadata": {"name": "other", "namespace": "n"}, "spec": chosen("10.96.0.9", 30_000)});
        assert!(complete(&service::ROW, &state, &object, || 0).is_ok());
    }

    #[test]
    fn a_search_ends() {
        assert_eq!(search(1, 3, 5, 1, |_| false), Some(4));
        assert_eq!(search(1, 3, 5, 1, |n| n == 4), Some(5));
        assert_eq!(search(1, 3, 5, 1, |n| n >= 3), Some(1));
        assert_eq!(search(1, 3, 5, 1, |_| true), None);
    }
}
