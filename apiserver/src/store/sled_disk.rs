//! sled as a [`Disk`]: explicit cache, no background flush, and a sync that survives a power cut.

use super::disk::{Batch, Disk, DiskError, Row, Rows};
use super::space::Space;
use std::collections::HashMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Memory sled may hold pages in, in bytes (its default is 1 GiB). Only writes and starts read pages.
const CACHE_BYTES: u64 = 16 << 20;
/// Size of sled's segments and write buffers, in bytes. A page larger than a quarter of this would go to a file of its
/// own, which sled never syncs; with [`PART_BYTES`] and at most twenty values a page none is.
const SEGMENT_BYTES: usize = 2 << 20;
/// Longest value put into sled, in bytes; longer ones are cut into parts.
const PART_BYTES: usize = 16 << 10;
/// Before the key of a part.
const PARTS: u8 = b'~';
/// First byte of a whole value.
const WHOLE: u8 = 0;
/// First byte of a value whose bytes are in parts; their count follows.
const CUT: u8 = 1;
/// How long a file that is locked is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// How often a locked file is tried.
const LOCK_POLL: Duration = Duration::from_millis(20);
/// sled's file in its folder.
const FILE: &str = "db";
/// sled's settings beside it.
const SETTINGS: &str = "conf";

/// sled cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or file cannot be used.
    #[error("cannot open the store in {folder}: {source}")]
    Io {
        /// Where.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is damaged.
    #[error("the store in {folder} is damaged: {reason}")]
    Damaged {
        /// Where.
        folder: PathBuf,
        /// What was found.
        reason: String,
    },
}

/// A sled database.
pub struct SledDisk {
    database: sled::Db,
    file: File,
    space: Space,
    /// How many parts each value that was cut has, so that none outlives its value.
    cut: Mutex<HashMap<Vec<u8>, u16>>,
}

fn failed(error: sled::Error) -> DiskError {
    match error {
        sled::Error::Corruption { .. } => DiskError::Damaged(error.to_string()),
        error => DiskError::Failed(error.to_string()),
    }
}

fn part_key(key: &[u8], part: u16) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len() + 3);
    out.push(PARTS);
    out.extend_from_slice(key);
    out.extend_from_slice(&part.to_be_bytes());
    out
}

impl SledDisk {
    /// Opens the database in `folder`, or makes one.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { folder: folder.to_owned(), source };
        let damaged = |reason| OpenError::Damaged { folder: folder.to_owned(), reason };
        std::fs::create_dir_all(folder).map_err(io)?;
        let is_new = !folder.join(FILE).exists();
        let config = sled::Config::new()
            .path(folder)
            .cache_capacity(CACHE_BYTES)
            .segment_size(SEGMENT_BYTES)
            .flush_every_ms(None)
            .mode(sled::Mode::HighThroughput);
        let deadline = Instant::now() + LOCK_WAIT;
        let database = loop {
            // sled checks some of what it reads by assertions.
            let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| config.open()))
                .map_err(|_| damaged("sled gave up while reading it".to_owned()))?;
            match opened {
                Ok(database) => break database,
                // Another process, or sled's own threads of the one before, have yet to let go of the file.
                Err(sled::Error::Io(source)) if source.kind() == ErrorKind::Other && Instant::now() < deadline => {
                    std::thread::sleep(LOCK_POLL);
                }
                Err(error @ sled::Error::Corruption { .. }) => return Err(damaged(error.to_string())),
                Err(sled::Error::Io(source)) if source.kind() == ErrorKind::InvalidData => {
                    return Err(damaged(source.to_string()));
                }
                Err(sled::Error::Io(source)) => return Err(io(source)),
                Err(error) => return Err(io(std::io::Error::other(error))),
            }
        };
        let file = File::options().read(true).write(true).open(folder.join(FILE)).map_err(io)?;
        if is_new {
            // A file's name is durable only when its folder is, and the folder's only when its parent is. sled does
            // not sync its settings.
            File::open(folder.join(SETTINGS)).and_then(|f| f.sync_all()).map_err(io)?;
            File::open(folder).and_then(|f| f.sync_all()).map_err(io)?;
            if let Some(parent) = folder.parent().filter(|p| !p.as_os_str().is_empty()) {
                File::open(parent).and_then(|f| f.sync_all()).map_err(io)?;
            }
        }
        let mut cut: HashMap<Vec<u8>, u16> = HashMap::new();
        for key in database.scan_prefix([PARTS]).keys() {
            let key = key.map_err(|error| damaged(error.to_string()))?;
            if let Some((of, _)) = key.get(1..).and_then(|rest| rest.split_last_chunk::<2>()) {
                *cut.entry(of.to_vec()).or_default() += 1;
            }
        }
        Ok(Self { database, file, space: Space::of(folder), cut: Mutex::new(cut) })
    }

    fn whole(&self, key: &[u8], stored: &[u8]) -> Result<Vec<u8>, DiskError> {
        match stored.split_first() {
            Some((&WHOLE, value)) => Ok(value.to_vec()),
            Some((&CUT, count)) => {
                let count = <[u8; 2]>::try_from(count).map_err(|_| DiskError::Damaged("count of parts".to_owned()))?;
                let mut value = Vec::with_capacity(usize::from(u16::from_be_bytes(count)) * PART_BYTES);
                for part in 0..u16::from_be_bytes(count) {
                    let bytes = self.database.get(part_key(key, part)).map_err(failed)?;
                    let bytes = bytes.ok_or_else(|| DiskError::Damaged("a part is missing".to_owned()))?;
                    value.extend_from_slice(&bytes);
                }
                Ok(value)
            }
            _ => Err(DiskError::Damaged("kind of value".to_owned())),
        }
    }

    fn row(&self, row: sled::Result<(sled::IVec, sled::IVec)>) -> Result<Row, DiskError> {
        let (key, stored) = row.map_err(failed)?;
        Ok((key.to_vec(), self.whole(&key, &stored)?))
    }
}

