//! Raft's log and vote: the newest entries in memory, all of them on the disk behind the writer thread.

use super::types::{Entry, LogId, TypeConfig, Vote};
use crate::store::disk::{Disk, DiskError};
use crate::store::layout;
use crate::store::writer::{Closed, Done, Write, Writer};
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{EntryPayload, RaftLogReader};
use serde::Serialize;
use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Most memory the newest entries take, in bytes; older ones are read from the disk. Entries that are not yet on the
/// disk are kept beyond it.
const CACHE_BYTES: usize = 8 << 20;
/// Most bytes of entries read for one message to a follower.
const READ_BYTES: usize = 1 << 20;
/// What an entry takes beside its proposal, in bytes.
const ENTRY_BYTES: usize = 96;

/// The log of one replica. Clones share it.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
    writer: Writer,
}

struct Shared {
    disk: Arc<dyn Disk>,
    newest: Mutex<Newest>,
}

#[derive(Default)]
struct Newest {
    vote: Option<Vote>,
    purged: Option<LogId>,
    last: Option<LogId>,
    /// Consecutive; the last one is the log's last.
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Entries up to this index are on the disk.
    durable: u64,
    /// What was appended since the log was last cut, in bytes.
    appended: u64,
}

/// The log on the disk cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A row is not what it should be.
    #[error("damaged log: {0}")]
    Row(#[from] rmp_serde::decode::Error),
}

fn size(entry: &Entry) -> usize {
    match &entry.payload {
        EntryPayload::Normal(proposal) => ENTRY_BYTES + proposal.0.len(),
        EntryPayload::Blank | EntryPayload::Membership(_) => ENTRY_BYTES,
    }
}

fn encode<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    rmp_serde::to_vec(value).map_err(io::Error::other)
}

fn closed(error: Closed) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, error)
}

impl Newest {
    fn first(&self) -> Option<u64> {
        self.entries.front().map(RaftEntry::index)
    }

    fn evict(&mut self) {
        while self.bytes > CACHE_BYTES
            && let Some(entry) = self.entries.front()
            && entry.index() <= self.durable
        {
            self.bytes -= size(entry);
            self.entries.pop_front();
        }
    }
}

impl Log {
    /// Opens the log that `disk` holds.
    pub fn open(disk: Arc<dyn Disk>, writer: Writer) -> Result<Self, LogError> {
        let read = |name| disk.get(&layout::meta_key(name));
        let vote = read(layout::VOTE)?.map(|row| rmp_serde::from_slice(&row)).transpose()?;
        let purged: Option<LogId> = read(layout::PURGED)?.map(|row| rmp_serde::from_slice(&row)).transpose()?;
        let last = disk.last(&layout::log_key(0), &layout::log_end())?;
        let last: Option<Entry> = last.map(|(_, row)| rmp_serde::from_slice(&row)).transpose()?;
        let last = last.map(|entry| entry.log_id()).max(purged);
        let durable = last.map_or(0, |log_id| log_id.index);
        let newest = Newest { vote, purged, last, durable, ..Newest::default() };
        Ok(Self { shared: Arc::new(Shared { disk, newest: Mutex::new(newest) }), writer })
    }

    /// About how many bytes the log has.
    pub fn bytes(&self) -> u64 {
        self.newest().appended
    }

    fn newest(&self) -> MutexGuard<'_, Newest> {
        self.shared.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a write and waits until it is done.
    async fn write(&self, make: impl FnOnce(Done) -> Write) -> io::Result<()> {
        let (done, told) = oneshot::channel();
        // Nobody waits for the answer any more when Raft was stopped meanwhile.
        self.writer.send(make(Box::new(move |result| _ = done.send(result)))).await.map_err(closed)?;
        told.await.map_err(|_| closed(Closed))?.map_err(io::Error::other)
    }

