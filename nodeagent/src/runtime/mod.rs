//! What the agent asks of a container runtime. Docker and the simulation are the two implementations.

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use jiff::Timestamp;
use std::collections::BTreeMap;
use tokio::io::{AsyncRead, AsyncWrite};

pub mod docker;
pub mod sim;

/// Labels that tell whose a container is.
pub mod label {
    /// Pod's name.
    pub const POD_NAME: &str = "io.kubernetes.pod.name";
    /// Pod's namespace.
    pub const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
    /// Pod's uid.
    pub const POD_UID: &str = "io.kubernetes.pod.uid";
    /// Container's name in the pod, `POD` for the sandbox.
    pub const CONTAINER_NAME: &str = "io.kubernetes.container.name";
    /// How often the container (or sandbox) was started before.
    pub const RESTART_COUNT: &str = "annotation.io.kubernetes.container.restartCount";
    /// Hash of the container's part of the pod's spec.
    pub const HASH: &str = "annotation.io.kubernetes.container.hash";
    /// Seconds a stopping container gets when its pod is not known any more.
    pub const GRACE_PERIOD: &str = "annotation.io.kubernetes.pod.terminationGracePeriod";
    /// Cluster the container belongs to.
    pub const CLUSTER: &str = "kubus.cluster";
    /// Node the container belongs to; several share an engine in development.
    pub const NODE: &str = "kubus.node";
}

/// Name of the sandbox where a container's name is expected.
pub const SANDBOX: &str = "POD";

/// A runtime did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// The engine does not answer.
    #[error("cannot reach the container engine: {0}")]
    Unreachable(String),
    /// There is no such container.
    #[error("No such container: {0}")]
    NotFound(String),
    /// The engine refuses.
    #[error("Error response from daemon: {0}")]
    Refused(String),
}

/// An image could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PullError {
    /// Its registry cannot be reached at all, so it is unknown whether it has the image.
    #[error("{0}")]
    RegistryUnreachable(String),
    /// The registry or the engine says no.
    #[error("{0}")]
    Refused(String),
}

/// Why a container does not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// It could not be made; nothing is left of it.
    #[error("{0}")]
    Create(RuntimeError),
    /// It was made and its process could not be started; it is left as `id`.
    #[error("failed to start container {name:?}: {error}")]
    Start {
        /// Container's id.
        id: String,
        /// Container's name in the pod.
        name: String,
        /// What the engine said.
        error: RuntimeError,
        /// Exit code the engine gave it.
        exit_code: i32,
    },
}

/// A port of a pod cannot be connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DialError(pub String);

/// The runtime and the host it runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// `docker://20.10.24`.
    pub runtime_version: String,
    /// `Debian GNU/Linux 12 (bookworm)`.
    pub os_image: String,
    /// `6.1.0`.
    pub kernel_version: String,
    /// Kubernetes' name of it: `amd64`, `arm64`.
    pub architecture: String,
    /// Logical processors.
    pub cpus: i64,
    /// Memory in bytes.
    pub memory_bytes: i64,
    /// Size of the file system that holds containers, in bytes.
    pub storage_bytes: i64,
}

/// An image that is on this host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageInfo {
    /// `sha256:…`.
    pub id: String,
    /// `nginx@sha256:…` where a registry gave one.
    pub digest: Option<String>,
    /// Name with tag as the runtime knows it.
    pub reference: String,
    /// Bytes.
    pub size: i64,
    /// What a stopping container gets, `SIGTERM` if empty.
    pub stop_signal: String,
    /// User the image sets.
    pub user: String,
}

impl ImageInfo {
    /// `imageID` of a container's status.
    pub fn image_id(&self) -> String {
        match &self.digest {
            Some(digest) => format!("docker-pullable://{digest}"),
            None => format!("docker://{}", self.id),
        }
    }
}

/// A port of the pod that is bound on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Port in the pod.
    pub container_port: u16,
    /// Port on the host.
    pub host_port: u16,
    /// `tcp`, `udp`, `sctp`.
    pub protocol: String,
    /// Address on the host, empty for all.
    pub host_ip: String,
}

/// Whom a container belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// Pod's namespace.
    pub namespace: String,
    /// Pod's name.
    pub pod: String,
    /// Pod's uid.
    pub uid: String,
    /// Seconds a stopping container gets.
    pub grace_seconds: i64,
}

