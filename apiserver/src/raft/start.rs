//! Starts a replica: opens its store, moves a damaged one away, joins the parts, forms a new group.

use super::barrier::Barrier;
use super::config::ELECTION_MAX_MS;

use super::leadership::Leadership;
use super::log::{Log, LogError};
use super::machine::Machine;
use super::network::Peers;
use super::propose::Proposer;
use super::server::{self, Server};
use super::types::TypeConfig;
use super::{Replica, campaign, compact, config};
use crate::publish::{self, Publisher};
use crate::state::Limits;
use crate::store::disk::Disk;
use crate::store::layout::{self, LoadError};
use crate::store::writer::Writer;
use crate::store::{Consensus, OpenError, SledDisk};
use openraft::errors::{InitializeError, RaftError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Folder of the store within the data folder.
const FOLDER: &str = "store";
/// File that says which member's store was damaged.
const DAMAGED: &str = "DAMAGED";

/// How a replica is started.
#[derive(Clone)]
pub struct RaftOptions {
    /// This member.
    pub id: u64,
    /// All members of a new group; a group that exists knows its own.
    pub members: Vec<u64>,
    /// Folder for everything this member keeps.
    pub data_dir: PathBuf,
    /// The bus, for Raft's messages and for events.
    pub nats: async_nats::Client,
    /// The system's clock in milliseconds since 1970.
    pub clock: fn() -> i64,
}

impl RaftOptions {
    /// Options with the system's clock.
    pub fn new(id: u64, members: Vec<u64>, data_dir: impl Into<PathBuf>, nats: async_nats::Client) -> Self {
        let clock = || jiff::Timestamp::now().as_millisecond();
        Self { id, members, data_dir: data_dir.into(), nats, clock }
    }
}

/// A replica cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The folder or file cannot be used.
    #[error(transparent)]
    Open(OpenError),
    /// The store is damaged and was moved. A member that forgot what it promised must not come back under its id.
    #[error(
        "the store of apiserver {id} is damaged ({reason}) and was moved to {moved_to}; \
         let this apiserver join again under a new id, with an empty data folder"
    )]
    Damaged {
        /// This member.
        id: u64,
        /// What was found.
        reason: String,
        /// Where the store is now.
        moved_to: PathBuf,
    },
    /// The store was damaged at an earlier start.
    #[error(
        "the store of apiserver {id} was damaged earlier ({note}); let this apiserver join again under a new id, with an empty data folder"
    )]
    WasDamaged {
        /// This member.
        id: u64,
        /// What was written then.
        note: String,
    },
    /// A damaged store cannot be moved away, or the thread that writes cannot be started.
    #[error("cannot prepare {path}: {source}")]
    Prepare {
        /// What.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The bus refuses.
    #[error("cannot listen for Raft's messages: {0}")]
    Subscribe(#[from] async_nats::SubscribeError),
    /// openraft does not start.
    #[error("cannot start Raft: {0}")]
    Raft(String),
}

/// What was read from the disk, before anything is started.
struct Opened {
    disk: Arc<dyn Disk>,
    state: crate::state::State,
    applied: layout::Applied,
}

enum Damage {
    Open(OpenError),
    Load(LoadError),
}

fn open(folder: &Path) -> Result<Opened, Damage> {
    let disk: Arc<dyn Disk> = Arc::new(SledDisk::open(folder).map_err(Damage::Open)?);
    let (state, applied) = layout::load(&*disk, Limits::default()).map_err(Damage::Load)?;
    layout::remove_other_generations(&*disk, applied.generation).map_err(|error| Damage::Load(error.into()))?;
    Ok(Opened { disk, state, applied })
}

/// Opens the store; one that is damaged is moved away and named in a note.
fn open_or_move(options: &RaftOptions) -> Result<Opened, StartError> {
    let (id, folder, note) = (options.id, options.data_dir.join(FOLDER), options.data_dir.join(DAMAGED));
    if let Ok(note) = std::fs::read_to_string(&note) {
        return Err(StartError::WasDamaged { id, note: note.trim().to_owned() });
    }
    let reason = match open(&folder) {
        Ok(opened) => return Ok(opened),
        Err(Damage::Open(OpenError::Damaged { reason, .. })) => reason,
        Err(Damage::Open(error)) => return Err(StartError::Open(error)),
        Err(Damage::Load(error)) => error.to_string(),
    };
    Err(move_away(options, &folder, &note, reason))
}

fn move_away(options: &RaftOptions, folder: &Path, note: &Path, reason: String) -> StartError {
    let moved_to = options.data_dir.join(format!("{FOLDER}.damaged-{}", (options.clock)()));
    let text = format!("apiserver {}: {reason}; moved to {}\n", options.id, moved_to.display());
    // The note comes first: a store that is gone without one would be taken for a new member's.
    let moved = std::fs::write(note, text).and_then(|()| std::fs::rename(folder, &moved_to));
    match moved {
        Ok(()) => StartError::Damaged { id: options.id, reason, moved_to },
        Err(source) => StartError::Prepare { path: folder.to_owned(), source },
    }
}

pub(super) async fn start(options: RaftOptions) -> Result<Arc<Replica>, StartError> {
    let RaftOptions { id, nats, clock, .. } = options.clone();
    let blocking = options.clone();
    let opened = tokio::task::spawn_blocking(move || open_or_move(&blocking)).await;
    let Opened { disk, state, applied } = opened.map_err(|error| StartError::Raft(error.to_string()))??;
    tracing::info!(id, revision = state.revision(), objects = state.len(), "store opened");
    let damaged =
        |reason: String| move_away(&options, &options.data_dir.join(FOLDER), &options.data_dir.join(DAMAGED), reason);

    let stop = Arc::new(AtomicBool::new(false));
    let (writer, thread) = Writer::start(disk.clone(), applied.generation, state.log_first(), stop.clone())
        .map_err(|source| StartError::Prepare { path: options.data_dir.clone(), source })?;
    let log = Log::open(disk.clone(), writer.clone()).map_err(|error: LogError| damaged(error.to_string()))?;
    let leading = Arc::new(AtomicBool::new(false));
    let (outbox, inbox) = publish::outbox(leading.clone());
    let machine = Machine::new(state, &applied.raft, writer, outbox).map_err(|error| damaged(error.to_string()))?;
    let shown = machine.shown();

    let peers = Peers::new(nats.clone());
    let raft_error = |error: &dyn std::fmt::Display| StartError::Raft(error.to_string());
    let config = Arc::new(config::config().map_err(|error| raft_error(&error))?);
    let raft = openraft::Raft::<TypeConfig, Machine>::build(id, config, peers.clone(), log.clone(), machine)
        .await
        .map_err(|error| raft_error(&error))?;
    let questions = server::subscribe(&nats, id).await?;
    raft.run();

    let (sender, leadership) = watch::channel(false);
    let term = Arc::new(AtomicU64::new(0));
    let publisher = Publisher {
        nats: nats.clone(),
        shown: shown.clone(),
        leadership: leadership.clone(),
        term: term.clone(),
        clock,
    };
    let position = shown.position.subscribe();
    let (heard, last_heard) = watch::channel(Instant::now());
    let is_new = shown.state.load().revision() == 0;
    let silence = if is_new { Duration::ZERO } else { Duration::from_millis(ELECTION_MAX_MS) };
    let server = Server::new(raft.clone(), nats, disk.clone(), heard, silence);
    let tasks = vec![
        tokio::spawn(server.run(questions)).abort_handle(),
        tokio::spawn(campaign::run(raft.clone(), last_heard)).abort_handle(),
        tokio::spawn(Leadership { sender, leading, term }.run(raft.clone(), position.clone())).abort_handle(),
        tokio::spawn(publisher.run(inbox)).abort_handle(),
        tokio::spawn(compact::run(raft.clone(), log, position.clone())).abort_handle(),
    ];
    let replica = Replica {
        id,
        proposer: Proposer::start(raft.clone(), disk.clone(), clock),
        barrier: Barrier::start(raft.clone(), peers, position),
        raft,
        shown,
        leadership,
        disk,
        tasks,
        stop,
        thread: Mutex::new(Some(thread)),
    };
    form_group(&replica, &options).await?;
    Ok(Arc::new(replica))
}

/// The member with the lowest id, if it is new, writes the first membership; the others hear of it. Done before, it does
/// nothing.
async fn form_group(replica: &Replica, options: &RaftOptions) -> Result<(), StartError> {
    let error = |error: &dyn std::fmt::Display| StartError::Raft(error.to_string());
    let initialized = replica.raft.is_initialized().await.map_err(|e| error(&e))?;
    warn_of_other_members(replica, options);
    if initialized || options.members.iter().min() != Some(&options.id) {
        return Ok(());
    }
    let members: BTreeMap<u64, openraft::EmptyNode> =
        options.members.iter().map(|id| (*id, openraft::EmptyNode::new())).collect();
    match replica.raft.initialize(members).await {
        Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
        Err(e) => Err(error(&e)),
    }
}

/// Membership changes are not made by starting with other members.
fn warn_of_other_members(replica: &Replica, options: &RaftOptions) {
    let known = replica.status().members;
    let asked: std::collections::BTreeSet<u64> = options.members.iter().copied().collect();
    if !known.is_empty() && !known.iter().copied().eq(asked.iter().copied()) {
        tracing::warn!(?known, ?asked, "the group has other members than asked for; it keeps its own");
    }
}
