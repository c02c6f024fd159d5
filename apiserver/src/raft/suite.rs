//! openraft's own tests of a log and a state machine, over the disk in memory and over sled.

use super::log::Log;
use super::machine::Machine;
use super::types::TypeConfig;
use crate::publish;
use crate::state::Limits;
use crate::store::SledDisk;
use crate::store::disk::{Disk, MemoryDisk};
use crate::store::layout;
use crate::store::writer::Writer;
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tempfile::TempDir;

struct OverMemory;
struct OverSled;

fn build(disk: Arc<dyn Disk>) -> (Log, Machine) {
    let (state, applied) = layout::load(&*disk, Limits::default()).expect("loads");
    let stop = Arc::new(AtomicBool::new(false));
    let (writer, _) = Writer::start(disk.clone(), applied.generation, state.log_first(), stop).expect("starts");
    let (outbox, _) = publish::outbox(Arc::new(AtomicBool::new(false)));
    let machine = Machine::new(state, &applied.raft, writer.clone(), outbox).expect("machine");
    (Log::open(disk, writer).expect("log"), machine)
}

impl StoreBuilder<TypeConfig, Log, Machine> for OverMemory {
    async fn build(&self) -> Result<((), Log, Machine), StorageError<TypeConfig>> {
        let (log, machine) = build(Arc::new(MemoryDisk::default()));
        Ok(((), log, machine))
    }
}

impl StoreBuilder<TypeConfig, Log, Machine, TempDir> for OverSled {
    async fn build(&self) -> Result<(TempDir, Log, Machine), StorageError<TypeConfig>> {
        let folder = tempfile::tempdir().expect("folder");
        let (log, machine) = build(Arc::new(SledDisk::open(folder.path()).expect("opens")));
        Ok((folder, log, machine))
    }
}

#[tokio::test]
async fn openraft_is_content_with_log_and_machine_in_memory() {
    Suite::test_all(OverMemory).await.expect("content");
}

#[tokio::test]
async fn openraft_is_content_with_log_and_machine_on_sled() {
    Suite::test_all(OverSled).await.expect("content");
}
