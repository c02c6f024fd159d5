//! PodTopologySpread: pods of one controller go to different nodes and zones, by kube-scheduler's default constraints.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/#internal-default-constraints>

use super::{MAX_SCORE, Plugin, Score, ScoreContext, nothing_helps};
use crate::node::NodeInfo;
use crate::pod::PodInfo;
use crate::snapshot::Snapshot;

/// Skew over hosts that the default constraint allows.
const HOST_MAX_SKEW: f64 = 3.0;
/// Skew over zones that the default constraint allows.
const ZONE_MAX_SKEW: f64 = 5.0;

pub(super) const PLUGIN: Plugin = Plugin {
    name: "PodTopologySpread",
    filter: None,
    score: Some(Score { weight: 2, applies, score, normalize }),
    helps: nothing_helps,
};

fn applies(pod: &PodInfo, _: &Snapshot) -> bool {
    pod.spread_group.is_some()
}

/// Pods of the same group on the node and in its zone, the latter weighing less where zones are few.
fn score(context: &ScoreContext, pod: &PodInfo, node: &NodeInfo) -> i64 {
    let Some(group) = pod.spread_group else { return 0 };
    let weigh = |count: u32, domains: usize, skew: f64| f64::from(count) * ((domains + 2) as f64).ln() + (skew - 1.0);
    let mut sum = weigh(node.usage.in_group(group), context.candidates, HOST_MAX_SKEW);
    if let Some(count) = context.zone.and_then(|zone| context.zone_counts.get(zone)) {
        sum += weigh(*count, context.zone_counts.len(), ZONE_MAX_SKEW);
    }
    sum.round() as i64
}

/// Fewer is better, and the emptiest node gets [`MAX_SCORE`] whatever it has.
fn normalize(scores: &mut [i64]) {
    let (least, most) = (scores.iter().copied().min().unwrap_or(0), scores.iter().copied().max().unwrap_or(0));
    scores.iter_mut().for_each(|s| *s = if most == 0 { MAX_SCORE } else { MAX_SCORE * (most + least - *s) / most });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{node, pod};

    #[test]
    fn nodes_and_zones_without_its_fellows_are_better() {
        let wants = pod("p").group(7).info();
        let fellows = [pod("a").group(7), pod("b").group(7)];
        let strangers = [pod("a").group(8), pod("b")];
        let context = ScoreContext { candidates: 3, ..ScoreContext::default() };
        let alone = score(&context, &wants, &node("n").with(&strangers));
        assert!(score(&context, &wants, &node("n").with(&fellows)) > alone);
        let zone = |zone| ScoreContext { candidates: 3, zone_counts: vec![0, 4], zone: Some(zone) };
        let empty = node("n").with(&[]);
        assert!(score(&zone(1), &wants, &empty) > score(&zone(0), &wants, &empty));
        assert!(applies(&wants, &Snapshot::default()));
        assert!(!applies(&pod("p").info(), &Snapshot::default()));
    }

    #[test]
    fn normalized_so_that_fewer_is_better() {
        let mut scores = [2, 4, 6];
        normalize(&mut scores);
        assert_eq!(scores, [100, 66, 33]);
        let mut scores = [0, 0];
        normalize(&mut scores);
        assert_eq!(scores, [100, 100]);
    }
}
