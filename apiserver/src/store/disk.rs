//! What the store asks of a disk: an ordered map of bytes with atomic batches and a sync. sled is one, memory another.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, PoisonError};

/// A disk failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// Nothing can be read or written any more.
    #[error("disk: {0}")]
    Failed(String),
    /// What was read is not what was written.
    #[error("disk holds damaged data: {0}")]
    Damaged(String),
}

/// Writes that take effect all or not at all; a later one for the same key wins.
#[derive(Debug, Default)]
pub struct Batch {
    /// New value of each key, `None` to remove it.
    pub writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Sum of the values' lengths.
    pub bytes: usize,
}

impl Batch {
    /// Sets a key.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.bytes += value.len();
        self.writes.insert(key, Some(value));
    }

    /// Removes a key.
    pub fn remove(&mut self, key: Vec<u8>) {
        self.writes.insert(key, None);
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);
/// Rows in key order.
pub type Rows<'a> = Box<dyn Iterator<Item = Result<Row, DiskError>> + 'a>;

/// An ordered map on a disk. One thread writes, any may read. Writes become durable in their order: after a crash a
/// later batch is never there without an earlier one.
pub trait Disk: Send + Sync + 'static {
    /// Carries out a batch; readers see all of it or nothing. It survives a crash only after [`Disk::sync`].
    fn write(&self, batch: Batch) -> Result<(), DiskError>;

    /// Returns when everything written before is safe from a power cut.
    fn sync(&self) -> Result<(), DiskError>;

    /// One value.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, DiskError>;

    /// Rows from `start`, including it, to `end`, without it.
    fn range(&self, start: &[u8], end: &[u8]) -> Rows<'_>;

    /// The last row before `end` that is not before `start`.
    fn last(&self, start: &[u8], end: &[u8]) -> Result<Option<Row>, DiskError>;

    /// Why nothing should be written now (no space left), `None` if all is well.
    fn full(&self) -> Option<String>;

    /// Whether so little space is left that even what cannot be refused should wait.
    fn exhausted(&self) -> bool;
}

/// A disk in memory, for tests.
#[derive(Debug, Default)]
pub struct MemoryDisk {
    rows: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl MemoryDisk {
    fn rows(&self) -> std::sync::MutexGuard<'_, BTreeMap<Vec<u8>, Vec<u8>>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn between(start: &[u8], end: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    (Bound::Included(start.to_vec()), Bound::Excluded(end.to_vec()))
}

impl Disk for MemoryDisk {
    fn write(&self, batch: Batch) -> Result<(), DiskError> {
        let mut rows = self.rows();
        for (key, value) in batch.writes {
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), DiskError> {
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, DiskError> {
        Ok(self.rows().get(key).cloned())
    }

    fn range(&self, start: &[u8], end: &[u8]) -> Rows<'_> {
        let rows: Vec<_> = self.rows().range(between(start, end)).map(|(k, v)| Ok((k.clone(), v.clone()))).collect();
        Box::new(rows.into_iter())
    }

    fn last(&self, start: &[u8], end: &[u8]) -> Result<Option<Row>, DiskError> {
        Ok(self.rows().range(between(start, end)).next_back().map(|(k, v)| (k.clone(), v.clone())))
    }

    fn full(&self) -> Option<String> {
        None
    }

    fn exhausted(&self) -> bool {
        false
    }
}
