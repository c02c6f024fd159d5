//! Taint eviction: pods leave nodes with NoExecute taints they do not tolerate, or when their time there is over.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/>

use crate::controller::{Controller, Observation, Watch, no_first_keys, own_key};
use crate::informer::{Caches, Change, Index, Object};
use crate::object::{self, Key};
use crate::plan::{Action, EventDraft, Now, Plan, Severity, Target};
use crate::pods;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Node, Pod, Taint, Toleration};
use kubus_proto::kinds::{node, pod};
use serde_json::json;
use std::time::Duration;

const COMPONENT: &str = "taint-eviction-controller";
const NO_EXECUTE: &str = "NoExecute";

/// Row of the controllers table. Its keys are pods.
pub static CONTROLLER: Controller = Controller {
    name: "tainteviction",
    watches: &[Watch { row: Some(&pod::ROW), keys: keys_of_pod }, Watch { row: Some(&node::ROW), keys: keys_of_node }],
    plan: reconcile,
    workers: 4,
    first_keys: no_first_keys,
};

fn no_execute(node: &Node) -> Vec<&Taint> {
    node.spec.iter().flat_map(|s| s.taints.iter().flatten()).filter(|t| t.effect == NO_EXECUTE).collect()
}

fn keys_of_pod(caches: &Caches, change: &Change) -> Vec<Key> {
    let Some(Object::Pod(pod)) = &change.after else {
        return Vec::new();
    };
    let node = pods::node_name(pod).and_then(|n| caches.nodes.get(&Key::new("", n)));
    if node.is_some_and(|n| !no_execute(&n).is_empty()) { own_key(caches, change) } else { Vec::new() }
}

/// All pods of a node whose NoExecute taints have changed.
fn keys_of_node(caches: &Caches, change: &Change) -> Vec<Key> {
    let Some(Object::Node(after)) = &change.after else {
        return Vec::new();
    };
    let same = match &change.before {
        Some(Object::Node(before)) => no_execute(before) == no_execute(after),
        _ => no_execute(after).is_empty(),
    };
    if same {
        return Vec::new();
    }
    let node = object::name(&after.metadata).to_owned();
    caches.pods.select(&Index::Node(node)).iter().map(|p| Key::of(&p.metadata)).collect()
}

fn reconcile(o: &Observation<'_>, key: &Key) -> Plan {
    let Some(pod) = o.caches.pods.get(key) else {
        return Plan::nothing();
    };
    let node = pods::node_name(&pod).and_then(|n| o.caches.nodes.get(&Key::new("", n)));
    match node {
        Some(node) => plan(o.now, &pod, &node),
        None => Plan::nothing(),
    }
}

/// Whether a toleration covers a taint.
pub fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    let (effect, key) = (text(&toleration.effect), text(&toleration.key));
    if !effect.is_empty() && effect != taint.effect || !key.is_empty() && key != taint.key {
        return false;
    }
    match toleration.operator.as_deref() {
        Some("Exists") => true,
        None | Some("" | "Equal") => !key.is_empty() && text(&toleration.value) == text(&taint.value),
        Some(_) => false,
    }
}

/// When a pod must leave its node; `None` where it may stay. Time runs from when the taint was added, but for a pod
/// that came later from when it came.
pub fn deadline(pod: &Pod, taints: &[&Taint], now: Timestamp) -> Option<Timestamp> {
    let tolerations: Vec<&Toleration> = pod.spec.iter().flat_map(|s| s.tolerations.iter().flatten()).collect();
    let bound = pods::condition(pod, "PodScheduled").and_then(|c| c.last_transition_time.as_ref()).map(|t| t.0);
    let bound = bound.unwrap_or_else(|| object::created(&pod.metadata));
    let leave = |taint: &&Taint| {
        let matching: Vec<_> = tolerations.iter().filter(|t| tolerates(t, taint)).collect();
        if matching.is_empty() {
            return Some(now);
        }
        let seconds = matching.iter().filter_map(|t| t.toleration_seconds).min()?.max(0);
        let added = taint.time_added.as_ref().map_or(now, |t| t.0);
        Some(added.max(bound).saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX))
    };
    taints.iter().filter_map(leave).min()
}

