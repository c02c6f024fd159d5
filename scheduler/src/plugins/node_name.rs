//! NodeName: a pod that names a node goes there and nowhere else.
//!
//! A pod that names its node is bound already and passes the scheduler by, so this row refuses only where a pod is asked
//! about that is not in the queue (a what-if, an admission check).

use super::{Plugin, Rejection, nothing_helps};
use crate::node::NodeInfo;
use crate::pod::PodInfo;

const REASON: &str = "node(s) didn't match the requested node name";

pub(super) const PLUGIN: Plugin = Plugin { name: "NodeName", filter: Some(filter), score: None, helps: nothing_helps };

fn filter(pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
    match &pod.rules.node_name {
        Some(name) if *name != node.spec.name => Err(Rejection::lasting(REASON)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{node, pod};

    #[test]
    fn only_the_named_node_will_do() {
        let mut named = pod("p").info();
        assert_eq!(filter(&named, &node("n1").with(&[])), Ok(()));
        named.rules.node_name = Some("n1".into());
        assert_eq!(filter(&named, &node("n1").with(&[])), Ok(()));
        assert_eq!(filter(&named, &node("n2").with(&[])), Err(Rejection::lasting(REASON)));
    }
}
