//! The one thread that writes: it gathers everything that is waiting into one batch and one sync, and writes the state
//! behind the log, since the log alone is the truth.

use super::disk::{Batch, Disk, DiskError};
use super::layout::{self, Applied};
use crate::state::{Entry, Image};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Most writes that wait for the thread.
const QUEUE_COUNT: usize = 4_096;
/// Most bytes put into one batch before it is synced.
const BATCH_BYTES: usize = 8 << 20;
/// Most bytes of state written before the log is looked at again.
const STATE_BYTES: usize = 512 << 10;
/// Most changes of the state that may wait while there is always more log to write.
const STATE_BACKLOG: usize = 8_192;
/// How long applied changes wait to be written together, unless [`STATE_GATHERED`] of them wait. Each write of state
/// makes the next sync of the log longer, and after a crash the log has it all.
const STATE_DELAY: Duration = Duration::from_millis(100);
/// Changes that are worth a write of their own.
const STATE_GATHERED: usize = 1_024;
/// How often a disk without space is asked for space.
const SPACE_POLL: Duration = Duration::from_millis(200);

/// Told what became of a write.
pub type Done = Box<dyn FnOnce(Result<(), DiskError>) + Send>;

/// Something to be written.
pub enum Write {
    /// Rows of the log or of meta, and rows to remove; synced before `done` hears of it.
    Rows {
        /// New value of each key, `None` to remove it.
        rows: Vec<(Vec<u8>, Option<Vec<u8>>)>,
        /// Told once it is durable.
        done: Done,
    },
    /// Removes the log up to `upto` (inclusive), but only after the state that replaces it. Not synced: what is not
    /// removed after a crash is removed again.
    Purge {
        /// Index.
        upto: u64,
        /// The purged log id, encoded by Raft's side.
        log_id: Vec<u8>,
        /// Told once it is written.
        done: Done,
    },
    /// Changes that were applied. Not synced: after a crash the log is applied again from `applied`.
    Apply {
        /// The changes.
        entries: Vec<Arc<Entry>>,
        /// How far the state goes with them; the generation is filled in here.
        applied: Applied,
        /// Revision of the oldest change still in the change log.
        log_first: u64,
    },
    /// A whole state instead of the one there is; synced.
    Replace {
        /// The state.
        image: Box<Image>,
        /// How far it goes; the generation is filled in here.
        applied: Applied,
        /// Told once it is durable.
        done: Done,
    },
}

/// Hands writes to the thread, in order.
#[derive(Clone)]
pub struct Writer {
    queue: mpsc::Sender<Write>,
    thread: std::thread::Thread,
}

/// The thread has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store is closed")]
pub struct Closed;

impl Writer {
    /// Starts the thread. `generation` and `undo_first` (revision of the oldest row of the change log) are what the
    /// disk holds. The thread ends, having written everything, when the last `Writer` is dropped; `stop` ends its
    /// waiting for space.
    pub fn start(
        disk: Arc<dyn Disk>,
        generation: u32,
        undo_first: u64,
        stop: Arc<AtomicBool>,
    ) -> std::io::Result<(Self, std::thread::JoinHandle<()>)> {
        let (queue, receiver) = mpsc::channel(QUEUE_COUNT);
        let thread = Thread {
            disk,
            queue: receiver,
            behind: VecDeque::new(),
            behind_count: 0,
            behind_since: None,
            generation,
            undo_first,
            stop,
            failed: None,
        };
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || thread.run())?;
        Ok((Self { queue, thread: thread.thread().clone() }, thread))
    }

    /// Queues a write; waits while the queue is full.
    pub async fn send(&self, write: Write) -> Result<(), Closed> {
        self.queue.send(write).await.map_err(|_| Closed)?;
        self.thread.unpark();
        Ok(())
    }
}

/// What the thread does next.
enum Next {
    Write(Box<Write>),
    Due,
    Closed,
}

struct Thread {
    disk: Arc<dyn Disk>,
    queue: mpsc::Receiver<Write>,
    /// State that is yet to be written.
    behind: VecDeque<Write>,
    behind_count: usize,
    /// When the oldest of it came.
    behind_since: Option<Instant>,
    generation: u32,
    undo_first: u64,
    stop: Arc<AtomicBool>,
    /// Why state could not be written. Nothing is acknowledged or purged after that: the log alone holds what is missing.
    failed: Option<DiskError>,
}

impl Thread {
    fn run(mut self) {
        loop {
            match self.next() {
                Next::Write(write) => self.commit(*write),
                Next::Due => self.catch_up(STATE_BYTES),
                Next::Closed => break,
            }
            if self.behind_count > STATE_BACKLOG {
                self.catch_up(usize::MAX);
            }
        }
        self.catch_up(usize::MAX);
        if let Err(error) = self.disk.sync() {
            tracing::error!(%error, "cannot sync the store while closing it");
        }
    }

