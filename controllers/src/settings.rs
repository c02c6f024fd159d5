//! What can be set by flags, with Kubernetes' defaults where nothing speaks against them.

use crate::certificates::signer::Signer;
use std::sync::Arc;
use std::time::Duration;

/// Settings of all controllers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a node may be silent before it is called Unknown.
    pub node_grace: Duration,
    /// How long a bad node is left alone before its pods are evicted, so that a wave of failures is seen as one.
    pub node_settle: Duration,
    /// Nodes tainted NoExecute in a zone, per second.
    pub eviction_rate: f64,
    /// The same in a large zone of which most nodes are bad.
    pub secondary_eviction_rate: f64,
    /// Part of a zone's nodes that must be bad for the secondary rate.
    pub unhealthy_zone_threshold: f64,
    /// Zones with at most so many nodes are not evicted at all while most of their nodes are bad.
    pub large_zone_threshold: usize,
    /// How long a node must be gone before its pods are removed.
    pub pod_gc_quarantine: Duration,
    /// How often pod garbage collection looks around.
    pub pod_gc_period: Duration,
    /// Finished pods that are kept.
    pub terminated_pod_threshold: usize,
    /// Certificate of the authority that the API's servers are checked against, in PEM; empty to publish none.
    pub authority: String,
    /// Signs certificates; none where this replica has no key of the authority.
    pub signer: Option<Arc<Signer>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            node_grace: Duration::from_secs(10),
            node_settle: Duration::from_secs(1),
            eviction_rate: 0.1,
            secondary_eviction_rate: 0.01,
            unhealthy_zone_threshold: 0.55,
            large_zone_threshold: 50,
            pod_gc_quarantine: Duration::from_secs(5),
            pod_gc_period: Duration::from_secs(5),
            terminated_pod_threshold: 12_500,
            authority: String::new(),
            signer: None,
        }
    }
}
