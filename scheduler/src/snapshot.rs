//! The cluster as the scheduler knows it: nodes, what their pods take, and bindings in flight.

use crate::node::{NodeInfo, NodeSpec, Usage, counted_group};
use crate::pod::PodInfo;
use crate::toleration::Effect;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// A pod that takes room on a node.
#[derive(Clone, Debug)]
struct Placed {
    pod: Arc<PodInfo>,
    node: Arc<str>,
    /// Until when it is believed without having been seen there, in milliseconds; `None` once it was seen.
    assumed_until_ms: Option<u64>,
}

/// A failure domain. Zones are few and are never forgotten, so that their numbers stay valid.
#[derive(Clone, Debug, Default)]
struct Zone {
    name: String,
    groups: HashMap<u64, u32>,
}

/// Nodes and pods, updated change by change.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    nodes: Vec<NodeInfo>,
    /// Zone number of each node, in the order of `nodes`.
    node_zones: Vec<Option<usize>>,
    index: HashMap<Arc<str>, usize>,
    /// What pods take on nodes that are not known: seen before their node, or left behind by it.
    orphans: HashMap<Arc<str>, Usage>,
    placed: HashMap<Arc<str>, Placed>,
    assumed: BTreeSet<(u64, Arc<str>)>,
    zones: Vec<Zone>,
    soft_taints: usize,
}

impl Snapshot {
    /// All nodes, in no order that means anything.
    pub fn nodes(&self) -> &[NodeInfo] {
        &self.nodes
    }

    /// One node.
    pub fn node(&self, name: &str) -> Option<&NodeInfo> {
        self.index.get(name).map(|at| &self.nodes[*at])
    }

    /// Where a node stands in [`Self::nodes`].
    pub fn position(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// Number of the zone of the node at `position`.
    pub fn zone(&self, position: usize) -> Option<usize> {
        self.node_zones[position]
    }

    /// How many pods of `group` are in each zone, by zone number.
    pub fn zone_counts(&self, group: u64) -> Vec<u32> {
        self.zones.iter().map(|zone| zone.groups.get(&group).copied().unwrap_or(0)).collect()
    }

    /// Whether a node has a PreferNoSchedule taint.
    pub fn has_soft_taints(&self) -> bool {
        self.soft_taints > 0
    }

    /// Adds or replaces a node; gives what it was before.
    pub fn set_node(&mut self, spec: NodeSpec) -> Option<NodeSpec> {
        self.soft_taints += soft_taints(&spec);
        let zone = spec.zone().map(|name| self.zone_number(name));
        let Some(at) = self.position(&spec.name) else {
            let usage = self.orphans.remove(&spec.name).unwrap_or_default();
            self.index.insert(spec.name.clone(), self.nodes.len());
            self.nodes.push(NodeInfo { spec, usage });
            self.node_zones.push(None);
            self.move_to_zone(self.nodes.len() - 1, zone);
            return None;
        };
        let before = std::mem::replace(&mut self.nodes[at].spec, spec);
        self.soft_taints -= soft_taints(&before);
        self.move_to_zone(at, zone);
        Some(before)
    }

    /// Forgets a node. What its pods take is remembered for the case that it comes back.
    pub fn remove_node(&mut self, name: &str) -> bool {
        let Some(at) = self.index.remove(name) else { return false };
        self.move_to_zone(at, None);
        let node = self.nodes.swap_remove(at);
        self.node_zones.swap_remove(at);
        if let Some(moved) = self.nodes.get(at) {
            self.index.insert(moved.spec.name.clone(), at);
        }
        self.soft_taints -= soft_taints(&node.spec);
        if !node.usage.is_empty() {
            self.orphans.insert(node.spec.name, node.usage);
        }
        true
    }

    /// Counts a pod that was seen on a node; ends an assumption about it, wherever that put it.
    /// Gives the pod as it was counted before, where the change may have made room.
    pub fn set_pod(&mut self, pod: Arc<PodInfo>, node: Arc<str>) -> Option<Arc<PodInfo>> {
        let before = self.placed.get(&pod.uid);
        let made_room =
            before.is_some_and(|p| p.node != node || p.pod.demand != pod.demand || p.pod.ports != pod.ports);
        let before = self.take(&pod.uid).filter(|_| made_room);
        self.place(Placed { pod, node, assumed_until_ms: None });
        before
    }

    /// No longer counts a pod, seen or assumed. Gives it, where it was counted.
    pub fn remove_pod(&mut self, uid: &str) -> Option<Arc<PodInfo>> {
        self.take(uid)
    }

    /// Counts a pod on a node before it was seen there, until `until_ms`.
    pub fn assume(&mut self, pod: Arc<PodInfo>, node: Arc<str>, until_ms: u64) {
        self.take(&pod.uid);
        self.assumed.insert((until_ms, pod.uid.clone()));
        self.place(Placed { pod, node, assumed_until_ms: Some(until_ms) });
    }

    /// Believes an assumption until `until_ms`. `false` where there is none (the pod was seen meanwhile, or is gone).
    pub fn extend_assumption(&mut self, uid: &str, until_ms: u64) -> bool {
        let Some(placed) = self.placed.get_mut(uid) else { return false };
        let Some(old) = placed.assumed_until_ms.replace(until_ms) else {
            placed.assumed_until_ms = None;
            return false;
        };
        let uid = placed.pod.uid.clone();
        self.assumed.remove(&(old, uid.clone()));
        self.assumed.insert((until_ms, uid));
        true
    }

    /// Drops an assumption. Gives the pod, where there was one.
    pub fn forget(&mut self, uid: &str) -> Option<Arc<PodInfo>> {
        if self.is_assumed(uid) { self.take(uid) } else { None }
    }

    /// Whether the pod is counted somewhere without having been seen there.
    pub fn is_assumed(&self, uid: &str) -> bool {
        self.placed.get(uid).is_some_and(|placed| placed.assumed_until_ms.is_some())
    }

    /// Drops the assumptions that nothing confirmed in time; gives their pods.
    pub fn expire(&mut self, now_ms: u64) -> Vec<Arc<PodInfo>> {
        let mut expired = Vec::new();
        while let Some((until_ms, uid)) = self.assumed.first().cloned()
            && until_ms <= now_ms
        {
            self.assumed.pop_first();
            expired.extend(self.take(&uid));
        }
        expired
    }

    /// When the next assumption ends, in milliseconds.
    pub fn next_expiry_ms(&self) -> Option<u64> {
        self.assumed.first().map(|(until_ms, _)| *until_ms)
    }

    /// Uids of all pods that are counted.
    pub fn pod_uids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.placed.keys()
    }

