//! One node's agent: its node object, its signs of life, its pods.

use crate::api::NodeApi;
use crate::node::heart;
use crate::node::object::{Health, NodeFacts};
use crate::node::register;
use crate::pod::context::{Context, NodeContext, STARTS_IN_FLIGHT};
use crate::runtime::{Runtime, RuntimeError};
use crate::sync::{self, Pods};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long starts that are under way may take to be over.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the last heartbeat may take.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);

/// What an agent is told about its node.
#[derive(Clone, Debug, Default)]
pub struct AgentConfig {
    /// Node's name.
    pub node: String,
    /// Node's address.
    pub node_ip: String,
    /// Labels to give the node.
    pub labels: BTreeMap<String, String>,
    /// Pods it takes.
    pub max_pods: u32,
    /// Where pods' files are, absolute.
    pub data_dir: PathBuf,
    /// CPUs to report instead of the host's.
    pub cpus: Option<i64>,
    /// Memory to report instead of the host's, in bytes.
    pub memory_bytes: Option<i64>,
}

/// A running agent. Dropping it ends it as if it was killed: containers run on.
pub struct Agent {
    context: Arc<Context>,
    pods: Pods,
    tasks: JoinSet<()>,
    leaving: watch::Sender<bool>,
    heart: tokio::task::JoinHandle<()>,
}

impl Agent {
    /// Starts the agent. Fails when the runtime does not tell what its host is.
    pub async fn start(
        config: AgentConfig,
        runtime: Arc<dyn Runtime>,
        api: Arc<dyn NodeApi>,
    ) -> Result<Self, RuntimeError> {
        let mut host = runtime.facts().await?;
        host.cpus = config.cpus.unwrap_or(host.cpus);
        host.memory_bytes = config.memory_bytes.unwrap_or(host.memory_bytes);
        let node = NodeContext {
            name: config.node.clone(),
            host_ip: config.node_ip.clone(),
            cpu_milli: host.cpus * 1_000,
            memory_bytes: host.memory_bytes,
            data_dir: config.data_dir,
        };
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let facts = NodeFacts {
            name: config.node.clone(),
            ip: config.node_ip,
            labels: config.labels,
            max_pods: config.max_pods,
            host,
            machine_id: read("/etc/machine-id"),
            boot_id: read("/proc/sys/kernel/random/boot_id"),
        };
        let context = Arc::new(Context::new(runtime.clone(), api.clone(), node));
        let (health_sender, health) = watch::channel(Health { ready: true, message: String::new() });
        let (leaving, left) = watch::channel(false);
        let pods = Pods::default();
        let heart = tokio::spawn(heart::beat(api.clone(), config.node, health.clone(), left));
        let mut tasks = JoinSet::new();
        tasks.spawn(heart::check(runtime, health_sender));
        tasks.spawn(register::keep(api, facts, health, context.recorder.clone()));
        tasks.spawn(sync::run(context.clone(), pods.clone()));
        Ok(Self { context, pods, tasks, leaving, heart })
    }

    /// What its pods share.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Its pods.
    pub fn pods(&self) -> &Pods {
        &self.pods
    }

    /// Says goodbye and ends. Containers run on; the next agent of the node takes them over.
    pub async fn leave(mut self) {
        // The heart listens as long as the agent lives.
        let _ = self.leaving.send(true);
        if tokio::time::timeout(LEAVE_TIMEOUT, &mut self.heart).await.is_err() {
            tracing::warn!("the last heartbeat could not be sent");
        }
        // Who holds every permit knows that the engine is not making a container that whoever cleans up after us would
        // not see yet.
        let all = u32::try_from(STARTS_IN_FLIGHT).unwrap_or(u32::MAX);
        let _settled = tokio::time::timeout(SETTLE_TIMEOUT, self.context.starts.acquire_many(all)).await;
        self.pods.close();
        self.tasks.shutdown().await;
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.heart.abort();
        self.pods.close();
    }
}
