//! Linearizable reads: asks the leader how far the log was when the read came, and waits until that is applied here.
//! Readers that come while one question is under way share the next one.

use super::machine::Position;
use super::network::{CallError, Peers};
use super::types::{Raft, TypeConfig};
use super::wire::rpc;
use crate::store::StoreError;
use openraft::LinearizerOption;
use openraft::errors::{ForwardToLeader, LinearizableReadError, RaftError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// How old a quorum's last word may be for the leader to answer without asking again. Well below the lease during which
/// no other leader can be elected, so that clocks may run quite unevenly.
const LEASE_AGE: Duration = Duration::from_millis(400);
/// How long a read may wait.
const BARRIER_TIMEOUT: Duration = Duration::from_millis(1_200);
/// Most readers that wait for the next question.
const QUEUE_COUNT: usize = 65_536;

/// Index of the log entry a read that comes now must see applied; only the leader knows it.
pub(super) async fn read_index(raft: &Raft) -> Result<u64, RaftError<TypeConfig, LinearizableReadError<TypeConfig>>> {
    let option = LinearizerOption::new(Some(LEASE_AGE), true).with_wait_timeout(BARRIER_TIMEOUT);
    Ok(raft.get_read_linearizer(option).await?.read_log_id().index())
}

type Waiting = oneshot::Sender<Result<(), StoreError>>;

/// Where readers wait. Cheap to clone.
#[derive(Clone)]
pub struct Barrier {
    queue: mpsc::Sender<Waiting>,
}

impl Barrier {
    /// Starts the task that asks.
    pub fn start(raft: Raft, peers: Peers, position: watch::Receiver<Position>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_COUNT);
        tokio::spawn(Asker { raft, peers, position }.run(waiting));
        Self { queue }
    }

    /// Returns once everything acknowledged before the call is applied here.
    pub async fn wait(&self) -> Result<(), StoreError> {
        let closed = || StoreError::Unavailable("this apiserver is stopping".to_owned());
        let (sender, answer) = oneshot::channel();
        self.queue.send(sender).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

struct Asker {
    raft: Raft,
    peers: Peers,
    position: watch::Receiver<Position>,
}

impl Asker {
    async fn run(mut self, mut queue: mpsc::Receiver<Waiting>) {
        let mut waiting = Vec::new();
        while queue.recv_many(&mut waiting, QUEUE_COUNT).await > 0 {
            let answer = match tokio::time::timeout(BARRIER_TIMEOUT, self.ask()).await {
                Ok(answer) => answer,
                Err(_) => Err(StoreError::Timeout),
            };
            // A reader that gave up does not hear it.
            waiting.drain(..).for_each(|reader| _ = reader.send(answer.clone()));
        }
    }

    async fn ask(&mut self) -> Result<(), StoreError> {
        let index = match read_index(&self.raft).await {
            Ok(index) => index,
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(ForwardToLeader {
                leader_id: Some(leader),
                ..
            }))) => self.peers.call(leader, rpc::READ, &(), BARRIER_TIMEOUT).await.map_err(|error| match error {
                CallError::Timeout(_) => StoreError::Timeout,
                error => StoreError::Unavailable(error.to_string()),
            })?,
            Err(RaftError::APIError(error)) => return Err(StoreError::Unavailable(error.to_string())),
            Err(RaftError::Fatal(error)) => return Err(StoreError::Unavailable(error.to_string())),
        };
        let applied = self.position.wait_for(|position| position.index >= index).await;
        applied.map(|_| ()).map_err(|_| StoreError::Unavailable("this apiserver is stopping".to_owned()))
    }
}
