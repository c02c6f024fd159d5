//! NodeUnschedulable: no new pods on cordoned nodes, unless they tolerate the taint that goes with it.

use super::{Plugin, Rejection};
use crate::cluster_event::ClusterEvent;
use crate::node::{NodeInfo, NodeSpec};
use crate::pod::PodInfo;
use crate::toleration::{Effect, Taint, tolerated};

const REASON: &str = "node(s) were unschedulable";
const TAINT_KEY: &str = "node.kubernetes.io/unschedulable";

pub(super) const PLUGIN: Plugin = Plugin { name: "NodeUnschedulable", filter: Some(filter), score: None, helps };

fn allows(pod: &PodInfo, node: &NodeSpec) -> bool {
    if !node.unschedulable {
        return true;
    }
    let taint = Taint { key: TAINT_KEY.to_owned(), value: String::new(), effect: Effect::NoSchedule };
    tolerated(&pod.rules.tolerations, &taint)
}

fn filter(pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
    if allows(pod, &node.spec) { Ok(()) } else { Err(Rejection::lasting(REASON)) }
}

fn helps(pod: &PodInfo, event: &ClusterEvent<'_>) -> bool {
    event.node_came_to_fit(|node| allows(pod, node))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{node, pod};

    #[test]
    fn cordoned_nodes_take_only_pods_that_tolerate_it() {
        let tolerant = pod("p").tolerating(TAINT_KEY).info();
        let plain = pod("p").info();
        for (pod, node, expected) in [
            (&plain, node("n").with(&[]), Ok(())),
            (&plain, node("n").cordoned().with(&[]), Err(Rejection::lasting(REASON))),
            (&tolerant, node("n").cordoned().with(&[]), Ok(())),
        ] {
            assert_eq!(filter(pod, &node), expected);
        }
    }

    #[test]
    fn only_uncordoning_and_new_nodes_help() {
        let plain = pod("p").info();
        let (open, closed) = (node("n").with(&[]), node("n").cordoned().with(&[]));
        for (event, expected) in [
            (ClusterEvent::NodeAdded(&open), true),
            (ClusterEvent::NodeAdded(&closed), false),
            (ClusterEvent::NodeUpdated { before: &closed.spec, after: &open }, true),
            (ClusterEvent::NodeUpdated { before: &open.spec, after: &closed }, false),
            (ClusterEvent::NodeUpdated { before: &open.spec, after: &open }, false),
            (ClusterEvent::PodRemoved(&plain), false),
        ] {
            assert_eq!(helps(&plain, &event), expected, "{event:?}");
        }
    }
}
