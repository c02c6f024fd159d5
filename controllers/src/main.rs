//! `kubus-controllers`: deployments, replica sets, nodes, namespaces and what is left over, over the bus.

use anyhow::Context;
use clap::Parser;
use kubus_client::election::{ElectionConfig, LEASE_MS, RENEW_MS};
use kubus_client::{Bus, Credentials, election, heartbeat};
use kubus_controllers::api::BusApi;
use kubus_controllers::certificates::signer::Signer;
use kubus_controllers::executor::Executor;
use kubus_controllers::informer::{Caches, watch};
use kubus_controllers::recorder::{Recorder, write_events};
use kubus_controllers::run::Runtime;
use kubus_controllers::settings::Settings;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tracing_subscriber::EnvFilter;

/// Name of the Lease that the replicas compete for.
const LEASE: &str = "kube-controller-manager";

/// Kubus' controllers. Several replicas may run; one is active.
#[derive(Debug, Parser)]
#[command(name = "kubus-controllers", version)]
struct Arguments {
    /// Credentials file of this replica's identity
    #[arg(long)]
    credentials: PathBuf,
    /// How long a node may be silent before it is called NotReady, in milliseconds
    #[arg(long, default_value_t = 10_000)]
    node_grace_ms: u64,
    /// How long a bad node is left alone before its pods may be evicted, in milliseconds
    #[arg(long, default_value_t = 1_000)]
    node_settle_ms: u64,
    /// Nodes of a zone whose pods are evicted, per second
    #[arg(long, default_value_t = 0.1)]
    node_eviction_rate: f64,
    /// The same while most nodes of a large zone are bad
    #[arg(long, default_value_t = 0.01)]
    secondary_node_eviction_rate: f64,
    /// How long a node must be gone before its pods are removed, in milliseconds
    #[arg(long, default_value_t = 5_000)]
    pod_gc_quarantine_ms: u64,
    /// Finished pods that are kept
    #[arg(long, default_value_t = 12_500)]
    terminated_pod_gc_threshold: usize,
    /// Certificate of the authority that signs certificate requests, in PEM
    #[arg(long, value_name = "FILE", requires = "cluster_signing_key_file")]
    cluster_signing_cert_file: Option<PathBuf>,
    /// Its key, in PEM
    #[arg(long, value_name = "FILE", requires = "cluster_signing_cert_file")]
    cluster_signing_key_file: Option<PathBuf>,
    /// How long leadership lasts unrenewed, in milliseconds
    #[arg(long, default_value_t = LEASE_MS)]
    lease_ms: u64,
    /// How often leadership is renewed, in milliseconds
    #[arg(long, default_value_t = RENEW_MS)]
    renew_ms: u64,
}

impl Arguments {
    fn settings(&self, credentials: &Credentials) -> anyhow::Result<Settings> {
        let signer = match (&self.cluster_signing_cert_file, &self.cluster_signing_key_file) {
            (Some(certificate), Some(key)) => {
                let read = |path: &PathBuf| {
                    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
                };
                let signer = Signer::new(&read(certificate)?, &read(key)?);
                Some(Arc::new(signer.with_context(|| format!("cannot use {}", key.display()))?))
            }
            _ => None,
        };
        Ok(Settings {
            signer,
            node_grace: Duration::from_millis(self.node_grace_ms),
            node_settle: Duration::from_millis(self.node_settle_ms),
            eviction_rate: self.node_eviction_rate,
            secondary_eviction_rate: self.secondary_node_eviction_rate,
            pod_gc_quarantine: Duration::from_millis(self.pod_gc_quarantine_ms),
            terminated_pod_threshold: self.terminated_pod_gc_threshold,
            authority: credentials.certificate_authority.clone(),
            ..Settings::default()
        })
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_env("KUBUS_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
    let arguments = Arguments::parse();
    let credentials = Credentials::load(&arguments.credentials)?;
    let bus = Bus::connect_patiently(&credentials).await;
    kubus_client::metrics::tell(&bus);
    let started = Instant::now();
    let config = ElectionConfig {
        lease_ms: arguments.lease_ms,
        renew_ms: arguments.renew_ms,
        ..ElectionConfig::new(LEASE, bus.identity())
    };
    // Heard from the beginning, so that a standby already knows the nodes when it takes over.
    let heartbeats = heartbeat::subscribe(&bus).await.context("cannot listen to heartbeats")?;
    let election = election::start(&bus, config);
    let (recorder, events) = Recorder::new();
    let clock = Arc::new(move || started.elapsed());
    let executor = Executor::new(BusApi::new(bus.clone()), election.leads(), recorder, clock);
    let caches = Arc::new(Caches::default());
    let runtime = Runtime::new(caches.clone(), executor, election.leads(), arguments.settings(&credentials)?);
    let mut tasks = JoinSet::new();
    tasks.spawn(write_events(Arc::new(BusApi::new(bus.clone())), events));
    watch::spawn_all(&mut tasks, &bus.kube(), &caches, &runtime);
    tasks.spawn(runtime.clone().hear(heartbeats));
    tracing::info!(identity = bus.identity(), "controllers are up");
    let ended = tokio::select! {
        () = runtime.run() => Err(anyhow::anyhow!("the election has ended")),
        () = stopped() => Ok(()),
    };
    // Nothing acts any more; then the lease is given up, so that a standby need not wait for it to run out.
    tasks.shutdown().await;
    election.resign().await;
    ended
}

/// Resolves on SIGINT or SIGTERM.
async fn stopped() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
