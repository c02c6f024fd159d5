//! Amounts of resources, and what a pod asks for:
//! <https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/>.

use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use kubus_proto::quantity::Quantity;
use std::collections::BTreeMap;
use std::sync::Arc;

/// CPU that a container without a request counts as in scores, so that such pods do not all pile up on one node.
pub const SCORED_CPU_MILLI: i64 = 100;
/// Memory that a container without a request counts as in scores, in bytes.
pub const SCORED_MEMORY_BYTES: i64 = 200 * 1024 * 1024;

/// Amounts of every resource but pods, which are counted by themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// `cpu`, in thousandths.
    pub cpu_milli: i64,
    /// `memory`, in bytes.
    pub memory_bytes: i64,
    /// `ephemeral-storage`, in bytes.
    pub ephemeral_bytes: i64,
    /// All others (extended resources, huge pages) by name, sorted by it.
    pub extended: Vec<(Arc<str>, i64)>,
}

/// A list of resources as objects carry it.
pub type ResourceList = BTreeMap<String, ApiQuantity>;

impl Resources {
    /// Reads a resource list. An amount that is none counts as zero: the apiserver lets none in.
    pub fn from_list(list: Option<&ResourceList>) -> Self {
        let mut all = Self::default();
        for (name, amount) in list.into_iter().flatten() {
            let amount = Quantity::parse(&amount.0).unwrap_or(Quantity::ZERO);
            all.set(name, amount);
        }
        all
    }

    fn set(&mut self, name: &str, amount: Quantity) {
        match name {
            "cpu" => self.cpu_milli = amount.milli_value(),
            "memory" => self.memory_bytes = amount.value(),
            "ephemeral-storage" => self.ephemeral_bytes = amount.value(),
            "pods" => {}
            other => *self.slot(other) = amount.value(),
        }
    }

    fn slot(&mut self, name: &str) -> &mut i64 {
        let at = match self.extended.binary_search_by(|(known, _)| (**known).cmp(name)) {
            Ok(at) => at,
            Err(at) => {
                self.extended.insert(at, (Arc::from(name), 0));
                at
            }
        };
        &mut self.extended[at].1
    }

    /// The amount of one extended resource.
    pub fn extended(&self, name: &str) -> i64 {
        self.extended.binary_search_by(|(known, _)| (**known).cmp(name)).map_or(0, |at| self.extended[at].1)
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Resources) {
        self.merge(other, i64::saturating_add);
    }

    /// Takes `other` away.
    pub fn subtract(&mut self, other: &Resources) {
        self.merge(other, i64::saturating_sub);
    }

    /// Keeps the larger of each.
    pub fn maximum(&mut self, other: &Resources) {
        self.merge(other, i64::max);
    }

    fn merge(&mut self, other: &Resources, how: fn(i64, i64) -> i64) {
        self.cpu_milli = how(self.cpu_milli, other.cpu_milli);
        self.memory_bytes = how(self.memory_bytes, other.memory_bytes);
        self.ephemeral_bytes = how(self.ephemeral_bytes, other.ephemeral_bytes);
        for (name, amount) in &other.extended {
            let slot = self.slot(name);
            *slot = how(*slot, *amount);
        }
    }

    /// Whether nothing is asked for.
    pub fn is_zero(&self) -> bool {
        self.cpu_milli == 0
            && self.memory_bytes == 0
            && self.ephemeral_bytes == 0
            && self.extended.iter().all(|(_, amount)| *amount == 0)
    }
}

/// What a pod takes from a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Its requests, as the filter counts them.
    pub requests: Resources,
    /// CPU as scores count it, in thousandths: [`SCORED_CPU_MILLI`] where a container says nothing.
    pub scored_cpu_milli: i64,
    /// Memory as scores count it, in bytes: [`SCORED_MEMORY_BYTES`] where a container says nothing.
    pub scored_memory_bytes: i64,
}

impl Demand {
    /// Of a pod's spec: the containers and sidecars together, or the largest init container with the sidecars started
    /// before it, whichever is more; then what the pod itself states; then its overhead.
    /// <https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers>
    pub fn of(spec: &PodSpec) -> Self {
        let requests = total(spec, requests_of);
        let scored = total(spec, |resources| {
            let mut requests = requests_of(resources);
            let stated = resources.and_then(|r| r.requests.as_ref());
            if stated.is_none_or(|list| !list.contains_key("cpu")) {
                requests.cpu_milli = SCORED_CPU_MILLI;
            }
            if stated.is_none_or(|list| !list.contains_key("memory")) {
                requests.memory_bytes = SCORED_MEMORY_BYTES;
            }
            requests
        });
        Self { requests, scored_cpu_milli: scored.cpu_milli, scored_memory_bytes: scored.memory_bytes }
    }
}

