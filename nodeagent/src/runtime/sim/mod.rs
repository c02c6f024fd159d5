//! Containers that are only pretended, for thousands of nodes in one process: delays instead of work, and programs that
//! run for ever unless their command says `sleep N` or `exit N`.

use super::{
    Connection, ContainerSpec, DialError, ExecSpec, Exit, HostFacts, ImageInfo, Listed, LogQuery, Observed, Output,
    PullError, RunState, Runtime, RuntimeError, RuntimeEvent, SANDBOX, SandboxInfo, SandboxSpec, Session, SessionId,
    StartError,
};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast;

mod program;
mod session;

pub use program::Program;

/// Events a slow reader may lag behind before it has to list again.
const EVENT_LAG_LIMIT: usize = 1_024;
/// Image name that cannot be pulled, as a real one with a typing error cannot.
const MISSING_IMAGE: &str = "missing";

/// How the simulation behaves.
#[derive(Clone, Debug, Default)]
pub struct SimConfig {
    /// Time a start takes.
    pub start_delay: Duration,
    /// Time from SIGTERM to the end.
    pub stop_delay: Duration,
    /// Makes container ids and addresses; the same seed gives the same ones.
    pub seed: u64,
    /// Logical processors of the pretended host.
    pub cpus: i64,
    /// Memory of the pretended host in bytes.
    pub memory_bytes: i64,
}

/// A pretended engine. Clones share it, so an agent that is started again finds its containers.
#[derive(Clone)]
pub struct SimRuntime {
    config: SimConfig,
    state: Arc<Mutex<State>>,
    events: broadcast::Sender<RuntimeEvent>,
}

#[derive(Default)]
struct State {
    containers: BTreeMap<String, Observed>,
    count: u64,
    starts: BTreeMap<String, u64>,
    /// Exit codes of processes whose clients have not asked for them yet.
    sessions: BTreeMap<String, i32>,
}

impl SimRuntime {
    /// An engine without containers.
    pub fn new(config: SimConfig) -> Self {
        Self { config, state: Arc::default(), events: broadcast::channel(EVENT_LAG_LIMIT).0 }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often each container name was really started, for tests that nothing is started twice.
    pub fn starts(&self) -> BTreeMap<String, u64> {
        self.state().starts.clone()
    }

    /// How many processes were started in containers and are not over, for tests that nothing is left behind.
    pub fn sessions(&self) -> usize {
        self.state().sessions.len()
    }

    fn unique(&self) -> (String, String) {
        let mut state = self.state();
        state.count += 1;
        let n = state.count;
        let mixed = (self.config.seed ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let ip = format!("10.{}.{}.{}", self.config.seed % 250, n / 250 % 250, n % 250 + 1);
        (format!("{mixed:016x}{n:048x}"), ip)
    }

    /// The container of that name, if it was made before; else a new one.
    async fn make(&self, owner: &super::Owner, name: &str, attempt: u32, image: ImageInfo) -> (Observed, bool) {
        let same = |o: &&Observed| o.owner.uid == owner.uid && o.name == name && o.attempt == attempt;
        if let Some(old) = self.state().containers.values().find(same) {
            return (old.clone(), false);
        }
        let (id, ip) = self.unique();
        tokio::time::sleep(self.config.start_delay).await;
        let state = RunState::Running { started_at: Timestamp::now() };
        let made = Observed { id: id.clone(), owner: owner.clone(), name: name.to_owned(), attempt, state, ip, image };
        let mut all = self.state();
        *all.starts.entry(format!("{}/{name}/{attempt}", owner.uid)).or_default() += 1;
        all.containers.insert(id, made.clone());
        (made, true)
    }

    /// Ends a container after `delay` if it still runs then.
    fn end_later(&self, id: &str, delay: Duration, code: i32) {
        let (runtime, id) = (self.clone(), id.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            runtime.end(&id, code);
        });
    }

    /// Ends a container that runs, now, as if its process had exited with `code`.
    pub fn end(&self, id: &str, code: i32) {
        let uid = {
            let mut state = self.state();
            let Some(container) = state.containers.get_mut(id) else { return };
            let RunState::Running { started_at } = container.state else { return };
            container.state = RunState::Exited(Exit {
                code,
                oom: false,
                error: String::new(),
                started_at: Some(started_at),
                finished_at: Timestamp::now(),
            });
            container.owner.uid.clone()
        };
        // Nobody listens while the agent is down; it lists when it comes back.
        let _ = self.events.send(RuntimeEvent::Changed { uid, id: id.to_owned() });
    }
}

impl Runtime for SimRuntime {
    fn facts(&self) -> BoxFuture<'_, Result<HostFacts, RuntimeError>> {
        let facts = HostFacts {
            runtime_version: "sim://0.1.0".to_owned(),
            os_image: "Kubus simulation".to_owned(),
            kernel_version: "0.0.0-sim".to_owned(),
            architecture: "amd64".to_owned(),
            cpus: self.config.cpus,
            memory_bytes: self.config.memory_bytes,
            storage_bytes: 100 << 30,
        };
        async move { Ok(facts) }.boxed()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), RuntimeError>> {
        async { Ok(()) }.boxed()
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Listed>, RuntimeError>> {
        let state = self.state();
        let rows = state.containers.values().map(|o| Listed {
            id: o.id.clone(),
            owner: o.owner.clone(),
            name: o.name.clone(),
            running: matches!(o.state, RunState::Running { .. }),
        });
        let rows: Vec<_> = rows.collect();
        async move { Ok(rows) }.boxed()
    }

    fn inspect<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Observed, RuntimeError>> {
        let found = self.state().containers.get(id).cloned();
        async move { found.ok_or_else(|| RuntimeError::NotFound(id.to_owned())) }.boxed()
    }

    fn events(&self) -> BoxStream<'static, RuntimeEvent> {
        let receiver = self.events.subscribe();
        let first = stream::once(std::future::ready(RuntimeEvent::Relist));
        let rest = stream::unfold(receiver, |mut receiver| async move {
            match receiver.recv().await {
                Ok(event) => Some((event, receiver)),
                Err(broadcast::error::RecvError::Lagged(_)) => Some((RuntimeEvent::Relist, receiver)),
                Err(broadcast::error::RecvError::Closed) => None,
            }
        });
        first.chain(rest).boxed()
    }