/// The container that holds a pod's namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxSpec {
    /// Whose it is.
    pub owner: Owner,
    /// Counts up from 0 with each new sandbox of the pod.
    pub attempt: u32,
    /// Host name of the pod.
    pub hostname: String,
    /// The host's own network instead of one of its own.
    pub host_network: bool,
    /// The host's IPC instead of one of its own.
    pub host_ipc: bool,
    /// Ports to bind on the host.
    pub ports: Vec<HostPort>,
    /// `name:address` lines for `/etc/hosts`.
    pub extra_hosts: Vec<String>,
    /// Name servers, empty for the engine's.
    pub dns_servers: Vec<String>,
    /// Search domains.
    pub dns_search: Vec<String>,
    /// Resolver options.
    pub dns_options: Vec<String>,
    /// Kernel parameters of the namespaces.
    pub sysctls: BTreeMap<String, String>,
}

/// A directory or file of the host in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindMount {
    /// Path on the host.
    pub source: String,
    /// Path in the container.
    pub target: String,
    /// Not writable in the container.
    pub read_only: bool,
    /// `rprivate`, `rslave`, `rshared`.
    pub propagation: &'static str,
}

/// Limits of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Weight among others, 0 for the engine's default.
    pub cpu_shares: i64,
    /// CPU time per period in microseconds, 0 for no limit.
    pub cpu_quota_us: i64,
    /// Period in microseconds.
    pub cpu_period_us: i64,
    /// Bytes, 0 for no limit.
    pub memory_bytes: i64,
    /// How gladly the kernel kills it, −1000…1000.
    pub oom_score_adj: i64,
}

/// An app or init container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerSpec {
    /// Whose it is.
    pub owner: Owner,
    /// Container's name in the pod.
    pub name: String,
    /// Counts up from 0 with each start.
    pub attempt: u32,
    /// Sandbox to join.
    pub sandbox_id: String,
    /// Hash of its part of the pod's spec.
    pub hash: String,
    /// Image's id.
    pub image: String,
    /// Entrypoint; the image's if empty.
    pub command: Vec<String>,
    /// Arguments; the image's if both are empty.
    pub args: Vec<String>,
    /// Working directory; the image's if empty.
    pub working_dir: String,
    /// Variables in order.
    pub env: Vec<(String, String)>,
    /// Bind mounts.
    pub mounts: Vec<BindMount>,
    /// In-memory file systems: target and options.
    pub tmpfs: BTreeMap<String, String>,
    /// Limits.
    pub limits: Limits,
    /// `uid[:gid]`; the image's if empty.
    pub user: String,
    /// Further groups.
    pub groups: Vec<String>,
    /// Everything allowed.
    pub privileged: bool,
    /// Root file system not writable.
    pub read_only: bool,
    /// Capabilities to add.
    pub cap_add: Vec<String>,
    /// Capabilities to drop.
    pub cap_drop: Vec<String>,
    /// `no-new-privileges`, seccomp and the like.
    pub security_options: Vec<String>,
    /// Shares the host's processes.
    pub host_pid: bool,
    /// Shares the sandbox's processes.
    pub share_processes: bool,
    /// Keeps its input open.
    pub stdin: bool,
    /// Closes its input after the first client.
    pub stdin_once: bool,
    /// On a terminal.
    pub tty: bool,
}

/// A sandbox that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxInfo {
    /// Container id.
    pub id: String,
    /// Its address, empty on the host's network.
    pub ip: String,
}

/// What a container is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Made, never started.
    Created,
    /// Runs.
    Running {
        /// Since when.
        started_at: Timestamp,
    },
    /// Does not run any more.
    Exited(Exit),
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Exit code; 128 + signal for a signal.
    pub code: i32,
    /// The kernel killed it for want of memory.
    pub oom: bool,
    /// What the engine says of a process that could not be started.
    pub error: String,
    /// Since when it ran.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Timestamp,
}

/// A container as the runtime sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Container id.
    pub id: String,
    /// Whose it is.
    pub owner: Owner,
    /// Container's name in the pod, [`SANDBOX`] for the sandbox.
    pub name: String,
    /// How often it was started before.
    pub attempt: u32,
    /// What it does.
    pub state: RunState,
    /// Address, of a sandbox.
    pub ip: String,
    /// Its image.
    pub image: ImageInfo,
}

/// A container without its details, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Container id.
    pub id: String,
    /// Whose it is.
    pub owner: Owner,
    /// Container's name in the pod, [`SANDBOX`] for the sandbox.
    pub name: String,
    /// Whether it runs.
    pub running: bool,
}

/// News of the runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeEvent {
    /// A container of that pod ended or vanished.
    Changed {
        /// Pod's uid.
        uid: String,
        /// Container id.
        id: String,
    },
    /// Events may have been missed: list again.
    Relist,
}

