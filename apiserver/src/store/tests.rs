//! What is written comes back: after a reopen, behind a purge, and when a state replaces another.

use super::disk::{Disk, MemoryDisk};
use super::layout::{self, Applied};
use super::writer::{Write, Writer};
use super::*;
use crate::state::{Action, Command, Draft, Key, Limits, Op, RequestId, Require};
use kubus_proto::kinds::config_map;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use uuid::Uuid;

const LIMITS: Limits = Limits { count: 40, bytes: usize::MAX, age_ms: i64::MAX, floor: 0, answer_age_ms: 0 };

fn command(i: u64) -> Command {
    let name = format!("n{}", i % 7);
    // Some objects are larger than what is put into one value of sled.
    let text = "x".repeat(if i.is_multiple_of(5) { 40_000 } else { 100 });
    let object = json!({"metadata": {"name": name, "namespace": "d", "uid": i.to_string()}, "data": {"v": text}});
    let key = Key::new("/configmaps", "d", name);
    let draft = Draft::encode(&config_map::ROW, &object).expect("encodes");
    let action = if i.is_multiple_of(4) { Action::Delete } else { Action::Put(draft) };
    let id = RequestId { request: Uuid::from_u128(u128::from(i)), part: 0 };
    let ops = vec![Op { key, require: Require::default(), action }];
    Command { transactions: vec![Transaction { id, ops }], now_ms: i as i64 }
}

fn apply(state: &mut State, i: u64) -> Write {
    let entries = state.apply(command(i)).entries;
    let raft = i.to_be_bytes().to_vec();
    let applied = Applied { generation: 0, revision: state.revision(), now_ms: state.now_ms(), raft };
    Write::Apply { entries, applied, log_first: state.log_first() }
}

struct Opened {
    disk: Arc<dyn Disk>,
    writer: Writer,
    thread: std::thread::JoinHandle<()>,
}

fn open(disk: Arc<dyn Disk>) -> (Opened, State, Applied) {
    let (state, applied) = layout::load(&*disk, LIMITS).expect("loads");
    let stop = Arc::new(AtomicBool::new(false));
    let (writer, thread) = Writer::start(disk.clone(), applied.generation, state.log_first(), stop).expect("starts");
    (Opened { disk, writer, thread }, state, applied)
}

impl Opened {
    async fn sync(&self, make: impl FnOnce(super::writer::Done) -> Write) {
        let (done, told) = oneshot::channel();
        self.writer.send(make(Box::new(move |result| _ = done.send(result)))).await.expect("sends");
        told.await.expect("told").expect("written");
    }

    async fn append(&self, index: u64) {
        let rows = vec![(layout::log_key(index), Some(vec![7; 10]))];
        self.sync(|done| Write::Rows { rows, done }).await;
    }

    fn close(self) {
        drop(self.writer);
        self.thread.join().expect("ends");
    }
}

#[tokio::test]
async fn a_state_is_the_same_after_a_reopen() {
    let folder = tempfile::tempdir().expect("folder");
    let mut expected = State::with_limits(LIMITS);
    for round in 0..4u64 {
        let (opened, state, applied) = open(Arc::new(SledDisk::open(folder.path()).expect("opens")));
        assert_eq!(state.image(), expected.image(), "round {round}");
        let raft = if round == 0 { vec![] } else { (round * 60 - 1).to_be_bytes().to_vec() };
        assert_eq!(applied.raft, raft);
        for i in round * 60..(round + 1) * 60 {
            opened.append(i).await;
            opened.writer.send(apply(&mut expected, i)).await.expect("sends");
        }
        opened.close();
    }
}

