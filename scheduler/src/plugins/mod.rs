//! The table of plugins: what keeps a pod off a node, which node is better, and what may help a pod that fits nowhere.
//! <https://kubernetes.io/docs/reference/scheduling/config/#scheduling-plugins>

mod node_affinity;
mod node_name;
mod node_ports;
mod node_resources_balanced_allocation;
mod node_resources_fit;
mod node_unschedulable;
mod pod_topology_spread;
mod taint_toleration;

use crate::cluster_event::ClusterEvent;
use crate::node::NodeInfo;
use crate::pod::PodInfo;
use crate::snapshot::Snapshot;
use std::borrow::Cow;

/// The best score of a node by one plugin, before its weight.
pub const MAX_SCORE: i64 = 100;

/// One plugin. Filters run in the table's order and stop at the first that refuses, as kube-scheduler's do.
pub struct Plugin {
    /// Kubernetes' name of it.
    pub name: &'static str,
    /// Refuses a node for a pod.
    pub filter: Option<Filter>,
    /// Prefers nodes for a pod.
    pub score: Option<Score>,
    /// Whether an event may help a pod that this plugin kept off a node.
    pub helps: fn(&PodInfo, &ClusterEvent<'_>) -> bool,
}

/// `Ok` where the pod may go to the node.
pub type Filter = fn(&PodInfo, &NodeInfo) -> Result<(), Rejection>;

/// How a plugin scores.
#[derive(Clone, Copy)]
pub struct Score {
    /// What its normalized scores are multiplied by.
    pub weight: i64,
    /// Whether it can tell nodes apart for this pod at all.
    pub applies: fn(&PodInfo, &Snapshot) -> bool,
    /// Raw score of one node.
    pub score: fn(&ScoreContext, &PodInfo, &NodeInfo) -> i64,
    /// Brings raw scores of all candidates to 0..=[`MAX_SCORE`], more being better.
    pub normalize: fn(&mut [i64]),
}

/// Why a node was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Texts, as kube-scheduler words them.
    pub reasons: Vec<Cow<'static, str>>,
    /// Whether fewer pods on the node could change it.
    pub curable_by_preemption: bool,
}

impl Rejection {
    /// Fewer pods on the node would not help.
    pub fn lasting(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reasons: vec![reason.into()], curable_by_preemption: false }
    }
}

/// What scoring needs beside the node, gathered once a cycle.
#[derive(Clone, Debug, Default)]
pub struct ScoreContext {
    /// How many nodes are scored.
    pub candidates: usize,
    /// How many pods of the pod's spread group each zone has, by zone number.
    pub zone_counts: Vec<u32>,
    /// Zone number of the node that is scored now.
    pub zone: Option<usize>,
}

/// Every plugin.
pub static PLUGINS: [Plugin; 8] = [
    node_unschedulable::PLUGIN,
    node_name::PLUGIN,
    taint_toleration::PLUGIN,
    node_affinity::PLUGIN,
    node_ports::PLUGIN,
    node_resources_fit::PLUGIN,
    node_resources_balanced_allocation::PLUGIN,
    pod_topology_spread::PLUGIN,
];

/// Position in [`PLUGINS`] of the plugin that limits a pod to named nodes.
pub const NODE_AFFINITY: usize = 3;

/// A set of plugins, by their positions in [`PLUGINS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PluginSet(u32);

impl PluginSet {
    /// Adds the plugin at `position`.
    pub fn insert(&mut self, position: usize) {
        self.0 |= 1 << position;
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The plugins in it.
    pub fn iter(self) -> impl Iterator<Item = &'static Plugin> {
        PLUGINS.iter().enumerate().filter(move |(position, _)| self.0 & (1 << position) != 0).map(|(_, plugin)| plugin)
    }

    /// Whether `event` may help `pod`, which these plugins kept off every node. With no plugin to ask, it may.
    pub fn helped_by(self, pod: &PodInfo, event: &ClusterEvent<'_>) -> bool {
        self.is_empty() || self.iter().any(|plugin| (plugin.helps)(pod, event))
    }
}

fn nothing_helps(_: &PodInfo, _: &ClusterEvent<'_>) -> bool {
    false
}

fn always(_: &PodInfo, _: &Snapshot) -> bool {
    true
}

/// Scores that are in 0..=[`MAX_SCORE`] already.
fn as_they_are(_: &mut [i64]) {}

/// Stretches scores so that the largest is [`MAX_SCORE`].
fn more_is_better(scores: &mut [i64]) {
    let largest = scores.iter().copied().max().unwrap_or(0);
    if largest > 0 {
        scores.iter_mut().for_each(|s| *s = *s * MAX_SCORE / largest);
    }
}

/// Stretches scores so that the largest is 0, and nothing at all is [`MAX_SCORE`].
fn less_is_better(scores: &mut [i64]) {
    let largest = scores.iter().copied().max().unwrap_or(0);
    scores.iter_mut().for_each(|s| *s = if largest > 0 { MAX_SCORE - *s * MAX_SCORE / largest } else { MAX_SCORE });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_normalized() {
        let run = |normalize: fn(&mut [i64]), scores: &[i64]| {
            let mut scores = scores.to_vec();
            normalize(&mut scores);
            scores
        };
        assert_eq!(run(more_is_better, &[0, 5, 10]), [0, 50, 100]);
        assert_eq!(run(more_is_better, &[0, 0]), [0, 0]);
        assert_eq!(run(less_is_better, &[0, 5, 10]), [100, 50, 0]);
        assert_eq!(run(less_is_better, &[0, 0]), [100, 100]);
    }

    #[test]
    fn the_table_is_consistent() {
        assert_eq!(PLUGINS[NODE_AFFINITY].name, "NodeAffinity");
        let mut names: Vec<_> = PLUGINS.iter().map(|p| p.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PLUGINS.len());
        assert!(PLUGINS.iter().all(|p| p.filter.is_some() || p.score.is_some()));
    }
}
