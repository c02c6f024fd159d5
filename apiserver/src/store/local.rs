//! A store of one replica in memory: the same state and the same semantics without Raft and disk, for tests.

use super::{Consensus, StoreError};
use crate::state::{Command, Outcome, State, Transaction};
use arc_swap::ArcSwap;
use futures::future::{BoxFuture, FutureExt};
use kubus_proto::server_status::ServerStatus;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Always the leader, never fails, forgets everything when it is dropped.
pub struct Local {
    state: ArcSwap<State>,
    writer: Mutex<()>,
    leadership: watch::Sender<bool>,
    clock: fn() -> i64,
}

impl Default for Local {
    fn default() -> Self {
        Self::new(State::default())
    }
}

impl Local {
    /// A store that begins with `state` and reads the system's clock.
    pub fn new(state: State) -> Self {
        let clock = || jiff::Timestamp::now().as_millisecond();
        Self {
            state: ArcSwap::from_pointee(state),
            writer: Mutex::new(()),
            leadership: watch::Sender::new(true),
            clock,
        }
    }

    fn commit(&self, transactions: Vec<Transaction>) -> Vec<Outcome> {
        // The guarded value is `()`: a writer that panicked left the old state in place.
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = State::clone(&self.state.load());
        let applied = state.apply(Command { transactions, now_ms: (self.clock)() });
        self.state.store(Arc::new(state));
        applied.outcomes
    }
}

impl Consensus for Local {
    fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    fn barrier(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        async { Ok(()) }.boxed()
    }

    fn propose(&self, transactions: Vec<Transaction>) -> BoxFuture<'_, Result<Vec<Outcome>, StoreError>> {
        async { Ok(self.commit(transactions)) }.boxed()
    }

    fn status(&self) -> ServerStatus {
        let revision = self.state.load().revision();
        ServerStatus {
            id: 1,
            leader: Some(1),
            term: 1,
            members: vec![1],
            last_applied: revision,
            revision,
            read_only: String::new(),
            memory_bytes: 0,
            cpu_us: 0,
            version: kubus_proto::VERSION.to_owned(),
        }
    }

    fn leadership(&self) -> watch::Receiver<bool> {
        self.leadership.subscribe()
    }
}
