//! Carries out a write: decided on a state, proposed with what it relied on, decided again when that has changed.

use super::consult::{Inquiry, ROUNDS_LIMIT, Stop};
use super::{Api, internal, store_error};
use crate::state::{Entry, Key, Object, Op, Outcome, RequestId, State, Transaction};
use bytes::Bytes;
use futures::future::join_all;
use kubus_proto::{ApiError, Reason};
use std::sync::Arc;

/// How often a write is decided anew because the object changed meanwhile. Writers of one object line up, so only
/// binding batches and deletions of collections come in between.
const ATTEMPTS: u32 = 32;

/// What a write comes to on one state.
pub enum Decision {
    /// These operations; only the last of them changes something.
    Write(Vec<Op>),
    /// The object is as it should be.
    Keep(Arc<Object>),
    /// What it would come to, if it were not only tried out.
    Tried(Bytes),
}

/// What a write came to.
pub enum Written {
    /// A change.
    Changed(Arc<Entry>),
    /// Nothing; the object as it is, or as it would be.
    Kept(Bytes),
}

impl Written {
    /// The object afterwards; of a deletion its last state.
    pub fn bytes(&self) -> Bytes {
        match self {
            Written::Changed(entry) => entry.published(),
            Written::Kept(bytes) => bytes.clone(),
        }
    }

    /// Whether the object is gone.
    pub fn is_deletion(&self) -> bool {
        matches!(self, Written::Changed(entry) if entry.after.is_none())
    }
}

impl Api {
    /// Carries out what `decide` decides, exactly once for all retries of the request: one that was answered before
    /// is answered again. `line` is the object whose writers must wait for each other.
    ///
    /// A state that may be behind is good enough to propose from, since the operations say what they rely on, but not
    /// to refuse anything: before an error is given, or nothing is done, the newest state is looked at.
    pub(super) async fn commit(
        &self,
        id: RequestId,
        line: Option<&Key>,
        mut decide: impl FnMut(&State) -> Result<Decision, Stop> + Send,
    ) -> Result<Written, ApiError> {
        let mut turn = None;
        let mut newest = false;
        let (mut attempts, mut rounds) = (0, 0);
        while attempts < ATTEMPTS && rounds < ROUNDS_LIMIT {
            if let (None, Some(key)) = (&turn, line) {
                turn = Some(self.lines.turn(key).await);
            }
            let state = self.store.state();
            if let Some(changes) = state.answered(&id) {
                return entry(&state, changes.last().map(|(_, revision)| *revision)).map(Written::Changed);
            }
            let decision = match decide(&state) {
                Err(Stop::Ask(inquiry)) => {
                    // A webhook may take its time, and may itself write the object.
                    drop(turn.take());
                    self.inquire(inquiry, &state).await;
                    rounds += 1;
                    continue;
                }
                Err(Stop::Refused(error)) => Err(error),
                Ok(decision) => Ok(decision),
            };
            attempts += 1;
            if !newest && !matches!(decision, Ok(Decision::Write(_))) {
                self.store.barrier().await.map_err(store_error)?;
                newest = true;
                if self.store.state().revision() != state.revision() {
                    continue;
                }
            }
            let ops = match decision? {
                Decision::Write(ops) => ops,
                Decision::Keep(object) => return Ok(Written::Kept(object.bytes.clone())),
                Decision::Tried(bytes) => return Ok(Written::Kept(bytes)),
            };
            let outcomes = self.propose(vec![Transaction { id, ops }]).await?;
            match outcomes.into_iter().next() {
                Some(Outcome::Done { revisions } | Outcome::Repeated { revisions }) => {
                    return entry(&self.store.state(), revisions.last().copied()).map(Written::Changed);
                }
                Some(Outcome::Failed { .. }) => {}
                None => return Err(internal("the store gave no outcome", &"empty answer")),
            }
        }
        let message = "the object is changed too often; please try again";
        Err(ApiError { retry_after_seconds: Some(1), ..ApiError::new(Reason::TooManyRequests, message) })
    }

    /// Asks webhooks what a decision needs to know, all at once.
    pub(super) async fn inquire(&self, inquiry: Inquiry, state: &State) {
        let Inquiry { questions, memo } = inquiry;
        let answers = join_all(questions.iter().map(|question| self.webhooks.ask(question, state))).await;
        questions.into_iter().zip(answers).for_each(|(question, answer)| memo.keep(question, answer));
    }

    /// Proposes transactions, if there are any; the outcomes are in their order.
    pub(super) async fn propose(&self, transactions: Vec<Transaction>) -> Result<Vec<Outcome>, ApiError> {
        if transactions.is_empty() {
            return Ok(Vec::new());
        }
        self.store.propose(transactions).await.map_err(store_error)
    }
}

/// The change that made `revision`.
pub fn entry(state: &State, revision: Option<u64>) -> Result<Arc<Entry>, ApiError> {
    let entry = revision.and_then(|revision| state.entry(revision));
    entry.cloned().ok_or_else(|| internal("a change is no longer in the log", &format!("revision {revision:?}")))
}