    fn image<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<Option<ImageInfo>, RuntimeError>> {
        let missing = reference.contains(MISSING_IMAGE);
        let hash = kubus_proto::names::fnv32a(reference.as_bytes());
        let image = ImageInfo {
            id: format!("sha256:{hash:064x}"),
            reference: reference.to_owned(),
            size: 1 << 20,
            ..ImageInfo::default()
        };
        async move { Ok((!missing).then_some(image)) }.boxed()
    }

    fn pull<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<ImageInfo, PullError>> {
        async move {
            match self.image(reference).await {
                Ok(Some(image)) => Ok(image),
                _ => Err(PullError::Refused(format!("manifest for {reference} not found"))),
            }
        }
        .boxed()
    }

    fn start_sandbox<'a>(&'a self, spec: &'a SandboxSpec) -> BoxFuture<'a, Result<SandboxInfo, RuntimeError>> {
        async move {
            let (made, _) = self.make(&spec.owner, SANDBOX, spec.attempt, ImageInfo::default()).await;
            Ok(SandboxInfo { id: made.id, ip: made.ip })
        }
        .boxed()
    }

    fn start_container<'a>(&'a self, spec: &'a ContainerSpec) -> BoxFuture<'a, Result<Observed, StartError>> {
        async move {
            let image = ImageInfo { id: spec.image.clone(), ..ImageInfo::default() };
            let (made, new) = self.make(&spec.owner, &spec.name, spec.attempt, image).await;
            if new && let Program::Ends { after, code } = Program::of(&spec.command, &spec.args) {
                self.end_later(&made.id, after, code);
            }
            Ok(made)
        }
        .boxed()
    }

    fn signal<'a>(&'a self, id: &'a str, signal: &'a str) -> BoxFuture<'a, Result<(), RuntimeError>> {
        match signal {
            "SIGKILL" => self.end_later(id, Duration::ZERO, 137),
            _ => self.end_later(id, self.config.stop_delay, 143),
        }
        async { Ok(()) }.boxed()
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), RuntimeError>> {
        self.end(id, 137);
        self.state().containers.remove(id);
        async { Ok(()) }.boxed()
    }

    fn remove_pod<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<(), RuntimeError>> {
        self.state().containers.retain(|_, o| o.owner.uid != uid);
        async { Ok(()) }.boxed()
    }

    fn logs(&self, id: &str, _query: &LogQuery) -> BoxStream<'static, Result<Output, RuntimeError>> {
        let line = format!("simulated container {id}\n");
        stream::once(async move { Ok(Output::Stdout(line.into())) }).boxed()
    }

    fn exec<'a>(&'a self, _id: &'a str, spec: &'a ExecSpec) -> BoxFuture<'a, Result<Session, RuntimeError>> {
        let (id, _) = self.unique();
        let (session, code) = session::exec(id.clone(), spec);
        self.state().sessions.insert(id, code);
        async move { Ok(session) }.boxed()
    }

    fn attach<'a>(&'a self, id: &'a str, _spec: &'a ExecSpec) -> BoxFuture<'a, Result<Session, RuntimeError>> {
        async move { Ok(session::attach(id)) }.boxed()
    }

    fn resize<'a>(&'a self, _id: &'a SessionId, _w: u16, _h: u16) -> BoxFuture<'a, Result<(), RuntimeError>> {
        async { Ok(()) }.boxed()
    }

    fn exit_code<'a>(&'a self, id: &'a SessionId) -> BoxFuture<'a, Result<Option<i32>, RuntimeError>> {
        let code = match id {
            SessionId::Exec(id) => self.state().sessions.remove(id),
            SessionId::Attach(_) => None,
        };
        async move { Ok(code) }.boxed()
    }

    fn abandon<'a>(&'a self, id: &'a SessionId) -> BoxFuture<'a, Result<(), RuntimeError>> {
        async move { self.exit_code(id).await.map(drop) }.boxed()
    }

    fn dial<'a>(
        &'a self,
        _sandbox: &'a SandboxInfo,
        _port: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Connection>, DialError>> {
        async { Ok(session::dial()) }.boxed()
    }
}
