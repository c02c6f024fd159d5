//! Says when this replica leads: not when it was elected, but when it has applied everything committed before and its
//! quorum still answers.

use super::config::ELECTION_MAX_MS;
use super::machine::Position;
use super::types::{Raft, TypeConfig};
use openraft::async_runtime::WatchReceiver;
use openraft::{Instant, RaftMetrics, ServerState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// How often it is looked whether the quorum still answers.
const INTERVAL: Duration = Duration::from_millis(100);

/// Where leadership is told.
pub struct Leadership {
    /// For everybody.
    pub sender: watch::Sender<bool>,
    /// For the machine, without a lock.
    pub leading: Arc<AtomicBool>,
    /// The term this replica knows.
    pub term: Arc<AtomicU64>,
}

fn leads(metrics: &RaftMetrics<TypeConfig>, position: Position) -> bool {
    let lease = Duration::from_millis(ELECTION_MAX_MS);
    let alone = metrics.membership_config.membership().voter_ids().count() == 1;
    let quorum = alone || metrics.last_quorum_acked.as_ref().is_some_and(|acked| acked.elapsed() < lease);
    metrics.running_state.is_ok()
        && metrics.state == ServerState::Leader
        && position.term == metrics.current_term
        && quorum
}

impl Leadership {
    /// Tells until the replica ends.
    pub async fn run(self, raft: Raft, mut position: watch::Receiver<Position>) {
        let mut servers = raft.server_metrics();
        let metrics = raft.metrics();
        let mut interval = tokio::time::interval(INTERVAL);
        loop {
            let applying = {
                let metrics = metrics.borrow_watched();
                let position = *position.borrow_and_update();
                let leads = leads(&metrics, position);
                self.term.store(metrics.current_term, Ordering::Relaxed);
                self.leading.store(leads, Ordering::Relaxed);
                let changed = self.sender.send_if_modified(|was| std::mem::replace(was, leads) != leads);
                if changed {
                    tracing::info!(id = metrics.id, term = metrics.current_term, leads, "leadership changed");
                }
                metrics.state == ServerState::Leader && !leads
            };
            tokio::select! {
                changed = servers.changed() => if changed.is_err() { return },
                _ = interval.tick() => {}
                // Only a leader that has yet to apply its first entry looks at every step.
                changed = position.changed(), if applying => if changed.is_err() { return },
            }
        }
    }
}