/// Evicts a pod whose time is over, or looks again when it will be.
pub fn plan(now: Now, pod: &Pod, node: &Node) -> Plan {
    let mut plan = Plan::nothing();
    if object::is_deleting(&pod.metadata) {
        return plan;
    }
    let Some(deadline) = deadline(pod, &no_execute(node), now.wall) else {
        return plan;
    };
    let left = deadline.duration_since(now.wall);
    if left.is_positive() {
        plan.again_after(Duration::try_from(left).unwrap_or(Duration::ZERO));
        return plan;
    }
    let key = Key::of(&pod.metadata);
    let mut conditions = json!(pod.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default());
    if let Some(all) = conditions.as_array_mut() {
        all.retain(|c| c["type"] != "DisruptionTarget");
        all.push(json!({
            "type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
            "lastTransitionTime": object::timestamp(now.wall),
        }));
    }
    plan.act(Action::Patch {
        target: Target::exact(&pod::ROW, &pod.metadata),
        subresource: "status",
        patch: json!({"status": {"conditions": conditions}}),
    });
    let message = format!("Marking for deletion Pod {key}");
    let event =
        EventDraft::new(COMPONENT, (&pod::ROW, &pod.metadata), Severity::Normal, "TaintManagerEviction", message);
    let target = Target::any_version(&pod::ROW, &pod.metadata);
    plan.act_and_say(Action::Delete { target, grace_seconds: None, propagation: None }, event);
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn at(second: i64) -> Now {
        let wall = Timestamp::from_second(second).expect("time");
        Now { wall, monotonic: Duration::from_secs(u64::try_from(second).expect("positive")) }
    }

    fn pod(tolerations: Value, scheduled: i64) -> Pod {
        let scheduled = object::timestamp(at(scheduled).wall);
        serde_json::from_value(json!({
            "metadata": {"namespace": "ns", "name": "a", "uid": "u", "resourceVersion": "1"},
            "spec": {"containers": [], "nodeName": "n", "tolerations": tolerations},
            "status": {"conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": scheduled}]},
        }))
        .expect("pod")
    }

    fn node(taints: Value) -> Node {
        serde_json::from_value(json!({"metadata": {"name": "n"}, "spec": {"taints": taints}})).expect("node")
    }

    fn unreachable(since: i64) -> Value {
        json!([{"key": "node.kubernetes.io/unreachable", "effect": NO_EXECUTE,
            "timeAdded": object::timestamp(at(since).wall)}])
    }

    fn tolerating(seconds: Option<i64>) -> Value {
        json!([{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": NO_EXECUTE,
            "tolerationSeconds": seconds}])
    }

    #[test]
    fn pods_leave_when_their_time_is_over() {
        let fine = node(json!([{"key": "gpu", "effect": "NoSchedule"}]));
        let bad = node(unreachable(100));
        for (pod, node, now, expected, what) in [
            (pod(json!([]), 0), &fine, 100, None, "no NoExecute taint"),
            (pod(json!([]), 0), &bad, 100, Some(0), "no toleration"),
            (pod(tolerating(None), 0), &bad, 100, None, "tolerated for ever"),
            (pod(tolerating(Some(300)), 0), &bad, 100, Some(300), "the usual five minutes"),
            (pod(tolerating(Some(300)), 0), &bad, 250, Some(150), "half of them"),
            (pod(tolerating(Some(300)), 0), &bad, 400, Some(0), "all of them"),
            (pod(tolerating(Some(300)), 350), &bad, 400, Some(250), "it came after the taint"),
            (pod(tolerating(Some(-5)), 0), &bad, 100, Some(0), "less than nothing"),
            (pod(json!([{"operator": "Exists"}]), 0), &bad, 100, None, "tolerates everything"),
            (pod(json!([{"key": "other", "operator": "Exists"}]), 0), &bad, 100, Some(0), "another key"),
            (pod(tolerating(Some(300)), 0), &node(json!([])), 150, None, "the taint is gone: cancelled"),
        ] {
            let plan = plan(at(now), &pod, node);
            let evicts = plan.steps.iter().any(|s| matches!(s.action, Action::Delete { .. }));
            match expected {
                None => assert!(!evicts && plan.requeue_after.is_none(), "{what}"),
                Some(0) => assert!(evicts, "{what}"),
                Some(left) => {
                    assert!(!evicts, "{what}");
                    assert_eq!(plan.requeue_after, Some(Duration::from_secs(left)), "{what}");
                }
            }
        }
    }

    #[test]
    fn values_are_compared() {
        let taint = |value: &str| Taint {
            key: "k".into(),
            effect: NO_EXECUTE.into(),
            value: Some(value.into()),
            time_added: None,
        };
        let equal: Toleration = serde_json::from_value(json!({"key": "k", "value": "v"})).expect("toleration");
        assert!(tolerates(&equal, &taint("v")));
        assert!(!tolerates(&equal, &taint("w")));
        let other_effect: Toleration =
            serde_json::from_value(json!({"key": "k", "operator": "Exists", "effect": "NoSchedule"}))
                .expect("toleration");
        assert!(!tolerates(&other_effect, &taint("v")));
    }
}
