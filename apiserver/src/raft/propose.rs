//! Gathers transactions that come at the same time into few log entries. One that comes alone does not wait.

use super::types::{Proposal, Raft};
use crate::state::{Command, Outcome, Transaction};
use crate::store::StoreError;
use crate::store::disk::Disk;
use openraft::errors::{ClientWriteError, RaftError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Log entries under way at once; what comes beyond them gathers for the next one.
const IN_FLIGHT: usize = 4;
/// Most transactions in one entry.
const BATCH_COUNT: usize = 512;
/// Objects' bytes after which an entry takes no further transaction.
const BATCH_BYTES: usize = 256 << 10;
/// Most proposals that wait.
const QUEUE_COUNT: usize = 16_384;
/// How long a proposal may take before its caller is told that nobody knows.
const PROPOSE_TIMEOUT: Duration = Duration::from_millis(5_000);

struct Waiting {
    transactions: Vec<Transaction>,
    answer: oneshot::Sender<Result<Vec<Outcome>, StoreError>>,
}

/// Where transactions are handed in. Cheap to clone.
#[derive(Clone)]
pub struct Proposer {
    queue: mpsc::Sender<Waiting>,
    disk: Arc<dyn Disk>,
}

impl Proposer {
    /// Starts the task that proposes.
    pub fn start(raft: Raft, disk: Arc<dyn Disk>, clock: fn() -> i64) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_COUNT);
        tokio::spawn(run(raft, waiting, clock));
        Self { queue, disk }
    }

    /// Commits transactions; see [`crate::store::Consensus::propose`].
    pub async fn propose(&self, transactions: Vec<Transaction>) -> Result<Vec<Outcome>, StoreError> {
        if let Some(reason) = self.disk.full() {
            return Err(StoreError::Full(reason));
        }
        let closed = || StoreError::Unavailable("this apiserver is stopping".to_owned());
        let (answer, told) = oneshot::channel();
        let propose = async {
            self.queue.send(Waiting { transactions, answer }).await.map_err(|_| closed())?;
            told.await.map_err(|_| closed())?
        };
        tokio::time::timeout(PROPOSE_TIMEOUT, propose).await.unwrap_or(Err(StoreError::Timeout))
    }
}

fn bytes(transactions: &[Transaction]) -> usize {
    let draft = |action: &crate::state::Action| match action {
        crate::state::Action::Put(draft) => draft.bytes.len(),
        crate::state::Action::Delete | crate::state::Action::Check => 0,
    };
    transactions.iter().flat_map(|t| &t.ops).map(|op| draft(&op.action)).sum()
}

async fn run(raft: Raft, mut queue: mpsc::Receiver<Waiting>, clock: fn() -> i64) {
    let permits = Arc::new(Semaphore::new(IN_FLIGHT));
    while let Some(first) = queue.recv().await {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let mut sum = bytes(&first.transactions);
        let mut transactions = first.transactions;
        let mut answers = vec![(transactions.len(), first.answer)];
        while transactions.len() < BATCH_COUNT
            && sum < BATCH_BYTES
            && let Ok(next) = queue.try_recv()
        {
            sum += bytes(&next.transactions);
            answers.push((next.transactions.len(), next.answer));
            transactions.extend(next.transactions);
        }
        let raft = raft.clone();
        let now_ms = clock();
        tokio::spawn(async move {
            let mut outcomes = commit(&raft, Command { transactions, now_ms }).await.map(Vec::into_iter);
            for (count, answer) in answers {
                let part = match &mut outcomes {
                    Ok(outcomes) => Ok(outcomes.by_ref().take(count).collect()),
                    Err(error) => Err(error.clone()),
                };
                // A caller that gave up does not hear it; its retry is answered by its request id.
                _ = answer.send(part);
            }
            drop(permit);
        });
    }
}

async fn commit(raft: &Raft, command: Command) -> Result<Vec<Outcome>, StoreError> {
    let encoded = rmp_serde::to_vec(&command).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    match raft.client_write(Proposal(encoded.into())).await {
        Ok(answer) => Ok(answer.data),
        Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
            Err(StoreError::NotLeader { leader: forward.leader_id })
        }
        Err(error) => Err(StoreError::Unavailable(error.to_string())),
    }
}
