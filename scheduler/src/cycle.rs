//! One scheduling cycle: which node a pod goes to, or why to none. Pure.

use crate::fit_error::{FitError, Preemption};
use crate::node::NodeInfo;
use crate::plugins::{NODE_AFFINITY, PLUGINS, Rejection, ScoreContext};
use crate::pod::PodInfo;
use crate::snapshot::Snapshot;
use std::sync::Arc;

/// With fewer nodes than this every node is looked at.
const SAMPLING_FROM_NODES: usize = 100;
/// Share of the nodes that must be found fitting before the search ends, in small clusters, in percent.
const LARGEST_SHARE_PERCENT: usize = 50;
/// The same in the largest clusters.
const SMALLEST_SHARE_PERCENT: usize = 5;
/// By how many nodes a cluster must grow for the share to shrink by one percent.
const NODES_PER_PERCENT: usize = 125;

/// Where a pod goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Name of the node.
    pub node: Arc<str>,
    /// How many nodes were looked at.
    pub examined: usize,
    /// How many of them fitted.
    pub feasible: usize,
}

/// How many fitting nodes are enough (`percentageOfNodesToScore`, left to adapt to the cluster).
/// <https://kubernetes.io/docs/concepts/scheduling-eviction/scheduler-perf-tuning/>
pub fn enough_feasible(nodes: usize) -> usize {
    if nodes < SAMPLING_FROM_NODES {
        return nodes;
    }
    let percent = LARGEST_SHARE_PERCENT.saturating_sub(nodes / NODES_PER_PERCENT).max(SMALLEST_SHARE_PERCENT);
    (nodes * percent / 100).max(SAMPLING_FROM_NODES)
}

/// Chooses a node for `pod`. The search begins at node number `start` (any number) so that in large clusters, where it
/// ends early, the nodes take turns. Equally good nodes are drawn from by `seed`.
pub fn schedule(snapshot: &Snapshot, pod: &PodInfo, start: usize, seed: u64) -> Result<Placement, FitError> {
    let nodes = snapshot.nodes();
    let mut error = FitError { nodes: nodes.len(), ..FitError::default() };
    let mut feasible: Vec<usize> = Vec::new();
    let mut examined = 0;
    if let Some(names) = pod.rules.affinity.limited_to() {
        let known: Vec<usize> = names.iter().filter_map(|name| snapshot.position(name)).collect();
        examined = known.len();
        for position in known {
            match filter(pod, &nodes[position]) {
                Ok(()) => feasible.push(position),
                Err((plugin, rejection)) => note(&mut error, pod, &nodes[position], plugin, rejection),
            }
        }
        let absent = nodes.len() - examined;
        if absent > 0 {
            let reason = format!("node(s) didn't satisfy plugin(s) [{}]", PLUGINS[NODE_AFFINITY].name);
            *error.reasons.entry(reason.into()).or_default() += absent;
            error.preemption.not_helpful += absent;
            error.plugins.insert(NODE_AFFINITY);
        }
    } else {
        let enough = enough_feasible(nodes.len());
        let start = start % nodes.len().max(1);
        for position in (start..nodes.len()).chain(0..start) {
            examined += 1;
            match filter(pod, &nodes[position]) {
                Ok(()) => feasible.push(position),
                Err((plugin, rejection)) => note(&mut error, pod, &nodes[position], plugin, rejection),
            }
            if feasible.len() >= enough {
                break;
            }
        }
    }
    match best(snapshot, pod, &feasible, seed) {
        Some(position) => Ok(Placement { node: nodes[position].spec.name.clone(), examined, feasible: feasible.len() }),
        None => {
            error.preemption.refused = pod.never_preempts;
            Err(error)
        }
    }
}

fn filter(pod: &PodInfo, node: &NodeInfo) -> Result<(), (usize, Rejection)> {
    for (position, plugin) in PLUGINS.iter().enumerate() {
        if let Some(filter) = plugin.filter {
            filter(pod, node).map_err(|rejection| (position, rejection))?;
        }
    }
    Ok(())
}

fn note(error: &mut FitError, pod: &PodInfo, node: &NodeInfo, plugin: usize, rejection: Rejection) {
    for reason in rejection.reasons {
        *error.reasons.entry(reason).or_default() += 1;
    }
    error.plugins.insert(plugin);
    let Preemption { not_helpful, no_victims, candidates, .. } = &mut error.preemption;
    if !rejection.curable_by_preemption {
        *not_helpful += 1;
    } else if node.usage.has_lower_priority(pod.priority) {
        *candidates += 1;
    } else {
        *no_victims += 1;
    }
}

