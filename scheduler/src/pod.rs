//! What the scheduler keeps of a Pod: enough to place it, or to count it where it stands.

use crate::host_port::HostPort;
use crate::node_selector::NodeAffinity;
use crate::resources::Demand;
use crate::toleration::Toleration;
use k8s_openapi::api::core::v1::Pod;
use kubus_proto::names::fnv32a;
use std::sync::Arc;

/// The `spec.schedulerName` this scheduler answers to.
pub const SCHEDULER_NAME: &str = "default-scheduler";
/// The condition that says whether a pod has a node.
pub const POD_SCHEDULED: &str = "PodScheduled";

/// What decides where a pod may go; left empty for pods that have a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The only node it may go to.
    pub node_name: Option<Arc<str>>,
    /// Taints it can stand.
    pub tolerations: Vec<Toleration>,
    /// Nodes it may go to, and those it prefers.
    pub affinity: NodeAffinity,
}

/// The last known PodScheduled condition, where it is False.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// `Unschedulable` or `SchedulerError`.
    pub reason: String,
    /// For humans.
    pub message: String,
}

/// One pod.
#[derive(Clone, Debug)]
pub struct PodInfo {
    /// Namespace.
    pub namespace: Box<str>,
    /// Name.
    pub name: Box<str>,
    /// Uid; the pod's identity everywhere in this crate.
    pub uid: Arc<str>,
    /// Version it was seen at; kept only while it waits for a node.
    pub resource_version: Box<str>,
    /// Larger goes first.
    pub priority: i32,
    /// `preemptionPolicy: Never`.
    pub never_preempts: bool,
    /// When it was made, in seconds since 1970.
    pub created_s: i64,
    /// When the PodScheduled condition last turned, as it is written in the pod.
    pub condition_since: Option<jiff::Timestamp>,
    /// What the pod's PodScheduled condition says, where that is False.
    pub refusal: Option<Refusal>,
    /// What it takes from a node.
    pub demand: Demand,
    /// Ports of the node it takes.
    pub ports: Vec<HostPort>,
    /// Pods with the same controller, which are spread over nodes: a hash of the controller's uid.
    pub spread_group: Option<u64>,
    /// It is being deleted: it still holds its resources, but is not counted in the spread.
    pub terminating: bool,
    /// Where it may go.
    pub rules: Rules,
}

impl PodInfo {
    /// `namespace/name`, for messages.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether a decision about one is a decision about the other.
    pub fn same_demands(&self, other: &PodInfo) -> bool {
        self.priority == other.priority
            && self.never_preempts == other.never_preempts
            && self.demand == other.demand
            && self.ports == other.ports
            && self.rules == other.rules
    }
}

/// What a pod means to the scheduler.
#[derive(Clone, Debug)]
pub enum Standing {
    /// It takes room on this node.
    Assigned(Arc<str>),
    /// It is ours to place.
    Pending,
    /// It takes no room and is not ours to place: finished, gated, being deleted, or another scheduler's.
    Elsewhere,
}

/// A pod as it was seen.
#[derive(Clone, Debug)]
pub struct ObservedPod {
    /// The pod.
    pub info: Arc<PodInfo>,
    /// What it means.
    pub standing: Standing,
}

