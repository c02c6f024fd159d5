//! NodeResourcesBalancedAllocation: nodes whose CPU and memory would be used to a similar share are better.

use super::{MAX_SCORE, Plugin, Score, ScoreContext, as_they_are, nothing_helps};
use crate::node::NodeInfo;
use crate::pod::PodInfo;
use crate::snapshot::Snapshot;

pub(super) const PLUGIN: Plugin = Plugin {
    name: "NodeResourcesBalancedAllocation",
    filter: None,
    score: Some(Score { weight: 1, applies, score, normalize: as_they_are }),
    helps: nothing_helps,
};

fn applies(pod: &PodInfo, _: &Snapshot) -> bool {
    pod.demand.requests.cpu_milli > 0 || pod.demand.requests.memory_bytes > 0
}

/// [`MAX_SCORE`] less the standard deviation of the two shares, which for two is half their difference.
fn score(_: &ScoreContext, pod: &PodInfo, node: &NodeInfo) -> i64 {
    let (have, used, wanted) = (&node.spec.allocatable, &node.usage.requested, &pod.demand.requests);
    let share = |have: i64, used: i64| if have > 0 { (used as f64 / have as f64).min(1.0) } else { 0.0 };
    if have.cpu_milli <= 0 || have.memory_bytes <= 0 {
        return MAX_SCORE;
    }
    let cpu = share(have.cpu_milli, used.cpu_milli + wanted.cpu_milli);
    let memory = share(have.memory_bytes, used.memory_bytes + wanted.memory_bytes);
    ((1.0 - (cpu - memory).abs() / 2.0) * MAX_SCORE as f64) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{node, pod};

    #[test]
    fn balance_is_better() {
        let node = |pods: &[_]| node("n").cpu("4").allocatable("memory", "4Gi").with(pods);
        let wants = pod("p").cpu("1").request("memory", "1Gi").info();
        let context = ScoreContext::default();
        assert_eq!(score(&context, &wants, &node(&[])), 100);
        assert_eq!(score(&context, &wants, &node(&[pod("a").cpu("2")])), 75);
        assert!(applies(&wants, &Snapshot::default()));
        assert!(!applies(&pod("p").info(), &Snapshot::default()));
    }
}
