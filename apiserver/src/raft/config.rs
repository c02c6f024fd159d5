//! Raft's times and bounds.

use openraft::{Config, ConfigError, SnapshotPolicy};

/// How often a leader says that it is there, in milliseconds.
pub const HEARTBEAT_MS: u64 = 120;
/// How long a follower at least waits for a leader before it asks for votes, in milliseconds.
pub const ELECTION_MIN_MS: u64 = 450;
/// How long it waits at most. It is also the lease: so long after a leader's last word nobody votes for another, which
/// is what keeps a busy machine from changing leaders for nothing, and what bounds how soon writes go on after a leader
/// died. In milliseconds.
pub const ELECTION_MAX_MS: u64 = 800;
/// Log entries after which the log is cut.
const SNAPSHOT_ENTRIES: u64 = 5_000;
/// Log entries kept for followers that are a little behind.
const KEPT_ENTRIES: u64 = 2_000;
/// Most entries in one message to a follower; their bytes are bounded where they are read.
const MESSAGE_ENTRIES: u64 = 256;

/// The configuration of every member.
pub fn config() -> Result<Config, ConfigError> {
    Config {
        cluster_name: "kubus".to_owned(),
        heartbeat_interval: HEARTBEAT_MS,
        election_timeout_min: ELECTION_MIN_MS,
        election_timeout_max: ELECTION_MAX_MS,
        enable_pre_vote: Some(true),
        // The last committed log id is not on the disk: a leader that came back must hear from a quorum what it missed.
        enable_leader_restore: Some(false),
        broadcast_submitted_on_append: Some(true),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(SNAPSHOT_ENTRIES),
        replication_lag_threshold: SNAPSHOT_ENTRIES,
        max_in_snapshot_log_to_keep: KEPT_ENTRIES,
        max_payload_entries: MESSAGE_ENTRIES,
        backoff: "50ms 100ms 200ms ...400ms".to_owned(),
        ..Config::default()
    }
    .validate()
}
