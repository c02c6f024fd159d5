//! What the scheduler keeps of a Node, and the sum of what its pods take.

use crate::host_port::HostPort;
use crate::pod::PodInfo;
use crate::resources::Resources;
use crate::toleration::Taint;
use k8s_openapi::api::core::v1::Node;
use kubus_proto::quantity::Quantity;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Label that names the failure domain a node is in.
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// A Node as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// Name.
    pub name: Arc<str>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Taints.
    pub taints: Vec<Taint>,
    /// `spec.unschedulable` (cordoned).
    pub unschedulable: bool,
    /// What its pods may take together.
    pub allocatable: Resources,
    /// How many pods it may have.
    pub allocatable_pods: i64,
}

impl NodeSpec {
    /// From a Node of the API; `None` for one without a name, which the API never gives.
    pub fn read(node: &Node) -> Option<Self> {
        let spec = node.spec.as_ref();
        let allocatable = node.status.as_ref().and_then(|s| s.allocatable.as_ref());
        let pods = allocatable.and_then(|list| list.get("pods")).and_then(|amount| Quantity::parse(&amount.0).ok());
        Some(Self {
            name: Arc::from(node.metadata.name.as_deref()?),
            labels: node.metadata.labels.clone().unwrap_or_default(),
            taints: spec.iter().flat_map(|s| s.taints.iter().flatten()).filter_map(Taint::read).collect(),
            unschedulable: spec.and_then(|s| s.unschedulable).unwrap_or(false),
            allocatable: Resources::from_list(allocatable),
            allocatable_pods: pods.map_or(0, Quantity::value),
        })
    }

    /// The zone its labels name.
    pub fn zone(&self) -> Option<&str> {
        self.labels.get(ZONE_LABEL).map(String::as_str)
    }
}

/// What the pods of one node take together.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// Requests.
    pub requested: Resources,
    /// CPU as scores count it, in thousandths.
    pub scored_cpu_milli: i64,
    /// Memory as scores count it, in bytes.
    pub scored_memory_bytes: i64,
    /// How many pods.
    pub pods: i64,
    /// Ports.
    pub ports: Vec<HostPort>,
    /// How many pods of each spread group, sorted by group.
    groups: Vec<(u64, u32)>,
    /// How many pods of each priority.
    priorities: BTreeMap<i32, u32>,
}

impl Usage {
    /// Counts a pod in.
    pub fn add(&mut self, pod: &PodInfo) {
        self.requested.add(&pod.demand.requests);
        self.scored_cpu_milli += pod.demand.scored_cpu_milli;
        self.scored_memory_bytes += pod.demand.scored_memory_bytes;
        self.pods += 1;
        self.ports.extend(pod.ports.iter().cloned());
        *self.priorities.entry(pod.priority).or_default() += 1;
        if let Some(group) = counted_group(pod) {
            match self.groups.binary_search_by_key(&group, |(g, _)| *g) {
                Ok(at) => self.groups[at].1 += 1,
                Err(at) => self.groups.insert(at, (group, 1)),
            }
        }
    }

    /// Counts a pod out that was counted in before.
    pub fn remove(&mut self, pod: &PodInfo) {
        self.requested.subtract(&pod.demand.requests);
        self.scored_cpu_milli -= pod.demand.scored_cpu_milli;
        self.scored_memory_bytes -= pod.demand.scored_memory_bytes;
        self.pods -= 1;
        for port in &pod.ports {
            if let Some(at) = self.ports.iter().position(|taken| taken == port) {
                self.ports.swap_remove(at);
            }
        }
        if let Some(count) = self.priorities.get_mut(&pod.priority) {
            *count -= 1;
            if *count == 0 {
                self.priorities.remove(&pod.priority);
            }
        }
        let at = counted_group(pod).and_then(|group| self.groups.binary_search_by_key(&group, |(g, _)| *g).ok());
        if let Some(at) = at {
            self.groups[at].1 -= 1;
            if self.groups[at].1 == 0 {
                self.groups.remove(at);
            }
        }
    }

    /// How many pods of `group` are here, those being deleted left out.
    pub fn in_group(&self, group: u64) -> u32 {
        self.groups.binary_search_by_key(&group, |(g, _)| *g).map_or(0, |at| self.groups[at].1)
    }

    /// Every spread group here with its number of pods.
    pub fn groups(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        self.groups.iter().copied()
    }

    /// Whether a pod of a lower priority than `priority` is here.
    pub fn has_lower_priority(&self, priority: i32) -> bool {
        self.priorities.first_key_value().is_some_and(|(lowest, _)| *lowest < priority)
    }

    /// Whether no pod is here.
    pub fn is_empty(&self) -> bool {
        self.pods == 0
    }
}

/// The spread group a pod counts in.
pub fn counted_group(pod: &PodInfo) -> Option<u64> {
    pod.spread_group.filter(|_| !pod.terminating)
}

/// A node and what its pods take.
#[derive(Clone, Debug)]
pub struct NodeInfo {
    /// The node.
    pub spec: NodeSpec,
    /// What its pods take, pods whose binding is in flight among them.
    pub usage: Usage,
}