/// The highest total of weighted scores; among equals one drawn by `seed`.
fn best(snapshot: &Snapshot, pod: &PodInfo, feasible: &[usize], seed: u64) -> Option<usize> {
    if feasible.len() < 2 {
        return feasible.first().copied();
    }
    let nodes = snapshot.nodes();
    let mut context = ScoreContext { candidates: feasible.len(), ..ScoreContext::default() };
    if let Some(group) = pod.spread_group {
        context.zone_counts = snapshot.zone_counts(group);
    }
    let mut totals = vec![0i64; feasible.len()];
    let mut scores = vec![0i64; feasible.len()];
    for score in PLUGINS.iter().filter_map(|plugin| plugin.score) {
        if !(score.applies)(pod, snapshot) {
            continue;
        }
        for (slot, position) in scores.iter_mut().zip(feasible) {
            context.zone = snapshot.zone(*position);
            *slot = (score.score)(&context, pod, &nodes[*position]);
        }
        (score.normalize)(&mut scores);
        totals.iter_mut().zip(&scores).for_each(|(total, s)| *total += s * score.weight);
    }
    let highest = totals.iter().copied().max()?;
    let equals = totals.iter().filter(|total| **total == highest).count() as u64;
    let drawn = usize::try_from(mix(seed) % equals).ok()?;
    totals.iter().zip(feasible).filter(|(total, _)| **total == highest).nth(drawn).map(|(_, position)| *position)
}

