//! The Node object this agent stands for: <https://kubernetes.io/docs/reference/node/node-status/>.

use crate::runtime::HostFacts;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, NodeAddress, NodeCondition, NodeDaemonEndpoints, NodeStatus, NodeSystemInfo};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kubus_proto::quantity::Quantity;
use std::collections::BTreeMap;

/// What a node is.
#[derive(Clone, Debug, Default)]
pub struct NodeFacts {
    /// Node's name.
    pub name: String,
    /// Node's address.
    pub ip: String,
    /// Labels given by whoever started the agent.
    pub labels: BTreeMap<String, String>,
    /// Pods it takes.
    pub max_pods: u32,
    /// The host.
    pub host: HostFacts,
    /// Identifies the host.
    pub machine_id: String,
    /// Identifies the host's boot.
    pub boot_id: String,
}

/// Whether the engine answers, and why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// It does.
    pub ready: bool,
    /// Why not.
    pub message: String,
}

/// Labels of the node.
pub fn labels(facts: &NodeFacts) -> BTreeMap<String, String> {
    let architecture = &facts.host.architecture;
    let own = [
        ("beta.kubernetes.io/arch", architecture.as_str()),
        ("beta.kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", architecture),
        ("kubernetes.io/hostname", &facts.name),
        ("kubernetes.io/os", "linux"),
    ];
    let own = own.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned()));
    own.chain(facts.labels.clone()).collect()
}

/// A new Node object.
pub fn node(facts: &NodeFacts, health: &Health, now: Timestamp) -> Node {
    Node {
        metadata: ObjectMeta { name: Some(facts.name.clone()), labels: Some(labels(facts)), ..ObjectMeta::default() },
        status: Some(status(facts, health, &[], now)),
        ..Node::default()
    }
}

/// The node's status. `before` are the conditions the API has: what did not change keeps its transition time.
pub fn status(facts: &NodeFacts, health: &Health, before: &[NodeCondition], now: Timestamp) -> NodeStatus {
    let host = &facts.host;
    let amounts = || {
        BTreeMap::from([
            ("cpu".to_owned(), ApiQuantity(host.cpus.to_string())),
            ("memory".to_owned(), ApiQuantity(kibibytes(host.memory_bytes))),
            ("ephemeral-storage".to_owned(), ApiQuantity(kibibytes(host.storage_bytes))),
            ("pods".to_owned(), ApiQuantity(facts.max_pods.to_string())),
        ])
    };
    let address = |kind: &str, address: &str| NodeAddress { type_: kind.to_owned(), address: address.to_owned() };
    NodeStatus {
        addresses: Some(vec![address("InternalIP", &facts.ip), address("Hostname", &facts.name)]),
        allocatable: Some(amounts()),
        capacity: Some(amounts()),
        conditions: Some(conditions(health, before, now)),
        daemon_endpoints: Some(NodeDaemonEndpoints::default()),
        node_info: Some(NodeSystemInfo {
            architecture: host.architecture.clone(),
            boot_id: facts.boot_id.clone(),
            container_runtime_version: host.runtime_version.clone(),
            kernel_version: host.kernel_version.clone(),
            kube_proxy_version: String::new(),
            kubelet_version: kubus_proto::VERSION.to_owned(),
            machine_id: facts.machine_id.clone(),
            operating_system: "linux".to_owned(),
            os_image: host.os_image.clone(),
            system_uuid: facts.machine_id.clone(),
            swap: None,
        }),
        ..NodeStatus::default()
    }
}

/// Whole kibibytes, as kubelet writes memory and storage.
fn kibibytes(bytes: i64) -> String {
    format!("{}Ki", bytes / 1024)
}

