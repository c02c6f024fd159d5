//! NodePorts: two pods do not take the same port of a node.

use super::{Plugin, Rejection};
use crate::cluster_event::ClusterEvent;
use crate::host_port::collide;
use crate::node::NodeInfo;
use crate::pod::PodInfo;

const REASON: &str = "node(s) didn't have free ports for the requested pod ports";

pub(super) const PLUGIN: Plugin = Plugin { name: "NodePorts", filter: Some(filter), score: None, helps };

fn filter(pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
    if collide(&pod.ports, &node.usage.ports) {
        return Err(Rejection { reasons: vec![REASON.into()], curable_by_preemption: true });
    }
    Ok(())
}

fn helps(pod: &PodInfo, event: &ClusterEvent<'_>) -> bool {
    match event {
        ClusterEvent::NodeAdded(node) => !collide(&pod.ports, &node.usage.ports),
        ClusterEvent::NodeUpdated { .. } => false,
        ClusterEvent::PodRemoved(removed) => collide(&pod.ports, &removed.ports),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{node, pod};

    #[test]
    fn a_taken_port_refuses() {
        let busy = node("n").with(&[pod("a").port(80)]);
        assert!(filter(&pod("b").port(80).info(), &busy).is_err_and(|r| r.curable_by_preemption));
        assert_eq!(filter(&pod("b").port(81).info(), &busy), Ok(()));
        assert_eq!(filter(&pod("b").info(), &busy), Ok(()));
    }

    #[test]
    fn the_port_given_back_helps() {
        let wants = pod("b").port(80).info();
        assert!(helps(&wants, &ClusterEvent::PodRemoved(&pod("a").port(80).info())));
        assert!(!helps(&wants, &ClusterEvent::PodRemoved(&pod("a").port(81).info())));
        let free = node("n").with(&[]);
        assert!(helps(&wants, &ClusterEvent::NodeAdded(&free)));
        assert!(!helps(&wants, &ClusterEvent::NodeUpdated { before: &free.spec, after: &free }));
    }
}