    fn place(&mut self, placed: Placed) {
        match self.position(&placed.node) {
            Some(at) => {
                self.nodes[at].usage.add(&placed.pod);
                if let (Some(zone), Some(group)) = (self.node_zones[at], counted_group(&placed.pod)) {
                    *self.zones[zone].groups.entry(group).or_default() += 1;
                }
            }
            None => self.orphans.entry(placed.node.clone()).or_default().add(&placed.pod),
        }
        self.placed.insert(placed.pod.uid.clone(), placed);
    }

    fn take(&mut self, uid: &str) -> Option<Arc<PodInfo>> {
        let placed = self.placed.remove(uid)?;
        if let Some(until_ms) = placed.assumed_until_ms {
            self.assumed.remove(&(until_ms, placed.pod.uid.clone()));
        }
        match self.position(&placed.node) {
            Some(at) => {
                self.nodes[at].usage.remove(&placed.pod);
                if let (Some(zone), Some(group)) = (self.node_zones[at], counted_group(&placed.pod)) {
                    subtract(&mut self.zones[zone].groups, group, 1);
                }
            }
            None => {
                if let Some(usage) = self.orphans.get_mut(&placed.node) {
                    usage.remove(&placed.pod);
                    if usage.is_empty() {
                        self.orphans.remove(&placed.node);
                    }
                }
            }
        }
        Some(placed.pod)
    }

    fn zone_number(&mut self, name: &str) -> usize {
        self.zones.iter().position(|zone| zone.name == name).unwrap_or_else(|| {
            self.zones.push(Zone { name: name.to_owned(), groups: HashMap::new() });
            self.zones.len() - 1
        })
    }

    fn move_to_zone(&mut self, at: usize, zone: Option<usize>) {
        let before = std::mem::replace(&mut self.node_zones[at], zone);
        if before == zone {
            return;
        }
        for (group, count) in self.nodes[at].usage.groups() {
            if let Some(old) = before {
                subtract(&mut self.zones[old].groups, group, count);
            }
            if let Some(new) = zone {
                *self.zones[new].groups.entry(group).or_default() += count;
            }
        }
    }
}

fn soft_taints(spec: &NodeSpec) -> usize {
    spec.taints.iter().filter(|taint| taint.effect == Effect::PreferNoSchedule).count()
}

