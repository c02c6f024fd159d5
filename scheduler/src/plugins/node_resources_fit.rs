//! NodeResourcesFit: requests fit into what is left of a node; nodes with more left over are better (LeastAllocated).

use super::{MAX_SCORE, Plugin, Rejection, Score, ScoreContext, always, as_they_are};
use crate::cluster_event::ClusterEvent;
use crate::node::NodeInfo;
use crate::pod::PodInfo;
use crate::resources::Resources;
use std::borrow::Cow;

pub(super) const PLUGIN: Plugin = Plugin {
    name: "NodeResourcesFit",
    filter: Some(filter),
    score: Some(Score { weight: 1, applies: always, score, normalize: as_they_are }),
    helps,
};

fn filter(pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
    let (wanted, have, used) = (&pod.demand.requests, &node.spec.allocatable, &node.usage.requested);
    let full = node.usage.pods + 1 > node.spec.allocatable_pods;
    let lacks = |wanted: i64, have: i64, used: i64| wanted > 0 && wanted > have - used;
    let fits = !full
        && !lacks(wanted.cpu_milli, have.cpu_milli, used.cpu_milli)
        && !lacks(wanted.memory_bytes, have.memory_bytes, used.memory_bytes)
        && !lacks(wanted.ephemeral_bytes, have.ephemeral_bytes, used.ephemeral_bytes)
        && wanted.extended.iter().all(|(name, w)| !lacks(*w, have.extended(name), used.extended(name)));
    if fits {
        return Ok(());
    }
    let mut rejection = Rejection { reasons: Vec::new(), curable_by_preemption: true };
    if full {
        rejection.reasons.push("Too many pods".into());
    }
    let mut check = |reason: Cow<'static, str>, wanted: i64, have: i64, used: i64| {
        if lacks(wanted, have, used) {
            rejection.reasons.push(reason);
            rejection.curable_by_preemption &= wanted <= have;
        }
    };
    check("Insufficient cpu".into(), wanted.cpu_milli, have.cpu_milli, used.cpu_milli);
    check("Insufficient memory".into(), wanted.memory_bytes, have.memory_bytes, used.memory_bytes);
    check("Insufficient ephemeral-storage".into(), wanted.ephemeral_bytes, have.ephemeral_bytes, used.ephemeral_bytes);
    for (name, amount) in &wanted.extended {
        check(format!("Insufficient {name}").into(), *amount, have.extended(name), used.extended(name));
    }
    Err(rejection)
}

/// Mean share of CPU and memory that stays free, of [`MAX_SCORE`].
fn score(_: &ScoreContext, pod: &PodInfo, node: &NodeInfo) -> i64 {
    let (have, usage, demand) = (&node.spec.allocatable, &node.usage, &pod.demand);
    let (mut sum, mut resources) = (0, 0);
    for (have, used) in [
        (have.cpu_milli, usage.scored_cpu_milli + demand.scored_cpu_milli),
        (have.memory_bytes, usage.scored_memory_bytes + demand.scored_memory_bytes),
    ] {
        if have > 0 {
            resources += 1;
            sum += (have - used).max(0).saturating_mul(MAX_SCORE) / have;
        }
    }
    if resources == 0 { 0 } else { sum / resources }
}

/// Whether `pod` asks for something of which `b` has more than `a`.
fn wants_what_grew(pod: &PodInfo, a: &Resources, b: &Resources) -> bool {
    let wanted = &pod.demand.requests;
    (wanted.cpu_milli > 0 && b.cpu_milli > a.cpu_milli)
        || (wanted.memory_bytes > 0 && b.memory_bytes > a.memory_bytes)
        || (wanted.ephemeral_bytes > 0 && b.ephemeral_bytes > a.ephemeral_bytes)
        || wanted.extended.iter().any(|(name, amount)| *amount > 0 && b.extended(name) > a.extended(name))
}

