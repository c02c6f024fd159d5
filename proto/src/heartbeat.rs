//! The sign of life of a node: a bus message, never a consensus write.

use serde::{Deserialize, Serialize};

/// How often a node agent publishes one, in milliseconds.
pub const HEARTBEAT_INTERVAL_MS: u64 = 1_000;

/// Published on [`crate::subject::heartbeat`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Name of the Node object.
    pub node: String,
    /// Changes with each start of the agent.
    pub boot_id: uuid::Uuid,
    /// Counts up from 0 within a boot.
    pub sequence: u64,
    /// Whether the agent can run pods (its container engine answers).
    pub ready: bool,
    /// Why not, for a human, empty when ready.
    #[serde(default)]
    pub message: String,
    /// The agent is going down in order; its node may be called NotReady at once.
    #[serde(default)]
    pub leaving: bool,
}
