//! The program `kubus-nodeagent`.

use anyhow::{Context as _, bail, ensure};
use clap::Parser;
use kubus_client::{Bus, Credentials};
use kubus_nodeagent::agent::{Agent, AgentConfig};
use kubus_nodeagent::api::KubeApi;
use kubus_nodeagent::config::{Arguments, RuntimeKind, host_address};
use kubus_nodeagent::runtime::Runtime;
use kubus_nodeagent::runtime::docker::{self, DockerRuntime};
use kubus_nodeagent::runtime::sim::{SimConfig, SimRuntime};
use kubus_nodeagent::streams;
use kubus_nodeagent::upkeep::{self, CommandLine};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Prefix of a node's identity.
const NODE_IDENTITY: &str = "node:";
/// CPUs and memory (bytes) of a simulated node that is not told otherwise.
const SIM_SIZE: (i64, i64) = (8, 32 << 30);
/// Pause before an engine that does not answer is asked again.
const ENGINE_RETRY: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("KUBUS_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let line = CommandLine::parse();
    if let Some(upkeep) = &line.upkeep {
        let count = upkeep::run(upkeep).await?;
        tracing::info!(containers = count, "done");
        return Ok(());
    }
    let arguments = line.agent.context("an agent needs its arguments")?;
    std::fs::create_dir_all(&arguments.data_dir)
        .with_context(|| format!("cannot make the data directory {}", arguments.data_dir.display()))?;
    let data_dir = arguments.data_dir.canonicalize().context("cannot find the data directory")?;
    let all = credentials(&arguments)?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let start = async {
        let mut agents = Vec::new();
        for (seed, credentials) in (0u64..).zip(all) {
            agents.push(start(&arguments, credentials, &data_dir, seed).await?);
        }
        anyhow::Ok(agents)
    };
    let agents = tokio::select! {
        agents = start => agents?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    tracing::info!(nodes = agents.len(), "running");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("leaving; containers run on");
    futures::future::join_all(agents.into_iter().map(Agent::leave)).await;
    Ok(())
}

/// The credentials of every node this process stands for.
fn credentials(arguments: &Arguments) -> anyhow::Result<Vec<Credentials>> {
    let Some(directory) = &arguments.sim_credentials_dir else {
        let file = arguments.credentials.as_deref().context("--credentials is missing")?;
        return Ok(vec![Credentials::load(file)?]);
    };
    ensure!(arguments.runtime == RuntimeKind::Sim, "--sim-credentials-dir needs --runtime sim");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .with_context(|| format!("cannot read {}", directory.display()))?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let credentials = Credentials::load(&file)?;
        if credentials.identity.starts_with(NODE_IDENTITY) {
            all.push(credentials);
        }
    }
    all.truncate(arguments.sim_nodes.unwrap_or(usize::MAX));
    ensure!(!all.is_empty(), "{} holds no credentials of a node", directory.display());
    Ok(all)
}

async fn start(arguments: &Arguments, credentials: Credentials, data_dir: &Path, seed: u64) -> anyhow::Result<Agent> {
    let Some(own) = credentials.identity.strip_prefix(NODE_IDENTITY) else {
        bail!("the credentials are for {:?}, not for a node", credentials.identity);
    };
    let node = arguments.node.clone().unwrap_or_else(|| own.to_owned());
    ensure!(node == own, "the credentials are for the node {own:?}, not for {node:?}");
    let runtime: Arc<dyn Runtime> = match arguments.runtime {
        RuntimeKind::Docker => Arc::new(engine(arguments, &node, data_dir).await),
        RuntimeKind::Sim => Arc::new(SimRuntime::new(SimConfig {
            start_delay: Duration::from_millis(arguments.sim_start_delay_ms),
            stop_delay: Duration::from_millis(arguments.sim_stop_delay_ms),
            seed,
            cpus: SIM_SIZE.0,
            memory_bytes: SIM_SIZE.1,
        })),
    };
    let bus = Bus::connect_patiently(&credentials).await;
    kubus_client::metrics::tell(&bus);
    let config = AgentConfig {
        node: node.clone(),
        node_ip: arguments.node_ip.clone().unwrap_or_else(host_address),
        labels: arguments.label_map(),
        max_pods: arguments.max_pods,
        data_dir: if arguments.sim_credentials_dir.is_some() { data_dir.join(&node) } else { data_dir.to_owned() },
        cpus: arguments.cpus,
        memory_bytes: arguments.memory_bytes,
    };
    let api = Arc::new(KubeApi::new(bus.clone(), &node));
    let agent = Agent::start(config, runtime.clone(), api).await.context("cannot start the agent")?;
    tokio::spawn(streams::serve(bus, node, agent.pods().clone(), runtime));
    Ok(agent)
}

/// The engine, ready to run sandboxes; waits for one that is not up yet.
async fn engine(arguments: &Arguments, node: &str, data_dir: &Path) -> DockerRuntime {
    loop {
        let error = match docker::connect(arguments.docker_socket.as_deref()).await {
            Ok(docker) => {
                let runtime = DockerRuntime::new(docker, &arguments.cluster, node, data_dir)
                    .with_socket(arguments.docker_socket.as_deref())
                    .with_oom_floor(docker::oom::floor(arguments.docker_socket.as_deref()).await);
                match runtime.prepare().await {
                    Ok(()) => return runtime,
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        tracing::warn!(%error, "the Docker engine is not usable, will try again");
        tokio::time::sleep(ENGINE_RETRY).await;
    }
}
