//! The store as the pipeline sees it: a state to read, a barrier for linearizable reads, and proposals.

pub mod disk;
pub mod layout;
mod local;
mod sled_disk;
mod space;
pub mod writer;

#[cfg(test)]
mod tests;

pub use local::Local;
pub use sled_disk::{OpenError, SledDisk};

use crate::state::{Outcome, State, Transaction};
use futures::future::BoxFuture;
use kubus_proto::server_status::ServerStatus;
use std::sync::Arc;
use tokio::sync::watch;

/// The store cannot do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Only the leader takes writes.
    #[error("this apiserver is not the leader")]
    NotLeader {
        /// Raft id of the leader, if it is known.
        leader: Option<u64>,
    },
    /// There is no quorum, or this replica is starting or stopping.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Nobody knows yet whether the write was committed; asking again under the same request id is safe.
    #[error("the store did not answer in time")]
    Timeout,
    /// The disk takes no more; reads go on.
    #[error("the store is read-only: {0}")]
    Full(String),
}

impl StoreError {
    /// Whether the same transaction, under the same id, may succeed when it is proposed again soon.
    pub fn retryable(&self) -> bool {
        match self {
            StoreError::NotLeader { .. } | StoreError::Unavailable(_) | StoreError::Timeout => true,
            StoreError::Full(_) => false,
        }
    }
}

/// A replicated store.
pub trait Consensus: Send + Sync + 'static {
    /// The newest state this replica applied. It never goes back.
    fn state(&self) -> Arc<State>;

    /// Waits until [`Consensus::state`] is at least as new as any write that was acknowledged before this call.
    fn barrier(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Commits and applies transactions, each decided alone; the outcomes are in their order. When it returns, a quorum
    /// has synced them to disk and [`Consensus::state`] shows them.
    fn propose(&self, transactions: Vec<Transaction>) -> BoxFuture<'_, Result<Vec<Outcome>, StoreError>>;

    /// What this replica knows of itself and its group.
    fn status(&self) -> ServerStatus;

    /// Whether this replica is the leader and may take writes.
    fn is_leader(&self) -> bool {
        *self.leadership().borrow()
    }

    /// Changes when this replica becomes the leader or ceases to be.
    fn leadership(&self) -> watch::Receiver<bool>;
}
