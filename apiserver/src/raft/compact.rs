//! Cuts the log by bytes: openraft counts entries, and a few thousand large ones would fill the disk.

use super::log::Log;
use super::machine::Position;
use super::types::Raft;
use std::time::Duration;
use tokio::sync::watch;

/// Size of the log after which it is cut, in bytes.
const LOG_BYTES: u64 = 64 << 20;
/// Entries kept then, for followers that are a little behind.
const KEPT_ENTRIES: u64 = 64;
/// How often the size is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Watches the log until the replica ends.
pub async fn run(raft: Raft, log: Log, position: watch::Receiver<Position>) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        if log.bytes() < LOG_BYTES {
            continue;
        }
        let upto = position.borrow().index.saturating_sub(KEPT_ENTRIES);
        tracing::info!(bytes = log.bytes(), upto, "cutting the log");
        // A snapshot is the state itself and costs nothing; the log is cut up to the newest one.
        let trigger = raft.trigger();
        if trigger.snapshot().await.is_err() || trigger.purge_log(upto).await.is_err() {
            return;
        }
    }
}