fn conditions(health: &Health, before: &[NodeCondition], now: Timestamp) -> Vec<NodeCondition> {
    let pressure = |kind, reason, message| (kind, false, reason, message);
    let ready_message = if health.ready { "kubelet is posting ready status" } else { health.message.as_str() };
    let rows = [
        pressure("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        pressure("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        pressure("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", health.ready, if health.ready { "KubeletReady" } else { "KubeletNotReady" }, ready_message),
    ];
    rows.into_iter()
        .map(|(kind, holds, reason, message)| {
            let status = if holds { "True" } else { "False" };
            let old = before.iter().find(|c| c.type_ == kind && c.status == status);
            NodeCondition {
                type_: kind.to_owned(),
                status: status.to_owned(),
                reason: Some(reason.to_owned()),
                message: Some(message.to_owned()),
                last_heartbeat_time: Some(Time(now)),
                last_transition_time: old.and_then(|c| c.last_transition_time.clone()).or(Some(Time(now))),
            }
        })
        .collect()
}

/// Whether what the API has of the node is not what it should be. Times do not count.
pub fn outdated(node: &Node, facts: &NodeFacts, health: &Health, now: Timestamp) -> bool {
    let current = node.status.clone().unwrap_or_default();
    let wanted = status(facts, health, current.conditions.as_deref().unwrap_or_default(), now);
    let brief = |status: &NodeStatus| {
        let conditions = status
            .conditions
            .iter()
            .flatten()
            .filter(|c| matches!(c.type_.as_str(), "Ready" | "MemoryPressure" | "DiskPressure" | "PIDPressure"));
        let mut conditions: Vec<_> =
            conditions.map(|c| (c.type_.clone(), c.status.clone(), c.reason.clone())).collect();
        conditions.sort();
        let amounts = |list: &Option<BTreeMap<String, ApiQuantity>>| {
            let list = list.iter().flatten();
            list.map(|(k, v)| (k.clone(), Quantity::parse(&v.0).map(Quantity::milli_value).unwrap_or(-1)))
                .collect::<Vec<_>>()
        };
        let info = status
            .node_info
            .as_ref()
            .map(|i| (i.kubelet_version.clone(), i.container_runtime_version.clone(), i.boot_id.clone()));
        (conditions, amounts(&status.capacity), status.addresses.clone(), info)
    };
    let labels_missing = labels(facts).iter().any(|(k, v)| {
        // A label that was changed by a user stays changed; one that is missing altogether was never set.
        node.metadata.labels.as_ref().and_then(|l| l.get(k)).is_none() && !v.is_empty()
    });
    brief(&current) != brief(&wanted) || labels_missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn facts() -> NodeFacts {
        NodeFacts {
            name: "n1".into(),
            ip: "10.0.0.1".into(),
            labels: [("disktype".to_owned(), "ssd".to_owned())].into(),
            max_pods: 110,
            host: HostFacts { architecture: "amd64".into(), cpus: 2, memory_bytes: 8 << 30, ..HostFacts::default() },
            ..NodeFacts::default()
        }
    }

    #[test]
    fn a_node_tells_what_it_is() {
        let ready = Health { ready: true, message: String::new() };
        let node = node(&facts(), &ready, at(10));
        let labels = node.metadata.labels.clone().expect("labels");
        assert_eq!((labels["kubernetes.io/hostname"].as_str(), labels["disktype"].as_str()), ("n1", "ssd"));
        let status = node.status.clone().expect("status");
        assert_eq!(status.capacity.as_ref().expect("capacity")["memory"].0, "8388608Ki");
        let conditions = status.conditions.expect("conditions");
        let last = conditions.last().expect("Ready");
        assert_eq!(
            (last.type_.as_str(), last.status.as_str(), last.reason.as_deref()),
            ("Ready", "True", Some("KubeletReady"))
        );
        assert!(!outdated(&node, &facts(), &ready, at(20)));
        let mut unknown = node.clone();
        if let Some(conditions) = unknown.status.as_mut().and_then(|s| s.conditions.as_mut()) {
            conditions[3].status = "Unknown".into();
        }
        assert!(outdated(&unknown, &facts(), &ready, at(20)));
    }

    #[test]
    fn transition_times_stay_until_something_changes() {
        let ready = Health { ready: true, message: String::new() };
        let first = status(&facts(), &ready, &[], at(10)).conditions.expect("conditions");
        let second = status(&facts(), &ready, &first, at(20)).conditions.expect("conditions");
        assert_eq!(second[3].last_transition_time, Some(Time(at(10))));
        assert_eq!(second[3].last_heartbeat_time, Some(Time(at(20))));
        let down = Health { ready: false, message: "the engine does not answer".into() };
        let third = status(&facts(), &down, &second, at(30)).conditions.expect("conditions");
        assert_eq!(third[3].last_transition_time, Some(Time(at(30))));
        assert_eq!(third[3].message.as_deref(), Some("the engine does not answer"));
    }
}
