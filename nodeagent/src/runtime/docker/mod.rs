//! Containers through Docker's Engine API.

use super::{
    Connection, ContainerSpec, DialError, ExecSpec, HostFacts, ImageInfo, Listed, LogQuery, Observed, Output,
    PullError, Runtime, RuntimeError, RuntimeEvent, SandboxInfo, SandboxSpec, Session, SessionId, StartError,
};
use bollard::Docker;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use std::path::{Path, PathBuf};

mod body;
mod dial;
mod engine_events;
mod hijack;
mod host;
mod images;
mod lifecycle;
mod listing;
pub mod oom;
pub mod pause;
mod process;
mod purge;
mod session;

pub use purge::{halt, purge};

/// How long one request to the engine may take until its answer begins, in seconds.
const REQUEST_TIMEOUT_S: u64 = 120;
/// Where Docker listens unless it is told otherwise.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// Docker for one node of one cluster. Clones share the connection.
#[derive(Clone)]
pub struct DockerRuntime {
    docker: Docker,
    cluster: String,
    node: String,
    data_dir: PathBuf,
    /// The lowest out-of-memory score its containers may have.
    oom_floor: i64,
    /// Where the engine listens, if that is a socket of this host.
    socket: Option<PathBuf>,
}

/// Turns what bollard says into what the agent understands; `id` is what was asked about.
fn failure(id: &str, error: bollard::errors::Error) -> RuntimeError {
    use bollard::errors::Error;
    match error {
        Error::DockerResponseServerError { status_code: 404, .. } => RuntimeError::NotFound(id.to_owned()),
        Error::DockerResponseServerError { message, .. } => RuntimeError::Refused(message),
        Error::DockerStreamError { error } => RuntimeError::Refused(error),
        other => RuntimeError::Unreachable(other.to_string()),
    }
}

/// Connects to the engine behind `socket` (a path; Docker's default if `None`) in a version it speaks.
pub async fn connect(socket: Option<&Path>) -> Result<Docker, RuntimeError> {
    let docker = match socket {
        Some(path) => {
            Docker::connect_with_unix(&path.display().to_string(), REQUEST_TIMEOUT_S, bollard::API_DEFAULT_VERSION)
        }
        None => Docker::connect_with_local_defaults(),
    };
    let docker = docker.map_err(|e| failure("engine", e))?;
    docker.negotiate_version().await.map_err(|e| failure("engine", e))
}

/// The socket of Docker's default engine; none where that is reached over the network.
fn default_socket() -> Option<PathBuf> {
    match std::env::var("DOCKER_HOST") {
        Ok(host) if !host.is_empty() => host.strip_prefix("unix://").map(PathBuf::from),
        _ => Some(PathBuf::from(DEFAULT_SOCKET)),
    }
}

impl DockerRuntime {
    /// For the containers of `node` in `cluster` on `docker`; `data_dir` is on the file system whose size the node tells.
    pub fn new(docker: Docker, cluster: &str, node: &str, data_dir: &Path) -> Self {
        Self {
            docker,
            cluster: cluster.to_owned(),
            node: node.to_owned(),
            data_dir: data_dir.to_owned(),
            oom_floor: i64::MIN,
            socket: default_socket(),
        }
    }

    /// With the socket that the engine was connected to, where it is not Docker's default.
    pub fn with_socket(self, socket: Option<&Path>) -> Self {
        let socket = socket.map_or_else(default_socket, |path| Some(path.to_owned()));
        Self { socket, ..self }
    }

    /// With a lowest out-of-memory score, see [`oom::floor`].
    pub fn with_oom_floor(self, oom_floor: i64) -> Self {
        Self { oom_floor, ..self }
    }

    /// Makes the image of sandboxes if the engine does not have it. Needs no registry.
    pub async fn prepare(&self) -> Result<(), RuntimeError> {
        images::make_pause(&self.docker).await
    }
}

impl Runtime for DockerRuntime {
    fn facts(&self) -> BoxFuture<'_, Result<HostFacts, RuntimeError>> {
        host::facts(&self.docker, &self.data_dir).boxed()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), RuntimeError>> {
        async move { self.docker.ping().await.map(drop).map_err(|e| failure("engine", e)) }.boxed()
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Listed>, RuntimeError>> {
        listing::list(self).boxed()
    }

    fn inspect<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Observed, RuntimeError>> {
        listing::inspect(&self.docker, id).boxed()
    }

    fn events(&self) -> BoxStream<'static, RuntimeEvent> {
        engine_events::events(self.clone()).boxed()
    }

    fn image<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<Option<ImageInfo>, RuntimeError>> {
        images::find(&self.docker, reference).boxed()
    }

    fn pull<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<ImageInfo, PullError>> {
        images::pull(&self.docker, reference).boxed()
    }

    fn start_sandbox<'a>(&'a self, spec: &'a SandboxSpec) -> BoxFuture<'a, Result<SandboxInfo, RuntimeError>> {
        lifecycle::start_sandbox(self, spec).boxed()
    }

    fn start_container<'a>(&'a self, spec: &'a ContainerSpec) -> BoxFuture<'a, Result<Observed, StartError>> {
        lifecycle::start_container(self, spec).boxed()
    }

    fn signal<'a>(&'a self, id: &'a str, signal: &'a str) -> BoxFuture<'a, Result<(), RuntimeError>> {
        lifecycle::signal(&self.docker, id, signal).boxed()
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), RuntimeError>> {
        lifecycle::remove(&self.docker, id).boxed()
    }

    fn remove_pod<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<(), RuntimeError>> {
        lifecycle::remove_pod(self, uid).boxed()
    }

    fn logs(&self, id: &str, query: &LogQuery) -> BoxStream<'static, Result<Output, RuntimeError>> {
        session::logs(self, id, query)
    }

    fn exec<'a>(&'a self, id: &'a str, spec: &'a ExecSpec) -> BoxFuture<'a, Result<Session, RuntimeError>> {
        session::exec(self, id, spec).boxed()
    }

    fn attach<'a>(&'a self, id: &'a str, spec: &'a ExecSpec) -> BoxFuture<'a, Result<Session, RuntimeError>> {
        session::attach(self, id, spec).boxed()
    }

    fn resize<'a>(&'a self, id: &'a SessionId, width: u16, height: u16) -> BoxFuture<'a, Result<(), RuntimeError>> {
        session::resize(&self.docker, id, width, height).boxed()
    }

    fn exit_code<'a>(&'a self, id: &'a SessionId) -> BoxFuture<'a, Result<Option<i32>, RuntimeError>> {
        session::exit_code(&self.docker, id).boxed()
    }

    fn abandon<'a>(&'a self, id: &'a SessionId) -> BoxFuture<'a, Result<(), RuntimeError>> {
        session::abandon(&self.docker, id).boxed()
    }

    fn dial<'a>(
        &'a self,
        sandbox: &'a SandboxInfo,
        port: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Connection>, DialError>> {
        dial::dial(&self.docker, sandbox, port).boxed()
    }
}