fn requests_of(resources: Option<&ResourceRequirements>) -> Resources {
    Resources::from_list(resources.and_then(|r| r.requests.as_ref()))
}

fn total(spec: &PodSpec, of: impl Fn(Option<&ResourceRequirements>) -> Resources) -> Resources {
    let container = |c: &Container| of(c.resources.as_ref());
    let mut all = Resources::default();
    for c in &spec.containers {
        all.add(&container(c));
    }
    let (mut sidecars, mut largest) = (Resources::default(), Resources::default());
    for c in spec.init_containers.iter().flatten() {
        let requests = container(c);
        if is_sidecar(c) {
            all.add(&requests);
            sidecars.add(&requests);
            largest.maximum(&sidecars);
        } else {
            let mut while_it_runs = requests;
            while_it_runs.add(&sidecars);
            largest.maximum(&while_it_runs);
        }
    }
    all.maximum(&largest);
    for (name, amount) in spec.resources.iter().filter_map(|r| r.requests.as_ref()).flatten() {
        all.set(name, Quantity::parse(&amount.0).unwrap_or(Quantity::ZERO));
    }
    all.add(&Resources::from_list(spec.overhead.as_ref()));
    all
}

/// Whether an init container goes on beside the app containers.
pub fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn demand(spec: serde_json::Value) -> Demand {
        Demand::of(&serde_json::from_value(spec).expect("pod spec"))
    }

    fn requesting(cpu: &str) -> serde_json::Value {
        json!({"name": "c", "resources": {"requests": {"cpu": cpu}}})
    }

    #[test]
    fn cpu_of_containers_init_containers_and_sidecars() {
        let sidecar = |cpu: &str| {
            let mut c = requesting(cpu);
            c["restartPolicy"] = json!("Always");
            c
        };
        for (name, init, containers, expected) in [
            ("sum of containers", vec![], vec!["100m", "200m"], 300),
            ("a larger init container wins", vec![requesting("1")], vec!["100m"], 1_000),
            ("a smaller one does not", vec![requesting("50m")], vec!["100m"], 100),
            ("init containers run one after another", vec![requesting("1"), requesting("2")], vec!["1"], 2_000),
            ("sidecars stay", vec![sidecar("300m")], vec!["100m"], 400),
            ("init after sidecar", vec![sidecar("300m"), requesting("1")], vec!["100m"], 1_300),
            ("init before sidecar", vec![requesting("1"), sidecar("300m")], vec!["100m"], 1_000),
        ] {
            let containers: Vec<_> = containers.into_iter().map(requesting).collect();
            let got = demand(json!({"initContainers": init, "containers": containers}));
            assert_eq!(got.requests.cpu_milli, expected, "{name}");
        }
    }

    #[test]
    fn overhead_pod_level_and_other_resources() {
        let got = demand(json!({
            "overhead": {"cpu": "250m", "memory": "1Mi"},
            "containers": [
                {"name": "a", "resources": {"requests":
                    {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1k", "example.com/gpu": "2"}}},
                {"name": "b", "resources": {"requests": {"example.com/gpu": "1"}}},
            ],
        }));
        assert_eq!(got.requests.cpu_milli, 1_250);
        assert_eq!(got.requests.memory_bytes, (1 << 30) + (1 << 20));
        assert_eq!(got.requests.ephemeral_bytes, 1_000);
        assert_eq!(got.requests.extended("example.com/gpu"), 3);
        assert_eq!(got.requests.extended("example.com/none"), 0);
        assert_eq!(got.scored_cpu_milli, 1_250 + SCORED_CPU_MILLI);
        assert_eq!(got.scored_memory_bytes, (1 << 30) + (1 << 20) + SCORED_MEMORY_BYTES);

        let got = demand(json!({"resources": {"requests": {"cpu": "3"}}, "containers": [requesting("1")]}));
        assert_eq!((got.requests.cpu_milli, got.scored_cpu_milli), (3_000, 3_000));
        assert!(demand(json!({"containers": [{"name": "c"}]})).requests.is_zero());
    }

    #[test]
    fn what_is_added_can_be_taken_away() {
        let one = demand(json!({"containers": [
            {"name": "a", "resources": {"requests": {"cpu": "1", "example.com/gpu": "2", "a.io/x": "1"}}}]}));
        let mut sum = Resources::default();
        sum.add(&one.requests);
        sum.add(&one.requests);
        assert_eq!((sum.cpu_milli, sum.extended("example.com/gpu"), sum.extended("a.io/x")), (2_000, 4, 2));
        sum.subtract(&one.requests);
        assert_eq!(sum, one.requests);
        sum.subtract(&one.requests);
        assert!(sum.is_zero());
    }
}