/// Which log lines are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Go on with lines written later, until the container ends.
    pub follow: bool,
    /// Only the last lines.
    pub tail_lines: Option<u64>,
    /// Only what was written at or after this moment.
    pub since: Option<Timestamp>,
    /// A time before each line.
    pub timestamps: bool,
    /// The container is on a terminal.
    pub tty: bool,
}

/// Output of a container or process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard output, or a terminal's.
    Stdout(Bytes),
    /// Standard error.
    Stderr(Bytes),
}

/// A process to run in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecSpec {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Its input is sent.
    pub stdin: bool,
    /// Its output is wanted.
    pub stdout: bool,
    /// Its errors are wanted.
    pub stderr: bool,
    /// On a terminal.
    pub tty: bool,
}

/// A process, or a container's main one, with its ends in our hands. Dropping `output` closes the connection.
pub struct Session {
    /// Names it for [`Runtime::resize`] and [`Runtime::exit_code`].
    pub id: SessionId,
    /// What it says; read only as fast as it is taken.
    pub output: BoxStream<'static, Result<Output, RuntimeError>>,
    /// What it is told; shutting it down is end of file.
    pub input: std::pin::Pin<Box<dyn AsyncWrite + Send>>,
}

/// A connection of bytes; shutting it down is end of file.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Names a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionId {
    /// A process started in a container.
    Exec(String),
    /// A container's main process.
    Attach(String),
}

/// A container runtime. Every call is safe to repeat.
pub trait Runtime: Send + Sync + 'static {
    /// What it and the host are. Fails when the engine does not answer.
    fn facts(&self) -> BoxFuture<'_, Result<HostFacts, RuntimeError>>;
    /// Says that the engine answers.
    fn ping(&self) -> BoxFuture<'_, Result<(), RuntimeError>>;
    /// Every container of this node.
    fn list(&self) -> BoxFuture<'_, Result<Vec<Listed>, RuntimeError>>;
    /// One container in full.
    fn inspect<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Observed, RuntimeError>>;
    /// News, for ever; begins with a [`RuntimeEvent::Relist`] once it listens.
    fn events(&self) -> BoxStream<'static, RuntimeEvent>;
    /// The image, if it is on this host.
    fn image<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<Option<ImageInfo>, RuntimeError>>;
    /// Fetches the image.
    fn pull<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<ImageInfo, PullError>>;
    /// Makes and starts a sandbox; one that is there already is taken.
    fn start_sandbox<'a>(&'a self, spec: &'a SandboxSpec) -> BoxFuture<'a, Result<SandboxInfo, RuntimeError>>;
    /// Makes and starts a container; one of the same attempt that was started already is taken, whatever became of it.
    fn start_container<'a>(&'a self, spec: &'a ContainerSpec) -> BoxFuture<'a, Result<Observed, StartError>>;
    /// Sends a signal (`SIGTERM`, `SIGKILL`); one that does not run is fine.
    fn signal<'a>(&'a self, id: &'a str, signal: &'a str) -> BoxFuture<'a, Result<(), RuntimeError>>;
    /// Kills and removes a container; one that is not there is fine.
    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), RuntimeError>>;
    /// Kills and removes every container of a pod, the sandbox last.
    fn remove_pod<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<(), RuntimeError>>;
    /// Log lines of a container.
    fn logs(&self, id: &str, query: &LogQuery) -> BoxStream<'static, Result<Output, RuntimeError>>;
    /// Runs a process in a container.
    fn exec<'a>(&'a self, id: &'a str, spec: &'a ExecSpec) -> BoxFuture<'a, Result<Session, RuntimeError>>;
    /// Attaches to a container's main process.
    fn attach<'a>(&'a self, id: &'a str, spec: &'a ExecSpec) -> BoxFuture<'a, Result<Session, RuntimeError>>;
    /// Sets the size of a session's terminal.
    fn resize<'a>(&'a self, id: &'a SessionId, width: u16, height: u16) -> BoxFuture<'a, Result<(), RuntimeError>>;
    /// Exit code of a session whose output has ended. Every session is asked for it or abandoned, once.
    fn exit_code<'a>(&'a self, id: &'a SessionId) -> BoxFuture<'a, Result<Option<i32>, RuntimeError>>;
    /// Ends the process that a session started, whose client has left. A container's own process goes on.
    fn abandon<'a>(&'a self, id: &'a SessionId) -> BoxFuture<'a, Result<(), RuntimeError>>;
    /// Connects to a port in a pod's network, as seen from inside the pod where the runtime can get there.
    fn dial<'a>(&'a self, sandbox: &'a SandboxInfo, port: u16)
    -> BoxFuture<'a, Result<Box<dyn Connection>, DialError>>;
}
