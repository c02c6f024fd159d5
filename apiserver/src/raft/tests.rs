//! Three replicas in one process over a real nats-server.

use super::*;
use crate::state::{Action, Conflict, Draft, Key, Op, RequestId, Require};
use futures::StreamExt;
use kubus_proto::event::{Bookmark, Change};
use kubus_proto::kinds::config_map;
use kubus_proto::subject;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(20);

/// A nats-server of this test's own.
struct Nats {
    process: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Drop for Nats {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

impl Nats {
    /// `None`, with a message, where there is no nats-server.
    async fn start() -> Option<Self> {
        let folder = tempfile::tempdir().expect("folder");
        let ports = folder.path().to_str().expect("path").to_owned();
        let started = Command::new("nats-server")
            .args(["--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir", &ports])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            eprintln!("skipped: this test needs nats-server in PATH");
            return None;
        };
        let file = folder.path().join(format!("nats-server_{}.ports", process.id()));
        let deadline = Instant::now() + PATIENCE;
        let address = loop {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let ports: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            if let Some(address) = ports["nats"][0].as_str() {
                break address.to_owned();
            }
            assert!(Instant::now() < deadline, "nats-server does not start");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        Some(Self { process, address, _folder: folder })
    }

    async fn connect(&self) -> async_nats::Client {
        async_nats::connect(&self.address).await.expect("connects")
    }
}

struct Group {
    nats: Nats,
    folder: tempfile::TempDir,
    replicas: BTreeMap<u64, Arc<Replica>>,
}

impl Group {
    async fn start(size: u64) -> Option<Self> {
        let nats = Nats::start().await?;
        let folder = tempfile::tempdir().expect("folder");
        let mut group = Self { nats, folder, replicas: BTreeMap::new() };
        for id in 1..=size {
            group.start_one(id, size).await;
        }
        Some(group)
    }

    async fn start_one(&mut self, id: u64, size: u64) {
        let data_dir = self.folder.path().join(id.to_string());
        let options = RaftOptions::new(id, (1..=size).collect(), data_dir, self.nats.connect().await);
        let replica = Replica::start(options).await.expect("starts");
        self.replicas.insert(id, replica);
    }

    async fn stop_one(&mut self, id: u64) {
        self.replicas.remove(&id).expect("runs").stop().await;
    }

    async fn stop(mut self) {
        while let Some((_, replica)) = self.replicas.pop_first() {
            replica.stop().await;
        }
    }

    /// Waits for a leader.
    async fn leader(&self) -> Arc<Replica> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(leader) = self.replicas.values().find(|replica| replica.is_leader()) {
                return leader.clone();
            }
            assert!(Instant::now() < deadline, "no leader");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Proposes until somebody takes it, as a client does.
    async fn write(&self, transaction: Transaction) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let leader = self.leader().await;
            match leader.propose(vec![transaction.clone()]).await {
                Ok(mut outcomes) => return outcomes.remove(0),
                Err(error) => assert!(error.retryable() && Instant::now() < deadline, "{error}"),
            }
        }
    }

    async fn all_equal(&self) {
        for replica in self.replicas.values() {
            let deadline = Instant::now() + PATIENCE;
            while let Err(error) = replica.barrier().await {
                assert!(error.retryable() && Instant::now() < deadline, "{error}");
            }
        }
        let images: Vec<_> = self.replicas.values().map(|replica| replica.state().image()).collect();
        assert!(images.windows(2).all(|pair| pair[0] == pair[1]), "replicas differ");
    }
}

fn put(i: u64, name: &str) -> Transaction {
    put_sized(i, name, 1)
}