    /// The next write, or that waiting state is due. New log always comes before state.
    fn next(&mut self) -> Next {
        let Some(since) = self.behind_since.filter(|_| !self.behind.is_empty()) else {
            return self.queue.blocking_recv().map_or(Next::Closed, |write| Next::Write(Box::new(write)));
        };
        let replaces = self.behind.iter().any(|write| matches!(write, Write::Replace { .. }));
        let due = replaces || self.behind_count >= STATE_GATHERED || since.elapsed() >= STATE_DELAY;
        loop {
            match self.queue.try_recv() {
                Ok(write) => return Next::Write(Box::new(write)),
                Err(mpsc::error::TryRecvError::Disconnected) => return Next::Closed,
                Err(mpsc::error::TryRecvError::Empty) if due || since.elapsed() >= STATE_DELAY => return Next::Due,
                // The queue wakes this thread; without a wake the state is due.
                Err(mpsc::error::TryRecvError::Empty) => {
                    std::thread::park_timeout(STATE_DELAY.saturating_sub(since.elapsed()));
                }
            }
        }
    }

    /// Writes `first` and everything that waits behind it with one sync.
    fn commit(&mut self, first: Write) {
        let (mut batch, mut told) = (Batch::default(), Vec::new());
        let mut next = Some(first);
        while let Some(write) = next {
            match write {
                Write::Rows { rows, done } => {
                    for (key, value) in rows {
                        match value {
                            Some(value) => batch.put(key, value),
                            None => batch.remove(key),
                        }
                    }
                    told.push(done);
                }
                Write::Purge { upto, log_id, done } => {
                    // Rows queued before must not be overtaken, nor may the state that replaces the log.
                    self.flush(std::mem::take(&mut batch), std::mem::take(&mut told));
                    self.catch_up(usize::MAX);
                    done(self.purge(upto, log_id));
                }
                Write::Apply { .. } | Write::Replace { .. } => {
                    if let Write::Apply { entries, .. } = &write {
                        self.behind_count += entries.len();
                    }
                    self.behind_since.get_or_insert_with(Instant::now);
                    self.behind.push_back(write);
                }
            }
            next = if batch.bytes < BATCH_BYTES { self.queue.try_recv().ok() } else { None };
        }
        self.flush(batch, told);
    }

    fn flush(&mut self, batch: Batch, told: Vec<Done>) {
        if batch.is_empty() && told.is_empty() {
            return;
        }
        self.wait_for_space();
        let whole = self.failed.clone().map_or(Ok(()), Err);
        let result = whole.and_then(|()| self.disk.write(batch)).and_then(|()| self.disk.sync());
        if let Err(error) = &result {
            tracing::error!(%error, "cannot write the log");
        }
        told.into_iter().for_each(|done| done(result.clone()));
    }

    fn purge(&mut self, upto: u64, log_id: Vec<u8>) -> Result<(), DiskError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut batch = Batch::default();
        for row in self.disk.range(&layout::log_key(0), &layout::log_key(upto.saturating_add(1))) {
            batch.remove(row?.0);
        }
        batch.put(layout::meta_key(layout::PURGED), log_id);
        self.disk.write(batch)
    }

    /// Writes waiting state, up to about `limit_bytes`.
    fn catch_up(&mut self, limit_bytes: usize) {
        let mut batch = Batch::default();
        while batch.bytes < limit_bytes.min(BATCH_BYTES) || limit_bytes == usize::MAX {
            match self.behind.pop_front() {
                Some(Write::Apply { entries, mut applied, log_first }) => {
                    self.behind_count -= entries.len();
                    applied.generation = self.generation;
                    layout::record(&mut batch, self.generation, &entries);
                    layout::forget(&mut batch, self.generation, self.undo_first, log_first);
                    self.undo_first = self.undo_first.max(log_first);
                    layout::mark(&mut batch, &applied);
                }
                Some(Write::Replace { image, mut applied, done }) => {
                    self.state(std::mem::take(&mut batch));
                    applied.generation = self.generation.wrapping_add(1);
                    self.wait_for_space();
                    let result = layout::replace(&*self.disk, &image, &applied).and_then(|()| self.disk.sync());
                    if result.is_ok() {
                        self.generation = applied.generation;
                        self.undo_first = image.undo.first().map_or(image.revision + 1, |undo| undo.revision);
                    }
                    done(result);
                }
                // Only state is put behind.
                Some(Write::Rows { .. } | Write::Purge { .. }) | None => break,
            }
            if batch.bytes >= BATCH_BYTES {
                self.state(std::mem::take(&mut batch));
            }
        }
        self.state(batch);
        if self.behind.is_empty() {
            self.behind_since = None;
        }
    }

    fn state(&mut self, batch: Batch) {
        if batch.is_empty() {
            return;
        }
        self.wait_for_space();
        // The log still holds it; the next append will meet the same failure and stop Raft.
        if let Err(error) = self.disk.write(batch) {
            tracing::error!(%error, "cannot write the state");
            self.failed.get_or_insert(error);
        }
    }

    /// sled can do nothing more once the system has refused it a write, so nothing is written without space.
    fn wait_for_space(&self) {
        let mut said = false;
        while self.disk.exhausted() && !self.stop.load(Ordering::Relaxed) {
            if !said {
                tracing::error!(reason = self.disk.full(), "no space left for the store; waiting");
                said = true;
            }
            std::thread::sleep(SPACE_POLL);
        }
    }
}