    /// Entries from `start` to `end` (exclusive) up to about `limit_bytes`, and at least one where there is one.
    fn read(&self, start: u64, end: u64, limit_bytes: usize) -> io::Result<Vec<Entry>> {
        let (mut out, mut bytes) = (Vec::new(), 0);
        let mut take = |entry: Entry| {
            bytes += size(&entry);
            let fits = out.is_empty() || bytes <= limit_bytes;
            if fits {
                out.push(entry);
            }
            fits
        };
        let (cached, on_disk_end) = {
            let newest = self.newest();
            let first = newest.first().unwrap_or(u64::MAX);
            let skip = usize::try_from(start.saturating_sub(first)).unwrap_or(usize::MAX);
            let wanted = newest.entries.iter().skip(skip).take_while(|entry| entry.index() < end);
            let mut sum = 0;
            let enough = wanted.take_while(|entry| {
                let before = sum;
                sum += size(entry);
                before <= limit_bytes
            });
            (enough.cloned().collect::<Vec<_>>(), first.min(end))
        };
        if start < on_disk_end {
            for row in self.shared.disk.range(&layout::log_key(start), &layout::log_key(on_disk_end)) {
                let (_, row) = row.map_err(io::Error::other)?;
                if !take(rmp_serde::from_slice(&row).map_err(io::Error::other)?) {
                    return Ok(out);
                }
            }
        }
        for entry in cached {
            if !take(entry) {
                break;
            }
        }
        Ok(out)
    }
}

impl RaftLogReader<TypeConfig> for Log {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(start) => start.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(end) => end.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        self.read(start, end, usize::MAX)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(start, end, READ_BYTES)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.newest().vote)
    }
}

impl RaftLogStorage<TypeConfig> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let newest = self.newest();
        Ok(LogState { last_purged_log_id: newest.purged, last_log_id: newest.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let rows = vec![(layout::meta_key(layout::VOTE), Some(encode(vote)?))];
        self.write(|done| Write::Rows { rows, done }).await?;
        self.newest().vote = Some(*vote);
        Ok(())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let mut rows = Vec::new();
        let mut index = 0;
        for entry in entries {
            index = entry.index();
            rows.push((layout::log_key(index), Some(encode(&entry)?)));
            let mut newest = self.newest();
            newest.last = Some(entry.log_id());
            newest.bytes += size(&entry);
            newest.appended += size(&entry) as u64;
            newest.entries.push_back(entry);
        }
        let shared = self.shared.clone();
        let done: Done = Box::new(move |result| {
            if result.is_ok() {
                let mut newest = shared.newest.lock().unwrap_or_else(PoisonError::into_inner);
                newest.durable = newest.durable.max(index);
                newest.evict();
            }
            callback.io_completed(result.map_err(io::Error::other));
        });
        self.writer.send(Write::Rows { rows, done }).await.map_err(closed)
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        let keep_end = last_log_id.map_or(0, |log_id| log_id.index + 1);
        let end = {
            let mut newest = self.newest();
            let end = newest.last.map_or(0, |last| last.index + 1);
            while let Some(entry) = newest.entries.pop_back_if(|entry| entry.index() >= keep_end) {
                newest.bytes -= size(&entry);
            }
            // Behind the log's end there is nothing to remove, and the end stays where it is.
            if keep_end < end {
                newest.last = last_log_id.max(newest.purged);
            }
            end
        };
        let rows = (keep_end..end).map(|index| (layout::log_key(index), None)).collect();
        self.write(|done| Write::Rows { rows, done }).await?;
        // Whatever was appended before has been written by now, in order.
        let mut newest = self.newest();
        newest.durable = newest.durable.min(keep_end.saturating_sub(1));
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        {
            let mut newest = self.newest();
            while let Some(entry) = newest.entries.pop_front_if(|entry| entry.index() <= log_id.index) {
                newest.bytes -= size(&entry);
            }
            newest.appended = 0;
            newest.purged = newest.purged.max(Some(log_id));
            newest.last = newest.last.max(Some(log_id));
            newest.durable = newest.durable.max(log_id.index);
        }
        let row = encode(&log_id)?;
        self.write(|done| Write::Purge { upto: log_id.index, log_id: row, done }).await
    }
}