impl Disk for SledDisk {
    fn write(&self, batch: Batch) -> Result<(), DiskError> {
        let mut cut = self.cut.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = sled::Batch::default();
        for (key, value) in batch.writes {
            let parts =
                value.as_ref().map_or(0, |v| if v.len() > PART_BYTES { v.len().div_ceil(PART_BYTES) } else { 0 });
            let parts = u16::try_from(parts).map_err(|_| DiskError::Failed("a value is too large".to_owned()))?;
            let before = if parts > 0 { cut.insert(key.clone(), parts) } else { cut.remove(&key) };
            for part in parts..before.unwrap_or_default() {
                out.remove(part_key(&key, part));
            }
            let Some(value) = value else {
                out.remove(key);
                continue;
            };
            if parts == 0 {
                let mut stored = Vec::with_capacity(value.len() + 1);
                stored.push(WHOLE);
                stored.extend_from_slice(&value);
                out.insert(key, stored);
                continue;
            }
            for (part, bytes) in (0..parts).zip(value.chunks(PART_BYTES)) {
                out.insert(part_key(&key, part), bytes);
            }
            let count = parts.to_be_bytes();
            out.insert(key, &[CUT, count[0], count[1]]);
        }
        self.database.apply_batch(out).map_err(failed)
    }

    fn sync(&self) -> Result<(), DiskError> {
        // Flushing alone ends in `sync_file_range`, which leaves the disk's own cache and the file's size as they are.
        self.database.flush().map_err(failed)?;
        self.file.sync_data().map_err(|error| DiskError::Failed(error.to_string()))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, DiskError> {
        let stored = self.database.get(key).map_err(failed)?;
        stored.map(|stored| self.whole(key, &stored)).transpose()
    }

    fn range(&self, start: &[u8], end: &[u8]) -> Rows<'_> {
        Box::new(self.database.range(start..end).map(|row| self.row(row)))
    }

    fn last(&self, start: &[u8], end: &[u8]) -> Result<Option<Row>, DiskError> {
        self.database.range(start..end).next_back().map(|row| self.row(row)).transpose()
    }

    fn full(&self) -> Option<String> {
        self.space.full()
    }

    fn exhausted(&self) -> bool {
        self.space.exhausted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(size: usize) -> Vec<u8> {
        (0..size).map(|i| (i % 251) as u8).collect()
    }

    #[test]
    fn values_of_any_size_come_back_after_a_reopen_and_leave_no_parts() {
        let folder = tempfile::tempdir().expect("folder");
        let sizes = [0, 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES, 1_600_000];
        for round in 0..sizes.len() {
            let disk = SledDisk::open(folder.path()).expect("opens");
            let mut batch = Batch::default();
            for key in 0..sizes.len() {
                batch.put(format!("k{key}").into(), value(sizes[(key + round) % sizes.len()]));
            }
            disk.write(batch).expect("writes");
            disk.sync().expect("syncs");
            drop(disk);
            let disk = SledDisk::open(folder.path()).expect("opens");
            let rows: Vec<_> = disk.range(b"k", b"l").map(|row| row.expect("row")).collect();
            assert_eq!(rows.len(), sizes.len());
            for (key, (name, bytes)) in rows.into_iter().enumerate() {
                assert_eq!(name, format!("k{key}").into_bytes());
                assert!(bytes == value(sizes[(key + round) % sizes.len()]), "round {round}, key {key}");
            }
            let last = disk.last(b"k", b"l").expect("reads").expect("there");
            assert_eq!(last.0, b"k5");
        }
        let disk = SledDisk::open(folder.path()).expect("opens");
        let mut batch = Batch::default();
        for key in 0..sizes.len() {
            batch.remove(format!("k{key}").into());
        }
        disk.write(batch).expect("writes");
        assert_eq!(disk.database.len(), 0);
        let blobs = std::fs::read_dir(folder.path().join("blobs")).map(|files| files.count()).unwrap_or_default();
        assert_eq!(blobs, 0, "sled does not sync the files it puts large pages in");
    }

    #[test]
    fn a_damaged_file_is_told_from_a_missing_one() {
        let folder = tempfile::tempdir().expect("folder");
        let disk = SledDisk::open(folder.path()).expect("opens");
        let mut batch = Batch::default();
        batch.put(b"k".to_vec(), value(100));
        disk.write(batch).expect("writes");
        disk.sync().expect("syncs");
        drop(disk);
        std::fs::write(folder.path().join("conf"), b"this is not the settings of a database").expect("writes");
        assert!(matches!(SledDisk::open(folder.path()), Err(OpenError::Damaged { .. })));
        let file = folder.path().join("file");
        std::fs::write(&file, b"").expect("writes");
        assert!(matches!(SledDisk::open(&file), Err(OpenError::Io { .. })));
    }
}