fn subtract(counts: &mut HashMap<u64, u32>, group: u64, count: u32) {
    if let Some(known) = counts.get_mut(&group) {
        *known = known.saturating_sub(count);
        if *known == 0 {
            counts.remove(&group);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{node, pod};

    fn cpu(snapshot: &Snapshot, node: &str) -> i64 {
        snapshot.node(node).expect("node").usage.requested.cpu_milli
    }

    #[test]
    fn an_assumption_counts_until_it_is_confirmed_forgotten_or_expires() {
        let mut snapshot = Snapshot::default();
        snapshot.set_node(node("n1").cpu("4").build());
        snapshot.set_node(node("n2").cpu("4").build());
        let web = pod("web").cpu("1").arc();

        snapshot.assume(web.clone(), "n1".into(), 100);
        assert_eq!((cpu(&snapshot, "n1"), snapshot.is_assumed(&web.uid)), (1_000, true));
        assert!(snapshot.set_pod(web.clone(), "n2".into()).is_some(), "seen elsewhere: the truth wins");
        assert_eq!((cpu(&snapshot, "n1"), cpu(&snapshot, "n2")), (0, 1_000));
        assert!(snapshot.forget(&web.uid).is_none(), "what was seen is not forgotten");
        assert!(!snapshot.extend_assumption(&web.uid, 500));
        assert_eq!(snapshot.next_expiry_ms(), None);
        snapshot.remove_pod(&web.uid);
        assert_eq!(cpu(&snapshot, "n2"), 0);

        snapshot.assume(web.clone(), "n1".into(), 100);
        assert!(snapshot.extend_assumption(&web.uid, 200));
        assert!(snapshot.expire(199).is_empty());
        assert_eq!(snapshot.expire(200).len(), 1);
        assert_eq!(cpu(&snapshot, "n1"), 0);

        snapshot.assume(web.clone(), "n1".into(), 100);
        assert!(snapshot.forget(&web.uid).is_some());
        assert_eq!((cpu(&snapshot, "n1"), snapshot.pod_uids().count()), (0, 0));
    }

    #[test]
    fn pods_of_unknown_nodes_count_when_their_node_is_there() {
        let mut snapshot = Snapshot::default();
        snapshot.set_pod(pod("a").cpu("1").arc(), "n1".into());
        assert!(snapshot.set_node(node("n1").cpu("4").build()).is_none());
        snapshot.set_node(node("n2").cpu("4").build());
        assert_eq!(cpu(&snapshot, "n1"), 1_000);
        assert!(snapshot.remove_node("n1"));
        assert!(!snapshot.remove_node("n1"));
        assert!(snapshot.node("n1").is_none());
        assert_eq!(snapshot.position("n2"), Some(0));
        snapshot.set_pod(pod("b").cpu("1").arc(), "n1".into());
        snapshot.remove_pod(&pod("a").arc().uid);
        snapshot.set_node(node("n1").cpu("4").build());
        assert_eq!((cpu(&snapshot, "n1"), snapshot.node("n1").expect("n1").usage.pods), (1_000, 1));
    }

    #[test]
    fn zone_counts_follow_pods_nodes_and_labels() {
        let mut snapshot = Snapshot::default();
        snapshot.set_node(node("n1").label("topology.kubernetes.io/zone", "a").build());
        snapshot.set_node(node("n2").label("topology.kubernetes.io/zone", "b").build());
        for (name, at) in [("p1", "n1"), ("p2", "n1"), ("p3", "n2")] {
            snapshot.set_pod(pod(name).group(7).arc(), at.into());
        }
        assert_eq!(snapshot.zone_counts(7), [2, 1]);
        snapshot.set_node(node("n1").label("topology.kubernetes.io/zone", "b").build());
        assert_eq!(snapshot.zone_counts(7), [0, 3]);
        snapshot.set_pod(pod("p2").group(7).terminating().arc(), "n1".into());
        assert_eq!(snapshot.zone_counts(7), [0, 2], "a pod being deleted does not count");
        snapshot.remove_node("n1");
        assert_eq!(snapshot.zone_counts(7), [0, 1]);
        snapshot.remove_pod(&pod("p3").arc().uid);
        assert_eq!(snapshot.zone_counts(7), [0, 0]);
    }

    #[test]
    fn soft_taints_are_counted() {
        let mut snapshot = Snapshot::default();
        snapshot.set_node(node("n1").taint("a", "", "PreferNoSchedule").build());
        assert!(snapshot.has_soft_taints());
        snapshot.set_node(node("n1").taint("a", "", "NoSchedule").build());
        assert!(!snapshot.has_soft_taints());
        snapshot.set_node(node("n1").taint("a", "", "PreferNoSchedule").build());
        snapshot.remove_node("n1");
        assert!(!snapshot.has_soft_taints());
    }
}
