//! openraft's types as this store uses them.

use crate::state::Outcome;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What a log entry carries: an encoded [`crate::state::Command`]. It is encoded once, by the leader; log, disk and
/// network pass the bytes on.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal(pub Bytes);

impl std::fmt::Debug for Proposal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proposal({} bytes)", self.0.len())
    }
}

impl std::fmt::Display for Proposal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

openraft::declare_raft_types!(
    /// Types of this Raft group. Members are numbers; where they are is in the subject.
    pub TypeConfig:
        D = Proposal,
        R = Vec<Outcome>,
        Node = openraft::EmptyNode,
);

pub(super) type LogId = openraft::alias::LogIdOf<TypeConfig>;
pub(super) type Vote = openraft::alias::VoteOf<TypeConfig>;
pub(super) type Entry = openraft::alias::EntryOf<TypeConfig>;
pub(super) type Membership = openraft::alias::StoredMembershipOf<TypeConfig>;
pub(super) type SnapshotMeta = openraft::alias::SnapshotMetaOf<TypeConfig>;
pub(super) type Raft = openraft::Raft<TypeConfig, super::machine::Machine>;