impl ObservedPod {
    /// From a Pod of the API. `None` for one without a spec, a name or a uid, which the API never gives.
    pub fn read(pod: &Pod) -> Option<Self> {
        let spec = pod.spec.as_ref()?;
        let metadata = &pod.metadata;
        let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default();
        let terminating = metadata.deletion_timestamp.is_some();
        let standing = if matches!(phase, "Succeeded" | "Failed") {
            Standing::Elsewhere
        } else if let Some(node) = spec.node_name.as_deref().filter(|n| !n.is_empty()) {
            Standing::Assigned(Arc::from(node))
        } else if !terminating
            && spec.scheduler_name.as_deref().unwrap_or(SCHEDULER_NAME) == SCHEDULER_NAME
            && spec.scheduling_gates.as_ref().is_none_or(Vec::is_empty)
        {
            Standing::Pending
        } else {
            Standing::Elsewhere
        };
        let rules = match standing {
            Standing::Pending => Rules {
                node_name: spec.node_name.as_deref().filter(|n| !n.is_empty()).map(Arc::from),
                tolerations: spec.tolerations.iter().flatten().filter_map(Toleration::read).collect(),
                affinity: NodeAffinity::read(spec),
            },
            Standing::Assigned(_) | Standing::Elsewhere => Rules::default(),
        };
        let condition =
            pod.status.iter().flat_map(|s| s.conditions.iter().flatten()).find(|c| c.type_ == POD_SCHEDULED);
        let refused = condition.filter(|c| c.status == "False" && matches!(standing, Standing::Pending));
        let controller = metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        let info = PodInfo {
            namespace: metadata.namespace.clone().unwrap_or_default().into(),
            name: metadata.name.clone()?.into(),
            uid: Arc::from(metadata.uid.as_deref()?),
            resource_version: match standing {
                Standing::Pending => metadata.resource_version.clone().unwrap_or_default().into(),
                Standing::Assigned(_) | Standing::Elsewhere => Box::default(),
            },
            priority: spec.priority.unwrap_or(0),
            never_preempts: spec.preemption_policy.as_deref() == Some("Never"),
            created_s: metadata.creation_timestamp.as_ref().map_or(0, |t| t.0.as_second()),
            condition_since: refused.and_then(|c| c.last_transition_time.as_ref()).map(|t| t.0),
            refusal: refused.map(|c| Refusal {
                reason: c.reason.clone().unwrap_or_default(),
                message: c.message.clone().unwrap_or_default(),
            }),
            demand: Demand::of(spec),
            ports: HostPort::of(spec),
            spread_group: controller.map(|owner| group(&owner.uid)),
            terminating,
            rules,
        };
        Some(Self { info: Arc::new(info), standing })
    }
}

/// A number for a uid. Uids are random, so two that share a number are not met; if they were, only a score would change.
fn group(uid: &str) -> u64 {
    let reversed: Vec<u8> = uid.bytes().rev().collect();
    (u64::from(fnv32a(uid.as_bytes())) << 32) | u64::from(fnv32a(&reversed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn observe(change: impl FnOnce(&mut Value)) -> ObservedPod {
        let mut pod = json!({
            "metadata": {"namespace": "default", "name": "web", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"schedulerName": "default-scheduler", "containers": [{"name": "c"}]},
            "status": {"phase": "Pending"},
        });
        change(&mut pod);
        ObservedPod::read(&serde_json::from_value(pod).expect("pod")).expect("observed")
    }

    #[test]
    fn only_pods_that_are_ours_and_ready_are_pending() {
        type Change = fn(&mut Value);
        let cases: [(&str, Change, &str); 8] = [
            ("plain", |_| {}, "pending"),
            ("bound", |p| p["spec"]["nodeName"] = json!("n1"), "assigned"),
            ("finished", |p| p["status"]["phase"] = json!("Succeeded"), "elsewhere"),
            (
                "bound and failed",
                |p| {
                    p["spec"]["nodeName"] = json!("n1");
                    p["status"]["phase"] = json!("Failed");
                },
                "elsewhere",
            ),
            ("deleted", |p| p["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"), "elsewhere"),
            ("gated", |p| p["spec"]["schedulingGates"] = json!([{"name": "quota"}]), "elsewhere"),
            ("another's", |p| p["spec"]["schedulerName"] = json!("mine"), "elsewhere"),
            ("no scheduler named", |p| p["spec"]["schedulerName"] = Value::Null, "pending"),
        ];
        for (name, change, expected) in cases {
            let standing = match observe(change).standing {
                Standing::Assigned(_) => "assigned",
                Standing::Pending => "pending",
                Standing::Elsewhere => "elsewhere",
            };
            assert_eq!(standing, expected, "{name}");
        }
    }

    #[test]
    fn pods_of_one_controller_are_one_group() {
        let owned = |uid: &str, controller: bool| {
            let owner = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": uid,
                "controller": controller}]);
            observe(|p| p["metadata"]["ownerReferences"] = owner).info.spread_group
        };
        assert_eq!(owned("a", true), owned("a", true));
        assert_ne!(owned("a", true), owned("b", true));
        assert_eq!(owned("a", false), None);
    }

    #[test]
    fn the_condition_is_remembered_while_it_says_no() {
        let condition = |status: &str| {
            json!([{"type": "PodScheduled", "status": status, "reason": "Unschedulable", "message": "m",
                "lastTransitionTime": "2026-01-01T00:00:00Z"}])
        };
        let refused = observe(|p| p["status"]["conditions"] = condition("False")).info;
        assert_eq!(refused.refusal, Some(Refusal { reason: "Unschedulable".into(), message: "m".into() }));
        assert!(refused.condition_since.is_some());
        assert_eq!(observe(|p| p["status"]["conditions"] = condition("True")).info.refusal, None);
    }
}