fn helps(pod: &PodInfo, event: &ClusterEvent<'_>) -> bool {
    match event {
        ClusterEvent::NodeAdded(node) => filter(pod, node).is_ok(),
        ClusterEvent::NodeUpdated { before, after } => {
            let grew = after.spec.allocatable_pods > before.allocatable_pods
                || wants_what_grew(pod, &before.allocatable, &after.spec.allocatable);
            grew && filter(pod, after).is_ok()
        }
        // Every pod gives back its place, which counts by itself ("Too many pods").
        ClusterEvent::PodRemoved(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{node, pod};

    #[test]
    fn what_is_left_must_be_enough() {
        let gpu = "example.com/gpu";
        let used = [pod("a").cpu("3").request("memory", "2Gi")];
        let small = || node("n").cpu("4").allocatable("memory", "4Gi").allocatable("ephemeral-storage", "1Gi");
        for (pod, node, reasons, curable) in [
            (pod("p"), small().with(&used), &[][..], true),
            (pod("p").cpu("1"), small().with(&used), &[], true),
            (pod("p").cpu("1001m"), small().with(&used), &["Insufficient cpu"], true),
            (pod("p").cpu("5"), small().with(&used), &["Insufficient cpu"], false),
            (
                pod("p").cpu("2").request("memory", "3Gi"),
                small().with(&used),
                &["Insufficient cpu", "Insufficient memory"],
                true,
            ),
            (
                pod("p").request("ephemeral-storage", "2Gi"),
                small().with(&[]),
                &["Insufficient ephemeral-storage"],
                false,
            ),
            (pod("p").request(gpu, "1"), small().with(&[]), &["Insufficient example.com/gpu"], false),
            (pod("p").request(gpu, "1"), small().allocatable(gpu, "1").with(&[]), &[], true),
            (pod("p"), small().allocatable("pods", "1").with(&used), &["Too many pods"], true),
            (
                pod("p").cpu("2"),
                small().allocatable("pods", "1").with(&used),
                &["Too many pods", "Insufficient cpu"],
                true,
            ),
        ] {
            match filter(&pod.info(), &node) {
                Ok(()) => assert!(reasons.is_empty(), "expected {reasons:?}"),
                Err(rejection) => {
                    assert_eq!(rejection.reasons, reasons);
                    assert_eq!(rejection.curable_by_preemption, curable, "{reasons:?}");
                }
            }
        }
    }

    #[test]
    fn emptier_nodes_score_higher() {
        let node = |pods: &[_]| node("n").cpu("4").allocatable("memory", "4Gi").with(pods);
        let wants = pod("p").cpu("1").request("memory", "1Gi").info();
        let context = ScoreContext::default();
        assert_eq!(score(&context, &wants, &node(&[])), 75);
        assert_eq!(score(&context, &wants, &node(&[pod("a").cpu("1").request("memory", "3Gi")])), 25);
        let full = node(&[pod("a").cpu("4").request("memory", "4Gi")]);
        assert_eq!(score(&context, &wants, &full), 0);
    }

    #[test]
    fn more_of_what_is_asked_for_helps() {
        let wants = pod("p").cpu("2").info();
        let (small, large) = (node("n").cpu("1").with(&[]), node("n").cpu("2").with(&[]));
        let more_memory = node("n").cpu("1").allocatable("memory", "64Gi").with(&[]);
        for (event, expected) in [
            (ClusterEvent::NodeAdded(&small), false),
            (ClusterEvent::NodeAdded(&large), true),
            (ClusterEvent::NodeUpdated { before: &small.spec, after: &large }, true),
            (ClusterEvent::NodeUpdated { before: &small.spec, after: &more_memory }, false),
            (ClusterEvent::NodeUpdated { before: &large.spec, after: &large }, false),
            (ClusterEvent::PodRemoved(&wants), true),
        ] {
            assert_eq!(helps(&wants, &event), expected, "{event:?}");
        }
    }
}
