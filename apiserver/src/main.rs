//! `kubus-apiserver`: one replica of the API server.

use anyhow::Context;
use clap::Parser;
use kubus_apiserver::authenticate::jws::SigningKey;
use kubus_apiserver::authenticate::tokens::Tokens;
use kubus_apiserver::pipeline::Api;
use kubus_apiserver::raft::{RaftOptions, Replica};
use kubus_apiserver::server::{BusStreams, Server};
use kubus_apiserver::store::Consensus;
use kubus_apiserver::{bootstrap, custom, quota_status};
use kubus_client::{Bus, Credentials, metrics};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// What is logged where `KUBUS_LOG` does not say: Raft tells every vote and message at `info`.
const LOG_FILTER: &str = "info,openraft=warn";

/// The API server of a Kubus cluster, one replica of several.
#[derive(Debug, Parser)]
#[command(name = "kubus-apiserver", version)]
struct Arguments {
    /// File that lets this replica onto the bus.
    #[arg(long, value_name = "FILE")]
    credentials: PathBuf,
    /// Raft id of this replica, never used by another one before.
    #[arg(long)]
    id: u64,
    /// Raft ids of all replicas of a new cluster; an existing one knows its own.
    #[arg(long, value_delimiter = ',', required = true)]
    members: Vec<u64>,
    /// Key that signs the tokens of service accounts (ECDSA P-256, PKCS#8, PEM), the same for all replicas. Without it
    /// tokens are good for this replica alone, and until it ends.
    #[arg(long, value_name = "FILE")]
    service_account_key: Option<PathBuf>,
    /// Folder for everything this replica keeps.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_env("KUBUS_LOG").unwrap_or_else(|_| EnvFilter::new(LOG_FILTER));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
    let arguments = Arguments::parse();
    let credentials = Credentials::load(&arguments.credentials)?;
    tracing::info!(id = arguments.id, members = ?arguments.members, version = kubus_proto::VERSION, "starting");
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let bus = tokio::select! {
        bus = Bus::connect_patiently(&credentials) => bus,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let nats = bus.nats().clone();

    let options = RaftOptions::new(arguments.id, arguments.members, &arguments.data_dir, nats.clone());
    let replica = Replica::start(options).await.context("cannot start the store")?;
    let store: Arc<dyn Consensus> = replica.clone();
    let mut api = Api::new(store.clone(), Arc::new(BusStreams(nats.clone())));
    if let Some(path) = &arguments.service_account_key {
        let pem = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let key = SigningKey::from_pem(&pem).with_context(|| format!("cannot use {}", path.display()))?;
        api = api.with_tokens(Tokens::new(key, credentials.certificate_authority.clone()));
    }
    let beginnings = tokio::spawn(bootstrap::run(api.clone(), store.leadership()));
    let keeper = tokio::spawn(custom::keeper::run(api.clone(), store.leadership()));
    let counting = tokio::spawn(quota_status::run(api.clone(), store.leadership()));
    let stop = CancellationToken::new();
    let mut registry = metrics::registry();
    let mut serving = tokio::spawn({
        let server = Server::new(nats.clone(), api, &mut registry);
        let (leadership, stop) = (store.leadership(), stop.clone());
        async move { server.serve(leadership, stop).await }
    });
    let measured = tokio::spawn(metrics::serve(bus.clone(), Arc::new(registry)));

    let failure = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        reason = replica.failed() => Some(format!("the store cannot go on: {reason}")),
        ended = &mut serving => Some(format!("the server ended: {ended:?}")),
    };
    tracing::info!("stopping");
    beginnings.abort();
    keeper.abort();
    counting.abort();
    measured.abort();
    stop.cancel();
    if let Some(failure) = failure {
        replica.stop().await;
        anyhow::bail!(failure);
    }
    // What has begun is ended while the store still stands; then another replica is asked to lead.
    serving.await.context("the server failed")?;
    replica.shutdown().await;
    // Answers may still be on their way out.
    nats.flush().await.context("cannot send the last answers")
}
