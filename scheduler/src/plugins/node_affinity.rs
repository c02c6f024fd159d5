//! NodeAffinity: `nodeSelector` and node affinity terms, required and preferred.

use super::{Plugin, Rejection, Score, ScoreContext, more_is_better};
use crate::cluster_event::ClusterEvent;
use crate::node::{NodeInfo, NodeSpec};
use crate::pod::PodInfo;
use crate::snapshot::Snapshot;

const REASON: &str = "node(s) didn't match Pod's node affinity/selector";

pub(super) const PLUGIN: Plugin = Plugin {
    name: "NodeAffinity",
    filter: Some(filter),
    score: Some(Score { weight: 2, applies, score, normalize: more_is_better }),
    helps,
};

fn allows(pod: &PodInfo, node: &NodeSpec) -> bool {
    pod.rules.affinity.allows(&node.name, &node.labels)
}

fn filter(pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
    if allows(pod, &node.spec) { Ok(()) } else { Err(Rejection::lasting(REASON)) }
}

fn applies(pod: &PodInfo, _: &Snapshot) -> bool {
    !pod.rules.affinity.preferred.is_empty()
}

fn score(_: &ScoreContext, pod: &PodInfo, node: &NodeInfo) -> i64 {
    pod.rules.affinity.preference(&node.spec.name, &node.spec.labels)
}

fn helps(pod: &PodInfo, event: &ClusterEvent<'_>) -> bool {
    event.node_came_to_fit(|node| allows(pod, node))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{node, pod};

    #[test]
    fn labels_decide() {
        let picky = pod("p").selector("disk", "ssd").info();
        assert_eq!(filter(&picky, &node("n").with(&[])), Err(Rejection::lasting(REASON)));
        assert_eq!(filter(&picky, &node("n").label("disk", "ssd").with(&[])), Ok(()));
        assert_eq!(filter(&pod("p").info(), &node("n").with(&[])), Ok(()));
    }

    #[test]
    fn the_label_that_was_missing_helps() {
        let picky = pod("p").selector("disk", "ssd").info();
        let (without, with) = (node("n").with(&[]), node("n").label("disk", "ssd").with(&[]));
        assert!(helps(&picky, &ClusterEvent::NodeUpdated { before: &without.spec, after: &with }));
        assert!(!helps(&picky, &ClusterEvent::NodeUpdated { before: &with.spec, after: &with }));
        assert!(!helps(&picky, &ClusterEvent::NodeAdded(&without)));
        assert!(!helps(&picky, &ClusterEvent::PodRemoved(&picky)));
    }
}
