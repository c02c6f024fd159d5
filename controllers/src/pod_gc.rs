//! Pod garbage collection: pods that nobody else will ever remove.
//! <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-garbage-collection>

use crate::controller::{Controller, Observation, Watch};
use crate::informer::{Caches, Change};
use crate::node_lifecycle::taints::OUT_OF_SERVICE;
use crate::object::{self, Key};
use crate::plan::{Action, Found, Live, Lookup, Now, Plan, Target};
use crate::pods;
use crate::settings::Settings;
use k8s_openapi::api::core::v1::{Node, Pod};
use kubus_proto::kinds::{node, pod};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Row of the controllers table. It has one key and looks at everything.
pub static CONTROLLER: Controller = Controller {
    name: "podgc",
    watches: &[Watch { row: Some(&node::ROW), keys: keys_of_node }],
    plan: reconcile,
    workers: 1,
    first_keys: || vec![Key::default()],
};

fn keys_of_node(_: &Caches, change: &Change) -> Vec<Key> {
    if change.after.is_none() { vec![Key::default()] } else { Vec::new() }
}

/// Nodes that pods are bound to and that do not exist, and since when that is known.
#[derive(Debug, Default)]
pub struct Absences(Mutex<BTreeMap<String, Duration>>);

impl Absences {
    /// Notes which nodes are missing at `now`; gives since when each is.
    pub fn note(&self, missing: BTreeSet<String>, now: Duration) -> BTreeMap<String, Duration> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next: BTreeMap<String, Duration> = missing
            .into_iter()
            .map(|node| {
                let since = known.get(&node).copied().unwrap_or(now);
                (node, since)
            })
            .collect();
        known.clone_from(&next);
        next
    }
}

fn reconcile(o: &Observation<'_>, _: &Key) -> Plan {
    let exists = |n: &String| o.caches.nodes.get(&Key::new("", n)).is_some();
    let missing = o.caches.pods.nodes().into_iter().filter(|n| !exists(n)).collect();
    let absent = o.absences.note(missing, o.now.monotonic);
    plan(o.now, &o.caches.pods.all(), &o.caches.nodes.all(), &absent, o.live, o.settings)
}

/// Removes pods whose node is gone, that were deleted before they had a node, that are terminating on a node an
/// administrator has given up, and finished ones beyond the threshold. `absent` says since when nodes are missing.
pub fn plan(
    now: Now,
    all: &[Arc<Pod>],
    nodes: &[Arc<Node>],
    absent: &BTreeMap<String, Duration>,
    live: &Live,
    settings: &Settings,
) -> Plan {
    let mut plan = Plan::nothing();
    plan.again_after(settings.pod_gc_period);
    let gone = confirmed(now, absent, live, settings, &mut plan);
    if !plan.lookups.is_empty() {
        return plan;
    }
    let off: BTreeSet<&str> =
        nodes.iter().filter(|n| is_out_of_service(n)).map(|n| object::name(&n.metadata)).collect();
    let mut finished = Vec::new();
    for pod in all {
        let deleting = object::is_deleting(&pod.metadata);
        match pods::node_name(pod) {
            Some(node) if gone.contains(node) => remove(now, pod, "PodGC: node no longer exists", &mut plan),
            Some(node) if deleting && off.contains(node) => {
                remove(now, pod, "PodGC: node is out of service", &mut plan);
            }
            None if deleting => remove(now, pod, "PodGC: unscheduled and terminating", &mut plan),
            _ if !deleting && pods::is_finished(pod) => finished.push(pod),
            _ => {}
        }
    }
    let surplus = finished.len().saturating_sub(settings.terminated_pod_threshold);
    finished.sort_by_key(|p| object::created(&p.metadata));
    for pod in finished.iter().take(surplus) {
        force_delete(pod, &mut plan);
    }
    plan
}

/// Nodes whose quarantine is over and that the API does not know either.
fn confirmed(
    now: Now,
    absent: &BTreeMap<String, Duration>,
    live: &Live,
    settings: &Settings,
    plan: &mut Plan,
) -> BTreeSet<String> {
    let mut gone = BTreeSet::new();
    for (name, since) in absent {
        let left = (*since + settings.pod_gc_quarantine).saturating_sub(now.monotonic);
        if !left.is_zero() {
            plan.again_after(left);
            continue;
        }
        let lookup = Lookup::Object { row: &node::ROW, namespace: String::new(), name: name.clone() };
        match live.get(&lookup) {
            None => plan.lookups.push(lookup),
            Some(Found::Missing) => {
                gone.insert(name.clone());
            }
            Some(Found::Object(_) | Found::Content { .. }) => {}
        }
    }
    gone
}

