//! Taints that say what is wrong with a node.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions>

use super::conditions::condition;
use crate::object;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, NodeCondition, Taint};

/// Ready is False.
pub const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// Ready is Unknown.
pub const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// The node is cordoned.
pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// Set by an administrator: the node is off and its pods can be removed.
pub const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// New pods stay away.
pub const NO_SCHEDULE: &str = "NoSchedule";
/// Running pods go.
pub const NO_EXECUTE: &str = "NoExecute";

/// Condition, its value, and the NoSchedule taint it brings.
const BY_CONDITION: [(&str, &str, &str); 6] = [
    ("Ready", "False", NOT_READY),
    ("Ready", "Unknown", UNREACHABLE),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
];

/// Whether running pods are sent away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// They are, from now on or already.
    Granted,
    /// Not yet; a taint that is there stays.
    NotYet,
    /// They are not; a taint that is there goes.
    Withdrawn,
}

/// The taints a node with these conditions should have: those of others as they are, ours as they should be.
pub fn wanted(node: &Node, conditions: &[NodeCondition], eviction: Eviction, now: Timestamp) -> Vec<Taint> {
    let have: Vec<Taint> = node.spec.as_ref().and_then(|s| s.taints.clone()).unwrap_or_default();
    let ready = condition(conditions, "Ready").map(|c| c.status.as_str());
    let mut ours: Vec<(&str, &str)> = BY_CONDITION
        .iter()
        .filter(|(kind, value, _)| condition(conditions, kind).is_some_and(|c| c.status == *value))
        .map(|(_, _, key)| (*key, NO_SCHEDULE))
        .collect();
    if node.spec.as_ref().and_then(|s| s.unschedulable) == Some(true) {
        ours.push((UNSCHEDULABLE, NO_SCHEDULE));
    }
    let evicting = have.iter().find(|t| is_evicting(t));
    let key = match ready {
        Some("False") => Some(NOT_READY),
        Some("Unknown") => Some(UNREACHABLE),
        Some(_) | None => None,
    };
    let evict = eviction == Eviction::Granted || (eviction == Eviction::NotYet && evicting.is_some());
    ours.extend(key.filter(|_| evict).map(|key| (key, NO_EXECUTE)));

    let is_ours = |t: &Taint| {
        is_evicting(t)
            || t.effect == NO_SCHEDULE
                && (t.key == UNSCHEDULABLE || BY_CONDITION.iter().any(|(_, _, key)| *key == t.key))
    };
    let mut taints: Vec<Taint> =
        have.iter().filter(|t| !is_ours(t) || ours.contains(&(t.key.as_str(), t.effect.as_str()))).cloned().collect();
    for (key, effect) in ours {
        if !taints.iter().any(|t| t.key == key && t.effect == effect) {
            // not-ready may become unreachable and back; pods' time runs from the first of them.
            let since = evicting.filter(|_| effect == NO_EXECUTE).and_then(|t| t.time_added.clone());
            taints.push(Taint {
                key: key.to_owned(),
                effect: effect.to_owned(),
                time_added: since.or_else(|| Some(object::time(now))),
                value: None,
            });
        }
    }
    taints
}

/// Whether the taint is one of the two that this controller evicts with.
pub fn is_evicting(taint: &Taint) -> bool {
    taint.effect == NO_EXECUTE && (taint.key == NOT_READY || taint.key == UNREACHABLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn node(ready: &str, unschedulable: bool, taints: Value) -> Node {
        serde_json::from_value(json!({
            "spec": {"unschedulable": unschedulable, "taints": taints},
            "status": {"conditions": [{"type": "Ready", "status": ready}, {"type": "DiskPressure", "status": "False"}]},
        }))
        .expect("node")
    }

    fn keys(node: &Node, eviction: Eviction) -> Vec<String> {
        let conditions = node.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
        let wanted = wanted(node, &conditions, eviction, Timestamp::from_second(1_000).expect("time"));
        let short = |t: &Taint| format!("{}:{}", t.key.trim_start_matches("node.kubernetes.io/"), t.effect);
        wanted.iter().map(short).collect()
    }

    #[test]
    fn taints_follow_conditions() {
        let none = || json!([]);
        let foreign = json!({"key": "gpu", "effect": "NoSchedule"});
        let stale =
            json!([{"key": NOT_READY, "effect": "NoExecute"}, {"key": NOT_READY, "effect": "NoSchedule"}, foreign]);
        for (node, eviction, expected) in [
            (node("True", false, none()), Eviction::Withdrawn, vec![]),
            (node("True", true, none()), Eviction::Withdrawn, vec!["unschedulable:NoSchedule"]),
            (node("True", false, stale.clone()), Eviction::Withdrawn, vec!["gpu:NoSchedule"]),
            (node("False", false, none()), Eviction::NotYet, vec!["not-ready:NoSchedule"]),
            (node("False", false, none()), Eviction::Granted, vec!["not-ready:NoSchedule", "not-ready:NoExecute"]),
            (
                node("Unknown", false, stale.clone()),
                Eviction::NotYet,
                vec!["gpu:NoSchedule", "unreachable:NoSchedule", "unreachable:NoExecute"],
            ),
            (node("Unknown", false, stale), Eviction::Withdrawn, vec!["gpu:NoSchedule", "unreachable:NoSchedule"]),
        ] {
            assert_eq!(keys(&node, eviction), expected, "{:?}", node.spec);
        }
    }

    #[test]
    fn the_time_of_eviction_runs_on() {
        let added = "1970-01-01T00:00:05Z";
        let node = node("Unknown", false, json!([{"key": NOT_READY, "effect": "NoExecute", "timeAdded": added}]));
        let conditions = node.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
        let wanted = wanted(&node, &conditions, Eviction::NotYet, Timestamp::from_second(99).expect("time"));
        let evicting = wanted.iter().find(|t| is_evicting(t)).expect("still evicting");
        assert_eq!((evicting.key.as_str(), json!(evicting.time_added)), (UNREACHABLE, json!(added)));
    }
}
