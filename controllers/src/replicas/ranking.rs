//! Which pods go first when there are too many.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#scaling-down-a-replicaset>

use crate::{object, pods};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// Annotation with which users say what a pod is worth.
pub const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Sorts `candidates` so that those to delete first come first. `related` are the active pods of all sets with the same
/// controller: of two equal pods the one on the fuller node goes.
pub fn sort(candidates: &mut [Arc<Pod>], related: &[Arc<Pod>]) {
    let mut on_node: HashMap<&str, usize> = HashMap::new();
    for pod in related.iter().filter(|p| pods::is_active(p)) {
        if let Some(node) = pods::node_name(pod) {
            *on_node.entry(node).or_default() += 1;
        }
    }
    candidates.sort_by_cached_key(|pod| {
        let node = pods::node_name(pod);
        let doubled = node.and_then(|n| on_node.get(n)).copied().unwrap_or(0);
        (
            node.is_some(),
            phase_rank(pod),
            pods::is_ready(pod),
            deletion_cost(pod),
            Reverse(doubled),
            // A pod that does not say since when it is ready counts as ready for ever.
            Reverse(pods::ready_since(pod).unwrap_or(Timestamp::MIN)),
            Reverse(pods::restarts(pod)),
            Reverse(object::created(&pod.metadata)),
            object::uid(&pod.metadata).to_owned(),
        )
    });
}

fn phase_rank(pod: &Pod) -> u8 {
    match pods::phase(pod) {
        "" | "Pending" => 0,
        "Unknown" => 1,
        _ => 2,
    }
}

fn deletion_cost(pod: &Pod) -> i32 {
    let annotations = pod.metadata.annotations.as_ref();
    annotations.and_then(|a| a.get(DELETION_COST)).and_then(|c| c.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(name: &str, body: Value) -> Arc<Pod> {
        let mut pod: Pod = serde_json::from_value(body).expect("pod");
        pod.metadata.name = Some(name.to_owned());
        pod.metadata.uid = Some(name.to_owned());
        Arc::new(pod)
    }

    fn running(name: &str, node: &str, ready: Option<&str>, restarts: i32, created: &str, cost: &str) -> Arc<Pod> {
        pod(
            name,
            json!({
                "metadata": {"creationTimestamp": created, "annotations": {DELETION_COST: cost}},
                "spec": {"containers": [], "nodeName": node},
                "status": {"phase": "Running",
                    "conditions": [{"type": "Ready", "status": if ready.is_some() {"True"} else {"False"},
                        "lastTransitionTime": ready.unwrap_or("2020-01-01T00:00:00Z")}],
                    "containerStatuses": [{"name": "c", "image": "i", "imageID": "", "ready": ready.is_some(),
                        "restartCount": restarts}]},
            }),
        )
    }

    #[test]
    fn the_least_worth_go_first() {
        let (old, new) = ("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z");
        let pending = |node: Option<&str>| {
            json!({"metadata": {"creationTimestamp": old}, "spec": {"containers": [], "nodeName": node},
                "status": {"phase": "Pending"}})
        };
        let expected = [
            pod("unassigned", pending(None)),
            pod("pending", pending(Some("n1"))),
            running("not-ready", "n1", None, 0, old, "0"),
            running("cheap", "n1", Some(old), 0, old, "-5"),
            running("doubled", "n2", Some(old), 0, old, "0"),
            running("newly-ready", "n1", Some(new), 0, old, "0"),
            running("restarted", "n1", Some(old), 3, old, "0"),
            running("new", "n1", Some(old), 0, new, "0"),
            running("old", "n1", Some(old), 0, old, "0"),
            running("dear", "n2", Some(new), 9, new, "7"),
        ];
        let names = |pods: &[Arc<Pod>]| pods.iter().map(|p| object::name(&p.metadata).to_owned()).collect::<Vec<_>>();
        let mut related = expected.to_vec();
        related.extend((0..9).map(|i| running(&format!("r{i}"), "n2", Some(old), 0, old, "0")));
        for rotation in 0..expected.len() {
            let mut shuffled = expected.to_vec();
            shuffled.rotate_left(rotation);
            sort(&mut shuffled, &related);
            assert_eq!(names(&shuffled), names(&expected));
        }
    }
}
