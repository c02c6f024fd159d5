//! What happened in the cluster that may let a pod fit which did not fit before.

use crate::node::{NodeInfo, NodeSpec};
use crate::pod::PodInfo;

/// One change, with what a plugin needs to tell whether it helps.
#[derive(Clone, Copy, Debug)]
pub enum ClusterEvent<'a> {
    /// A node is new.
    NodeAdded(&'a NodeInfo),
    /// A node changed.
    NodeUpdated {
        /// What it was.
        before: &'a NodeSpec,
        /// What it is.
        after: &'a NodeInfo,
    },
    /// A pod no longer takes room on a node, or takes less of it.
    PodRemoved(&'a PodInfo),
}

impl ClusterEvent<'_> {
    /// Whether a node that `fits` has appeared: it is new, or did not fit before it changed.
    pub fn node_came_to_fit(&self, fits: impl Fn(&NodeSpec) -> bool) -> bool {
        match self {
            ClusterEvent::NodeAdded(node) => fits(&node.spec),
            ClusterEvent::NodeUpdated { before, after } => !fits(before) && fits(&after.spec),
            ClusterEvent::PodRemoved(_) => false,
        }
    }
}
