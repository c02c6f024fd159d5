//! Raft: openraft behind one module. A [`Replica`] is one member of the group; everybody else sees a [`Consensus`].

mod barrier;
mod campaign;
mod compact;
mod config;
mod leadership;
mod log;
mod machine;
mod network;
mod propose;
mod server;
mod start;
mod types;
mod usage;
mod wire;

#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;

pub use machine::{Position, Shown};
pub use start::{RaftOptions, StartError};
pub use types::{Proposal, TypeConfig};

use crate::state::{Outcome, State, Transaction};
use crate::store::disk::Disk;
use crate::store::{Consensus, StoreError};
use barrier::Barrier;
use futures::future::{BoxFuture, FutureExt};
use kubus_proto::server_status::ServerStatus;
use openraft::async_runtime::WatchReceiver;
use propose::Proposer;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// How long a leader that stops waits for another to lead.
const TRANSFER_TIMEOUT: Duration = Duration::from_millis(1_000);

/// One member of the Raft group.
pub struct Replica {
    id: u64,
    raft: types::Raft,
    shown: Arc<Shown>,
    leadership: watch::Receiver<bool>,
    proposer: Proposer,
    barrier: Barrier,
    disk: Arc<dyn Disk>,
    tasks: Vec<AbortHandle>,
    /// Ends the writer's waiting for space.
    stop: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Replica {
    /// Starts the member `options.id`: opens its store (a new one where there is none), forms the group if it is the
    /// first one and new, and begins to answer the others.
    pub async fn start(options: RaftOptions) -> Result<Arc<Replica>, StartError> {
        start::start(options).await
    }

    /// Returns with the reason when this replica can go on no more (its disk failed): only a new start can help.
    pub async fn failed(&self) -> String {
        let mut metrics = self.raft.metrics();
        loop {
            if let Err(fatal) = &metrics.borrow_watched().running_state {
                return fatal.to_string();
            }
            if metrics.changed().await.is_err() {
                return "stopped".to_owned();
            }
        }
    }

    /// Hands leadership to another member if there is one, and stops.
    pub async fn shutdown(&self) {
        if self.is_leader() {
            self.transfer().await;
        }
        self.stop().await;
    }

    async fn transfer(&self) {
        let metrics = self.raft.metrics();
        let best = {
            let metrics = metrics.borrow_watched();
            let voters: Vec<u64> = metrics.membership_config.membership().voter_ids().collect();
            let others = metrics.replication.iter().flatten();
            let others = others.filter(|(id, _)| **id != self.id && voters.contains(id));
            others.max_by_key(|(_, matched)| **matched).map(|(id, _)| *id)
        };
        let Some(best) = best else { return };
        if self.raft.trigger().transfer_leader(best).await.is_ok() {
            let elsewhere = |metrics: &openraft::RaftMetrics<TypeConfig>| {
                metrics.current_leader.is_some_and(|leader| leader != self.id)
            };
            // Without an answer the others elect one after their timeout.
            _ = self.raft.wait(Some(TRANSFER_TIMEOUT)).metrics(elsewhere, "another leads").await;
        }
    }

    /// Stops at once, as a crash would, but with the store closed.
    pub async fn stop(&self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        self.stop.store(true, Ordering::Relaxed);
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(%error, "Raft did not stop cleanly");
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It ends when the last of Raft's parts is dropped.
            _ = tokio::time::timeout(TRANSFER_TIMEOUT, tokio::task::spawn_blocking(move || thread.join())).await;
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Consensus for Replica {
    fn state(&self) -> Arc<State> {
        self.shown.state.load_full()
    }

    fn barrier(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.barrier.wait().boxed()
    }

    fn propose(&self, transactions: Vec<Transaction>) -> BoxFuture<'_, Result<Vec<Outcome>, StoreError>> {
        self.proposer.propose(transactions).boxed()
    }

    fn status(&self) -> ServerStatus {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let failed = metrics.running_state.as_ref().err().map(ToString::to_string);
        let usage = usage::of_this_process();
        ServerStatus {
            id: self.id,
            leader: metrics.current_leader,
            term: metrics.current_term,
            members: metrics.membership_config.membership().voter_ids().collect(),
            last_applied: self.shown.position.borrow().index,
            revision: self.shown.state.load().revision(),
            read_only: failed.or_else(|| self.disk.full()).unwrap_or_default(),
            memory_bytes: usage.memory_bytes,
            cpu_us: usage.cpu_us,
            version: kubus_proto::VERSION.to_owned(),
        }
    }

    fn leadership(&self) -> watch::Receiver<bool> {
        self.leadership.clone()
    }
}