/// Spreads the bits of a seed, so that seeds that follow each other draw differently (the finalizer of SplitMix64).
fn mix(seed: u64) -> u64 {
    let a = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let b = (a ^ (a >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    b ^ (b >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{NodeFixture, PodFixture, node, pod};
    use std::collections::{BTreeMap, BTreeSet};

    fn cluster(nodes: impl IntoIterator<Item = NodeFixture>) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for node in nodes {
            snapshot.set_node(node.build());
        }
        snapshot
    }

    fn node_of(snapshot: &Snapshot, pod: PodFixture) -> String {
        schedule(snapshot, &pod.info(), 0, 1).expect("fits").node.to_string()
    }

    fn message(snapshot: &Snapshot, pod: PodFixture) -> String {
        schedule(snapshot, &pod.info(), 0, 1).expect_err("fits nowhere").to_string()
    }

    #[test]
    fn the_best_node_wins() {
        let mut snapshot = cluster([node("n1"), node("n2"), node("n3")]);
        for (name, at, amount) in [("a", "n1", "4"), ("b", "n3", "2")] {
            snapshot.set_pod(pod(name).cpu(amount).request("memory", "8Gi").arc(), at.into());
        }
        assert_eq!(node_of(&snapshot, pod("p").cpu("1").request("memory", "4Gi")), "n2", "the emptiest");
        assert_eq!(node_of(&snapshot, pod("p").selector("kubernetes.io/hostname", "n1")), "n1", "the only one");
        assert_eq!(node_of(&snapshot, pod("p").cpu("7")), "n2", "where it fits");
    }

    #[test]
    fn preferences_count() {
        let mut snapshot =
            cluster([node("n1").taint("slow", "", "PreferNoSchedule"), node("n2"), node("n3").label("disk", "ssd")]);
        assert_ne!(node_of(&snapshot, pod("p")), "n1");
        let preferred = serde_json::json!({"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution":
            [{"weight": 1, "preference": {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}}]}});
        assert_eq!(node_of(&snapshot, pod("p").spec("affinity", preferred)), "n3");
        snapshot.set_pod(pod("a").group(7).arc(), "n2".into());
        assert_eq!(node_of(&snapshot, pod("p").group(7)), "n3", "away from its fellow");
    }

    #[test]
    fn a_controllers_pods_are_spread_evenly() {
        let mut snapshot = cluster((0..5).map(|i| node(&format!("n{i}"))));
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for i in 0..20 {
            let next = pod(&format!("p{i}")).cpu("100m").group(7).arc();
            let placement = schedule(&snapshot, &next, 0, i).expect("fits");
            *counts.entry(placement.node.to_string()).or_default() += 1;
            snapshot.assume(next, placement.node, 1);
        }
        assert!(counts.values().all(|count| *count == 4), "{counts:?}");
    }

    #[test]
    fn ties_are_broken_by_the_seed_alone() {
        let snapshot = cluster((0..4).map(|i| node(&format!("n{i}"))));
        let web = pod("p").info();
        let draw = |seed| schedule(&snapshot, &web, 0, seed).expect("fits").node;
        assert_eq!(draw(5), draw(5));
        let all: BTreeSet<_> = (0..100).map(draw).collect();
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn refusals_read_like_kube_schedulers() {
        let mut snapshot = cluster([node("n1").cordoned(), node("n2").cpu("1"), node("n3").cpu("1")]);
        let fruitless = |not_helpful: &str| format!("preemption: 0/3 nodes are available: {not_helpful}.");
        let (a, b) = ("Preemption is not helpful for scheduling", "No preemption victims found for incoming pod");
        assert_eq!(
            message(&snapshot, pod("p").cpu("2")),
            format!(
                "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu. {}",
                fruitless(&format!("3 {a}"))
            )
        );
        snapshot.set_pod(pod("x").cpu("500m").port(80).arc(), "n2".into());
        snapshot.set_pod(pod("y").cpu("500m").port(80).arc(), "n3".into());
        assert_eq!(
            message(&snapshot, pod("p").cpu("1")),
            format!(
                "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu. {}",
                fruitless(&format!("1 {a}, 2 {b}"))
            )
        );
        assert_eq!(
            message(&snapshot, pod("p").port(80)),
            format!(
                "0/3 nodes are available: 1 node(s) were unschedulable, \
                 2 node(s) didn't have free ports for the requested pod ports. {}",
                fruitless(&format!("1 {a}, 2 {b}"))
            )
        );
        assert_eq!(
            message(&snapshot, pod("p").selector("disk", "ssd")),
            format!(
                "0/3 nodes are available: 1 node(s) were unschedulable, \
                 2 node(s) didn't match Pod's node affinity/selector. {}",
                fruitless(&format!("3 {a}"))
            )
        );
        assert_eq!(
            message(&snapshot, pod("p").cpu("1").priority(10)),
            "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu.",
            "there are victims, and nobody was preempted"
        );
        assert_eq!(message(&Snapshot::default(), pod("p")), "no nodes available to schedule pods");
    }

    #[test]
    fn a_pod_pinned_to_a_name_looks_at_that_node_only() {
        let pinned = |name: &str| {
            let field = serde_json::json!({"key": "metadata.name", "operator": "In", "values": [name]});
            pod("p").cpu("4").spec(
                "affinity",
                serde_json::json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
                    {"nodeSelectorTerms": [{"matchFields": [field]}]}}}),
            )
        };
        let snapshot = cluster([node("n1"), node("n2"), node("n3").cpu("1")]);
        let placement = schedule(&snapshot, &pinned("n2").info(), 0, 1).expect("fits");
        assert_eq!((&*placement.node, placement.examined), ("n2", 1));
        assert_eq!(
            message(&snapshot, pinned("n3")),
            "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]. \
             preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
        );
        assert!(message(&snapshot, pinned("n9")).starts_with("0/3 nodes are available: 3 node(s) didn't satisfy"));
    }

    #[test]
    fn large_clusters_are_sampled_in_turns() {
        for (nodes, enough) in [(0, 0), (99, 99), (100, 100), (300, 144), (1_000, 420), (5_000, 500), (10_000, 500)] {
            assert_eq!(enough_feasible(nodes), enough, "{nodes}");
        }
        let snapshot = cluster((0..300).map(|i| node(&format!("n{i:03}"))));
        let web = pod("p").info();
        let mut seen = BTreeSet::new();
        let mut start = 0;
        for seed in 0..2_000 {
            let placement = schedule(&snapshot, &web, start, seed).expect("fits");
            assert_eq!(placement.examined, 144);
            start += placement.examined;
            seen.insert(placement.node);
        }
        assert!(seen.len() > 290, "every node gets its turn: {}", seen.len());
    }

    /// Prints how many pods a second a cycle places; never fails for being slow.
    #[test]
    fn figure_of_a_thousand_nodes() {
        let nodes =
            (0..1_000).map(|i| node(&format!("n{i}")).label("topology.kubernetes.io/zone", ["a", "b", "c"][i % 3]));
        let mut snapshot = cluster(nodes);
        let (pods, mut start) = (2_000u64, 0);
        let waiting: Vec<_> = (0..pods)
            .map(|i| pod(&format!("p{i}")).cpu("100m").request("memory", "64Mi").group(i % 40).arc())
            .collect();
        let begin = std::time::Instant::now();
        for (seed, next) in waiting.into_iter().enumerate() {
            let placement = schedule(&snapshot, &next, start, seed as u64).expect("fits");
            start += placement.examined;
            snapshot.assume(next, placement.node, 1);
        }
        println!("{:.0} pods/s on 1,000 nodes", pods as f64 / begin.elapsed().as_secs_f64());
    }
}
