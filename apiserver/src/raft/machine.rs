//! Raft's state machine: decodes commands, applies them to the state, shows the new state to readers, and hands the
//! changes to the disk and to the publisher.

use super::types::{LogId, Membership, SnapshotMeta, TypeConfig};
use crate::publish::Outbox;
use crate::state::{Command, Entry, Outcome, State};
use crate::store::layout::Applied;
use crate::store::writer::{Write, Writer};
use arc_swap::ArcSwap;
use futures::{Stream, TryStreamExt};
use openraft::entry::RaftEntry;
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine, Snapshot};
use openraft::{EntryPayload, RaftSnapshotBuilder};
use std::io;
use std::sync::Arc;
use tokio::sync::{oneshot, watch};

/// Most log entries applied before the result is shown.
const APPLY_COUNT: usize = 256;

/// How far the log is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Term of the last applied entry.
    pub term: u64,
    /// Its index.
    pub index: u64,
}

/// What readers see of the machine.
pub struct Shown {
    /// The newest state.
    pub state: ArcSwap<State>,
    /// How far it goes; changes after the state did.
    pub position: watch::Sender<Position>,
}

impl Shown {
    fn show(&self, state: &State, applied: Option<LogId>) {
        self.state.store(Arc::new(state.clone()));
        self.position.send_replace(position(applied));
    }
}

fn position(applied: Option<LogId>) -> Position {
    applied.map_or_else(Position::default, |id| Position { term: id.committed_leader_id().term, index: id.index })
}

/// The state machine of one replica.
pub struct Machine {
    shown: Arc<Shown>,
    state: State,
    applied: Option<LogId>,
    membership: Membership,
    writer: Writer,
    outbox: Outbox,
}

/// Responders and their outcomes, held until the state they speak of is shown.
type Answers = Vec<(ApplyResponder<TypeConfig>, Vec<Outcome>)>;

impl Machine {
    /// A machine that begins with `state` as it was loaded, with [`Applied::raft`] beside it.
    pub fn new(state: State, raft: &[u8], writer: Writer, outbox: Outbox) -> Result<Self, rmp_serde::decode::Error> {
        let (applied, membership): (Option<LogId>, Membership) =
            if raft.is_empty() { Default::default() } else { rmp_serde::from_slice(raft)? };
        let shown =
            Shown { state: ArcSwap::from_pointee(state.clone()), position: watch::Sender::new(position(applied)) };
        Ok(Self { shown: Arc::new(shown), state, applied, membership, writer, outbox })
    }

    /// What readers see.
    pub fn shown(&self) -> Arc<Shown> {
        self.shown.clone()
    }

    fn mark(&self) -> io::Result<Applied> {
        let raft = rmp_serde::to_vec(&(&self.applied, &self.membership)).map_err(io::Error::other)?;
        Ok(Applied { generation: 0, revision: self.state.revision(), now_ms: self.state.now_ms(), raft })
    }

    /// Shows what was applied, then answers, then passes it on.
    async fn pass_on(&mut self, answers: &mut Answers, entries: &mut Vec<Arc<Entry>>) -> io::Result<()> {
        self.shown.show(&self.state, self.applied);
        for (responder, outcomes) in answers.drain(..) {
            responder.send(outcomes);
        }
        let entries = std::mem::take(entries);
        self.outbox.push(&entries);
        let write = Write::Apply { entries, applied: self.mark()?, log_first: self.state.log_first() };
        self.writer.send(write).await.map_err(io::Error::other)
    }

    fn meta(&self) -> SnapshotMeta {
        SnapshotMeta { last_log_id: self.applied, last_membership: self.membership.clone() }
    }

    fn builder(&self) -> Builder {
        Builder { meta: self.meta(), state: Arc::new(self.state.clone()) }
    }
}

/// A snapshot is the immutable state itself: building one costs nothing, and it is encoded only when a follower needs it.
pub struct Builder {
    meta: SnapshotMeta,
    state: Arc<State>,
}

impl Builder {
    fn snapshot(&self) -> openraft::alias::SnapshotOf<TypeConfig, Arc<State>> {
        Snapshot { meta: self.meta.clone(), snapshot: self.state.clone() }
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = Arc<State>;

    async fn build_snapshot(&mut self) -> io::Result<openraft::alias::SnapshotOf<TypeConfig, Arc<State>>> {
        Ok(self.snapshot())
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = Arc<State>;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, Membership)> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + Send,
    {
        let (mut answers, mut changes, mut count) = (Answers::new(), Vec::new(), 0);
        while let Some((entry, responder)) = entries.try_next().await? {
            self.applied = Some(entry.log_id());
            let outcomes = match entry.payload {
                EntryPayload::Blank => Vec::new(),
                EntryPayload::Membership(membership) => {
                    self.membership = Membership::new(self.applied, membership);
                    Vec::new()
                }
                EntryPayload::Normal(proposal) => {
                    let command: Command = rmp_serde::from_slice(&proposal.0).map_err(io::Error::other)?;
                    let applied = self.state.apply(command);
                    changes.extend(applied.entries);
                    applied.outcomes
                }
            };
            answers.extend(responder.map(|responder| (responder, outcomes)));
            count += 1;
            if count == APPLY_COUNT {
                self.pass_on(&mut answers, &mut changes).await?;
                count = 0;
            }
        }
        if count > 0 {
            self.pass_on(&mut answers, &mut changes).await?;
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        self.builder()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: Arc<State>) -> io::Result<()> {
        self.state = State::clone(&snapshot);
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        let (done, told) = oneshot::channel();
        let write = Write::Replace {
            image: Box::new(snapshot.image()),
            applied: self.mark()?,
            done: Box::new(move |result| _ = done.send(result)),
        };
        self.writer.send(write).await.map_err(io::Error::other)?;
        told.await.map_err(io::Error::other)?.map_err(io::Error::other)?;
        self.shown.show(&self.state, self.applied);
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> io::Result<Option<openraft::alias::SnapshotOf<TypeConfig, Arc<State>>>> {
        // The state is on the disk itself, so that the newest one can be given at any time and none is kept.
        Ok(self.applied.map(|_| self.builder().snapshot()))
    }
}
