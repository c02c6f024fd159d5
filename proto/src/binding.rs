//! Many bindings in one message: the scheduler's hot path. Each is decided alone; one that fails does not hold others up.

use serde::{Deserialize, Serialize};

/// Path a [`BindingBatch`] is posted to.
pub const BINDINGS_PATH: &str = "/kubus/bindings";
/// Most bindings in one batch.
pub const BATCH_LIMIT: usize = 1_024;

/// Pods and the nodes they go to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BindingBatch {
    /// At most [`BATCH_LIMIT`].
    pub bindings: Vec<PodBinding>,
}

/// One pod and its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodBinding {
    /// Pod's namespace.
    pub namespace: String,
    /// Pod's name.
    pub name: String,
    /// Pod's uid; a namesake is not bound.
    pub uid: String,
    /// Node's name.
    pub node: String,
}

/// Answer to a [`BindingBatch`], in its order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct BindingResults {
    /// `None` where the pod is bound, else why not.
    pub errors: Vec<Option<crate::ApiError>>,
}
