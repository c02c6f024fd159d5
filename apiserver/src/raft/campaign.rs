//! Asks for votes as soon as the lease of a silent leader is over. openraft's own timer fires before that, is refused by
//! the peers, and comes back only after another full timeout; it stays as the fallback.

use super::config::ELECTION_MAX_MS;
use super::types::Raft;
use openraft::ServerState;
use openraft::async_runtime::WatchReceiver;
use rand::Rng;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Most that one member waits longer than another, so that they seldom ask at once; in milliseconds.
const JITTER_MS: u64 = 120;

/// Watches how long the leader was silent, until the replica ends. `heard` is when it last spoke.
pub async fn run(raft: Raft, mut heard: watch::Receiver<Instant>) {
    let metrics = raft.metrics();
    loop {
        let jitter = rand::rng().random_range(0..JITTER_MS);
        let due = *heard.borrow_and_update() + Duration::from_millis(ELECTION_MAX_MS + jitter);
        tokio::time::sleep_until(due).await;
        match heard.has_changed() {
            Ok(true) => continue,
            Ok(false) => {}
            Err(_) => return,
        }
        if metrics.borrow_watched().state == ServerState::Follower {
            tracing::info!("the leader is silent, asking for votes");
            if raft.trigger().elect(true).await.is_err() {
                return;
            }
        }
        // Whoever leads next says so; without anyone, openraft's timer goes on.
        if heard.changed().await.is_err() {
            return;
        }
    }
}