fn is_out_of_service(node: &Node) -> bool {
    let ready = node.status.iter().flat_map(|s| s.conditions.iter().flatten()).find(|c| c.type_ == "Ready");
    let tainted = node.spec.iter().flat_map(|s| s.taints.iter().flatten()).any(|t| t.key == OUT_OF_SERVICE);
    tainted && ready.is_none_or(|c| c.status != "True")
}

/// Says why in the status of a pod that has not come to its end, and removes it.
fn remove(now: Now, pod: &Pod, message: &str, plan: &mut Plan) {
    if !pods::is_finished(pod) {
        let mut conditions = json!(pod.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default());
        if let Some(all) = conditions.as_array_mut() {
            all.retain(|c| c["type"] != "DisruptionTarget");
            all.push(json!({
                "type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC", "message": message,
                "lastTransitionTime": object::timestamp(now.wall),
            }));
        }
        plan.act(Action::Patch {
            target: Target::any_version(&pod::ROW, &pod.metadata),
            subresource: "status",
            patch: json!({"status": {"phase": "Failed", "conditions": conditions}}),
        });
    }
    force_delete(pod, plan);
}

fn force_delete(pod: &Pod, plan: &mut Plan) {
    let target = Target::any_version(&pod::ROW, &pod.metadata);
    plan.act(Action::Delete { target, grace_seconds: Some(0), propagation: None });
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use serde_json::Value;

    fn pod(name: &str, node: Option<&str>, deleting: bool, phase: &str, created: i64) -> Arc<Pod> {
        let deleted = deleting.then_some("2026-01-01T00:00:00Z");
        let created = object::timestamp(Timestamp::from_second(created).expect("time"));
        let value = json!({
            "metadata": {"namespace": "ns", "name": name, "uid": name, "deletionTimestamp": deleted,
                "creationTimestamp": created},
            "spec": {"containers": [], "nodeName": node}, "status": {"phase": phase},
        });
        Arc::new(serde_json::from_value(value).expect("pod"))
    }

    fn node(name: &str, taints: Value, ready: &str) -> Arc<Node> {
        let value = json!({"metadata": {"name": name}, "spec": {"taints": taints},
            "status": {"conditions": [{"type": "Ready", "status": ready}]}});
        Arc::new(serde_json::from_value(value).expect("node"))
    }

    fn removed(plan: &Plan) -> Vec<&str> {
        plan.steps
            .iter()
            .filter_map(|s| match &s.action {
                Action::Delete { target, grace_seconds: Some(0), .. } => Some(target.name.as_str()),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn pods_nobody_removes_are_removed() {
        let out = json!([{"key": OUT_OF_SERVICE, "effect": "NoExecute"}]);
        let nodes = [node("here", json!([]), "True"), node("off", out.clone(), "Unknown"), node("back", out, "True")];
        let all = [
            pod("stays", Some("here"), false, "Running", 0),
            pod("stopping", Some("here"), true, "Running", 0),
            pod("lost", Some("gone"), false, "Running", 0),
            pod("unscheduled", None, true, "Pending", 0),
            pod("waiting", None, false, "Pending", 0),
            pod("stuck", Some("off"), true, "Running", 0),
            pod("alive-on-off", Some("off"), false, "Running", 0),
            pod("stopping-on-back", Some("back"), true, "Running", 0),
            pod("old-done", Some("here"), false, "Succeeded", 1),
            pod("new-done", Some("here"), false, "Failed", 2),
        ];
        let at = |s| Now { wall: Timestamp::UNIX_EPOCH, monotonic: Duration::from_secs(s) };
        let settings = Settings { terminated_pod_threshold: 1, ..Settings::default() };
        let absences = Absences::default();
        let absent = absences.note(["gone".to_owned()].into(), Duration::from_secs(10));
        let mut live = Live::default();

        let early = plan(at(12), &all, &nodes, &absent, &live, &settings);
        assert_eq!(removed(&early), ["unscheduled", "stuck", "old-done"], "quarantine");
        assert_eq!(early.requeue_after, Some(Duration::from_secs(3)));

        assert_eq!(absences.note(["gone".to_owned()].into(), Duration::from_secs(15)), absent, "since when is kept");
        let asked = plan(at(15), &all, &nodes, &absent, &live, &settings);
        assert_eq!((asked.lookups.len(), asked.steps.len()), (1, 0), "the API has the last word");
        live.insert(&asked.lookups[0], Found::Missing);
        let sure = plan(at(15), &all, &nodes, &absent, &live, &settings);
        assert_eq!(removed(&sure), ["lost", "unscheduled", "stuck", "old-done"]);
        live.insert(&asked.lookups[0], Found::Object(json!({})));
        let there = plan(at(15), &all, &nodes, &absent, &live, &settings);
        assert_eq!(removed(&there), ["unscheduled", "stuck", "old-done"]);
        assert!(absences.note(BTreeSet::new(), Duration::from_secs(20)).is_empty());
    }
}
