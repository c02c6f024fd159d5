//! What the Raft log carries: transactions, and what became of each.

use super::{Draft, Key};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What must hold of the object before an operation is carried out. The default asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Require {
    /// There must be no such object.
    pub absent: bool,
    /// It must be there with this resourceVersion.
    pub revision: Option<u64>,
    /// It must be there with this uid.
    pub uid: Option<String>,
}

impl Require {
    /// For a create.
    pub fn absent() -> Self {
        Self { absent: true, ..Self::default() }
    }

    /// For an optimistic update.
    pub fn revision(revision: u64) -> Self {
        Self { revision: Some(revision), ..Self::default() }
    }

    /// For a change of one very object.
    pub fn uid(uid: impl Into<String>) -> Self {
        Self { uid: Some(uid.into()), ..Self::default() }
    }
}

/// What an operation does once its requirements hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Creates or replaces the object.
    Put(Draft),
    /// Removes it; fails where there is none. Its last state is published with the deletion's revision.
    Delete,
    /// Changes nothing: only the requirements count.
    Check,
}

/// One operation on one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Op {
    /// Which object.
    pub key: Key,
    /// What must hold.
    pub require: Require,
    /// What is done.
    pub action: Action,
}

/// Identifies a transaction over all retries of the request it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId {
    /// `ApiRequest::id`.
    pub request: Uuid,
    /// Which of the request's transactions.
    pub part: u32,
}

/// Operations that are carried out all or not at all, in their order; a later one sees what an earlier one did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// Who asked.
    pub id: RequestId,
    /// What for.
    pub ops: Vec<Op>,
}

/// One Raft log entry: transactions that are each decided alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// In the order they are applied.
    pub transactions: Vec<Transaction>,
    /// The leader's clock in milliseconds since 1970; ages the change log.
    pub now_ms: i64,
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It was carried out.
    Done {
        /// Each operation's revision; for a check the revision the object has, 0 where there is none.
        revisions: Vec<u64>,
    },
    /// A transaction with this id was carried out before; nothing was done now.
    Repeated {
        /// The revisions of that time; 0 for a check.
        revisions: Vec<u64>,
    },
    /// A requirement did not hold; nothing was done.
    Failed {
        /// Which operation.
        op: usize,
        /// Which requirement.
        conflict: Conflict,
    },
}

/// The requirement that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Conflict {
    /// The object is there.
    Exists,
    /// The object is not there.
    Missing,
    /// It has another resourceVersion.
    Revision {
        /// The one it has.
        actual: u64,
    },
    /// It has another uid.
    Uid {
        /// The one it has.
        actual: String,
    },
    /// Another object holds what it claims.
    Claimed {
        /// The claim.
        claim: String,
    },
}
