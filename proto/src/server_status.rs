//! What an apiserver says of itself and of its Raft group (`GET /kubus/status`).

use serde::{Deserialize, Serialize};

/// Path of the answer.
pub const STATUS_PATH: &str = "/kubus/status";

/// One apiserver's view.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Raft id of the apiserver that answers.
    pub id: u64,
    /// Raft id of the leader it knows.
    pub leader: Option<u64>,
    /// Raft term.
    pub term: u64,
    /// Raft ids of all voters.
    pub members: Vec<u64>,
    /// Index of the last applied log entry.
    pub last_applied: u64,
    /// Store revision.
    pub revision: u64,
    /// Why it takes no writes (disk full), empty if it does.
    #[serde(default)]
    pub read_only: String,
    /// Resident memory in bytes.
    #[serde(default)]
    pub memory_bytes: u64,
    /// CPU time used since its start, in microseconds.
    #[serde(default)]
    pub cpu_us: u64,
    /// Version of the program.
    pub version: String,
}
