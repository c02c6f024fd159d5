//! TaintToleration: taints keep pods away that do not tolerate them, and PreferNoSchedule taints make a node worse.

use super::{Plugin, Rejection, Score, ScoreContext, less_is_better};
use crate::cluster_event::ClusterEvent;
use crate::node::{NodeInfo, NodeSpec};
use crate::pod::PodInfo;
use crate::snapshot::Snapshot;
use crate::toleration::{Effect, Taint, tolerated};

pub(super) const PLUGIN: Plugin = Plugin {
    name: "TaintToleration",
    filter: Some(filter),
    score: Some(Score { weight: 3, applies, score, normalize: less_is_better }),
    helps,
};

fn untolerated<'n>(pod: &PodInfo, node: &'n NodeSpec) -> Option<&'n Taint> {
    node.taints.iter().find(|taint| taint.effect.forbids() && !tolerated(&pod.rules.tolerations, taint))
}

fn filter(pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
    match untolerated(pod, &node.spec) {
        None => Ok(()),
        Some(taint) => {
            let reason = format!("node(s) had untolerated taint {{{}: {}}}", taint.key, taint.value);
            Err(Rejection::lasting(reason))
        }
    }
}

fn applies(_: &PodInfo, snapshot: &Snapshot) -> bool {
    snapshot.has_soft_taints()
}

/// How many PreferNoSchedule taints the pod does not tolerate.
fn score(_: &ScoreContext, pod: &PodInfo, node: &NodeInfo) -> i64 {
    let soft = node.spec.taints.iter().filter(|taint| taint.effect == Effect::PreferNoSchedule);
    soft.map(|taint| i64::from(!tolerated(&pod.rules.tolerations, taint))).sum()
}

fn helps(pod: &PodInfo, event: &ClusterEvent<'_>) -> bool {
    event.node_came_to_fit(|node| untolerated(pod, node).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{node, pod};

    #[test]
    fn taints_keep_pods_away_and_are_named() {
        let tainted = |effect: &str| node("n").taint("dedicated", "db", effect).with(&[]);
        for (pod, node, expected) in [
            (pod("p"), tainted("NoSchedule"), Some("node(s) had untolerated taint {dedicated: db}")),
            (pod("p"), tainted("NoExecute"), Some("node(s) had untolerated taint {dedicated: db}")),
            (pod("p"), tainted("PreferNoSchedule"), None),
            (pod("p").tolerating("dedicated"), tainted("NoSchedule"), None),
            (
                pod("p").tolerating("dedicated"),
                node("n").taint("dedicated", "", "NoSchedule").taint("lost", "", "NoExecute").with(&[]),
                Some("node(s) had untolerated taint {lost: }"),
            ),
        ] {
            let expected = expected.map_or(Ok(()), |reason| Err(Rejection::lasting(reason)));
            assert_eq!(filter(&pod.info(), &node), expected);
        }
    }

    #[test]
    fn soft_taints_count_against_a_node() {
        let node = node("n").taint("a", "", "PreferNoSchedule").taint("b", "", "PreferNoSchedule").with(&[]);
        let context = ScoreContext::default();
        assert_eq!(score(&context, &pod("p").info(), &node), 2);
        assert_eq!(score(&context, &pod("p").tolerating("a").info(), &node), 1);
    }

    #[test]
    fn a_taint_taken_away_helps() {
        let (tainted, clean) = (node("n").taint("a", "", "NoSchedule").with(&[]), node("n").with(&[]));
        let pod = pod("p").info();
        assert!(helps(&pod, &ClusterEvent::NodeUpdated { before: &tainted.spec, after: &clean }));
        assert!(!helps(&pod, &ClusterEvent::NodeUpdated { before: &clean.spec, after: &clean }));
        assert!(!helps(&pod, &ClusterEvent::NodeAdded(&tainted)));
    }
}