#[tokio::test]
async fn the_log_is_purged_behind_the_state_that_replaces_it() {
    let disk = Arc::new(MemoryDisk::default());
    let (opened, mut state, _) = open(disk.clone());
    for i in 0..10 {
        opened.append(i).await;
        opened.writer.send(apply(&mut state, i)).await.expect("sends");
    }
    opened.sync(|done| Write::Purge { upto: 6, log_id: vec![1], done }).await;
    let rows: Vec<_> = opened.disk.range(&layout::log_key(0), &layout::log_end()).collect();
    let indexes: Vec<_> = rows.into_iter().map(|row| layout::log_index(&row.expect("row").0)).collect();
    assert_eq!(indexes, [Some(7), Some(8), Some(9)]);
    assert_eq!(opened.disk.get(&layout::meta_key(layout::PURGED)), Ok(Some(vec![1])));
    let (loaded, _) = layout::load(&*disk, LIMITS).expect("loads");
    assert_eq!(loaded.image(), state.image());
    opened.close();
}

#[tokio::test]
async fn a_snapshot_replaces_the_state_and_leaves_nothing_of_it() {
    let disk = Arc::new(MemoryDisk::default());
    let (opened, mut state, _) = open(disk.clone());
    let mut other = State::with_limits(LIMITS);
    for i in 0..30 {
        opened.writer.send(apply(&mut state, i)).await.expect("sends");
        other.apply(command(i * 3 + 1));
    }
    for round in 0..3u64 {
        let applied = Applied { generation: 0, revision: other.revision(), now_ms: other.now_ms(), raft: vec![9] };
        let image = Box::new(other.image());
        opened.sync(|done| Write::Replace { image, applied, done }).await;
        for i in 0..50 {
            opened.writer.send(apply(&mut other, 1_000 * (round + 1) + i)).await.expect("sends");
        }
    }
    opened.append(1).await;
    opened.close();
    let (loaded, applied) = layout::load(&*disk, LIMITS).expect("loads");
    assert_eq!(loaded.image(), other.image());
    assert_eq!(applied.generation, 3);
    let rows = disk.range(b"s", b"t").count();
    layout::remove_other_generations(&*disk, 3).expect("removes");
    assert_eq!(disk.range(b"s", b"t").count(), rows);
}

/// A disk without space until it is told otherwise.
#[derive(Default)]
struct FullDisk {
    disk: MemoryDisk,
    free: AtomicBool,
}

impl Disk for FullDisk {
    fn write(&self, batch: super::disk::Batch) -> Result<(), super::disk::DiskError> {
        assert!(!self.exhausted(), "sled gives up for good when it is refused a write");
        self.disk.write(batch)
    }

    fn sync(&self) -> Result<(), super::disk::DiskError> {
        self.disk.sync()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, super::disk::DiskError> {
        self.disk.get(key)
    }

    fn range(&self, start: &[u8], end: &[u8]) -> super::disk::Rows<'_> {
        self.disk.range(start, end)
    }

    fn last(&self, start: &[u8], end: &[u8]) -> Result<Option<super::disk::Row>, super::disk::DiskError> {
        self.disk.last(start, end)
    }

    fn full(&self) -> Option<String> {
        self.exhausted().then(|| "no space".to_owned())
    }

    fn exhausted(&self) -> bool {
        !self.free.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn writes_wait_for_space_and_go_on() {
    let disk = Arc::new(FullDisk::default());
    let (opened, mut state, _) = open(disk.clone());
    let (done, mut told) = oneshot::channel();
    let rows = vec![(layout::log_key(1), Some(vec![7]))];
    let write = Write::Rows { rows, done: Box::new(move |result| _ = done.send(result)) };
    opened.writer.send(write).await.expect("sends");
    opened.writer.send(apply(&mut state, 1)).await.expect("sends");
    let early = tokio::time::timeout(Duration::from_millis(50), &mut told).await;
    assert!(early.is_err(), "it was written to a full disk");
    disk.free.store(true, Ordering::Relaxed);
    told.await.expect("told").expect("written");
    opened.close();
    let (loaded, _) = layout::load(&*disk, LIMITS).expect("loads");
    assert_eq!(loaded.image(), state.image());
}