fn put_sized(i: u64, name: &str, size: usize) -> Transaction {
    let data = json!({"i": i.to_string(), "v": "x".repeat(size)});
    let object = json!({"metadata": {"name": name, "namespace": "d", "uid": i.to_string()}, "data": data});
    let key = Key::new("/configmaps", "d", name);
    let action = Action::Put(Draft::encode(&config_map::ROW, &object).expect("encodes"));
    let id = RequestId { request: Uuid::from_u128(u128::from(i)), part: 0 };
    Transaction { id, ops: vec![Op { key, require: Require::absent(), action }] }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_survive_the_death_of_leaders_and_a_restart_of_all() {
    let Some(mut group) = Group::start(3).await else { return };
    let mut next = 0;
    for _ in 0..3 {
        for _ in 0..20 {
            let outcome = group.write(put(next, &format!("n{next}"))).await;
            assert!(matches!(outcome, Outcome::Done { .. } | Outcome::Repeated { .. }), "{outcome:?}");
            next += 1;
        }
        // A repeated request is answered once, whoever leads.
        let last = next - 1;
        let outcome = group.write(put(last, &format!("n{last}"))).await;
        let revision = group.leader().await.state().revision();
        assert_eq!(outcome, Outcome::Repeated { revisions: vec![revision] });
        let leader = group.leader().await.status().id;
        let died = Instant::now();
        group.stop_one(leader).await;
        let outcome = group.write(put(next, &format!("n{next}"))).await;
        next += 1;
        assert!(matches!(outcome, Outcome::Done { .. } | Outcome::Repeated { .. }), "{outcome:?}");
        eprintln!("a write succeeded {:?} after its leader stopped", died.elapsed());
        let outcome = group.write(put(next, "n0")).await;
        assert_eq!(outcome, Outcome::Failed { op: 0, conflict: Conflict::Exists });
        next += 1;
        group.start_one(leader, 3).await;
        group.all_equal().await;
    }
    let image = group.leader().await.state().image();
    for id in 1..=3 {
        group.stop_one(id).await;
    }
    for id in 1..=3 {
        group.start_one(id, 3).await;
    }
    group.leader().await;
    group.all_equal().await;
    assert_eq!(group.replicas[&1].state().image(), image);
    group.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_far_behind_is_given_a_snapshot() {
    let Some(mut group) = Group::start(3).await else { return };
    let leader = group.leader().await.status().id;
    let behind = leader % 3 + 1;
    group.write(put(0, "before")).await;
    group.stop_one(behind).await;
    // Larger than one message of the bus in all.
    for i in 1..=40 {
        group.write(put_sized(i, &format!("n{i}"), 100_000)).await;
    }
    let leader = group.leader().await;
    let index = leader.shown.position.borrow().index;
    leader.raft.trigger().snapshot().await.expect("snapshot");
    let wait = leader.raft.wait(Some(PATIENCE));
    let enough = |metrics: &openraft::RaftMetrics<TypeConfig>| metrics.snapshot.is_some_and(|id| id.index >= index);
    wait.metrics(enough, "snapshot").await.expect("built");
    leader.raft.trigger().purge_log(index).await.expect("purge");
    let gone = |metrics: &openraft::RaftMetrics<TypeConfig>| metrics.purged.is_some_and(|id| id.index >= index);
    leader.raft.wait(Some(PATIENCE)).metrics(gone, "purged").await.expect("purged");
    drop(leader);
    group.start_one(behind, 3).await;
    group.all_equal().await;
    group.write(put(100, "after")).await;
    group.all_equal().await;
    // What was installed is on its disk.
    group.stop_one(behind).await;
    group.start_one(behind, 3).await;
    group.all_equal().await;
    group.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_and_bookmarks_are_published_by_the_leader_alone() {
    let Some(group) = Group::start(3).await else { return };
    let nats = group.nats.connect().await;
    let mut events = nats.subscribe(subject::events_of("", "configmaps", None)).await.expect("subscribes");
    let mut bookmarks = nats.subscribe(subject::BOOKMARKS).await.expect("subscribes");
    nats.flush().await.expect("flushes");
    group.leader().await;
    for i in 0..10 {
        group.write(put(i, &format!("n{i}"))).await;
    }
    for expected in 1..=10 {
        let message = tokio::time::timeout(PATIENCE, events.next()).await.expect("in time").expect("open");
        let change: Change = kubus_proto::codec::decode(&message.payload).expect("decodes");
        assert_eq!((change.revision, change.previous), (expected, expected - 1));
    }
    loop {
        let message = tokio::time::timeout(PATIENCE, bookmarks.next()).await.expect("in time").expect("open");
        let bookmark: Bookmark = kubus_proto::codec::decode(&message.payload).expect("decodes");
        if bookmark.revision == 10 {
            assert_eq!(bookmark.resources["/configmaps"], 10);
            break;
        }
    }
    let more = tokio::time::timeout(Duration::from_millis(200), events.next()).await;
    assert!(more.is_err(), "an event came twice");
    group.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_member_alone_leads_at_once_and_comes_back() {
    let Some(mut group) = Group::start(1).await else { return };
    for round in 0..3 {
        assert_eq!(group.write(put(round, &format!("n{round}"))).await, Outcome::Done { revisions: vec![round + 1] });
        group.replicas[&1].barrier().await.expect("reads");
        group.stop_one(1).await;
        group.start_one(1, 1).await;
    }
    assert_eq!(group.leader().await.state().len(), 3);
    group.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_handed_over_when_a_leader_stops_in_order() {
    let Some(mut group) = Group::start(3).await else { return };
    group.write(put(0, "a")).await;
    let leader = group.leader().await.status().id;
    let stopped = Instant::now();
    group.replicas.remove(&leader).expect("runs").shutdown().await;
    group.write(put(1, "b")).await;
    eprintln!("a write succeeded {:?} after its leader handed over", stopped.elapsed());
    group.stop().await;
}

#[tokio::test]
async fn a_damaged_store_is_moved_away_and_its_member_stays_away() {
    let Some(nats) = Nats::start().await else { return };
    let folder = tempfile::tempdir().expect("folder");
    let start = |path: &Path, nats| Replica::start(RaftOptions::new(1, vec![1], path, nats));
    std::fs::create_dir_all(folder.path().join("store")).expect("folder");
    std::fs::write(folder.path().join("store/conf"), "these are not the settings of a database").expect("file");
    let first = start(folder.path(), nats.connect().await).await.err();
    assert!(
        matches!(&first, Some(StartError::Damaged { moved_to, .. }) if moved_to.join("conf").exists()),
        "{first:?}"
    );
    let second = start(folder.path(), nats.connect().await).await.err();
    assert!(matches!(second, Some(StartError::WasDamaged { .. })), "{second:?}");
}
