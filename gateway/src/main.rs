//! `kubus-gateway`: one process that speaks HTTPS on one side and the bus on the other.
#![forbid(unsafe_code)]

use anyhow::Context;
use clap::Parser;
use kubus_client::{Bus, Credentials, metrics};
use kubus_gateway::tls::serving::{Serving, ServingFiles};
use kubus_gateway::{Gateway, listen, tls};
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// How long a serving certificate is good for where nothing else is said, in seconds: a year.
const CERTIFICATE_LIFE_S: u64 = 365 * 24 * 3_600;

/// The gateway of a Kubus cluster: HTTPS for kubectl, helm and client libraries.
#[derive(Debug, Parser)]
#[command(name = "kubus-gateway", version)]
struct Arguments {
    /// File that lets this gateway onto the bus.
    #[arg(long, value_name = "FILE")]
    credentials: PathBuf,
    /// Address and port to serve on; may be given several times.
    #[arg(long, value_name = "ADDRESS:PORT", required = true)]
    listen: Vec<SocketAddr>,
    /// Certificate of the cluster's authority: clients that show one of its certificates are known.
    #[arg(long, value_name = "FILE")]
    authority: PathBuf,
    /// Key of the authority: this gateway makes and renews its own certificate with it.
    #[arg(long, value_name = "FILE")]
    authority_key: PathBuf,
    /// This gateway's certificate; made where there is none. Read again whenever it changes.
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// Its key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// More names and addresses that clients may use for this gateway.
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,
    /// How long a certificate it makes is good for, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = CERTIFICATE_LIFE_S)]
    certificate_life_s: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_env("KUBUS_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
    let arguments = Arguments::parse();
    let credentials = Credentials::load(&arguments.credentials)?;
    tracing::info!(identity = credentials.identity, version = kubus_proto::VERSION, "starting");
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let stop = CancellationToken::new();

    let files = ServingFiles {
        certificate: arguments.certificate,
        key: arguments.key,
        authority: arguments.authority,
        authority_key: arguments.authority_key,
        names: arguments.name,
        life_s: arguments.certificate_life_s,
    };
    let serving = Arc::new(Serving::start(files).context("cannot get a serving certificate")?);
    let tls = tls::configuration(&serving).context("cannot set TLS up")?;
    let mut sockets = Vec::new();
    for address in arguments.listen {
        sockets.push(listen::bind(address).await.with_context(|| format!("cannot listen on {address}"))?);
        tracing::info!(%address, "listening");
    }
    let gateway = Gateway::new(stop.clone()).showing(serving.clone());
    tokio::spawn(serving.clone().watch(stop.clone()));
    let connecting = tokio::spawn({
        let gateway = gateway.clone();
        async move {
            let bus = Bus::connect_patiently(&credentials).await;
            gateway.connected(bus.clone());
            metrics::serve(bus, gateway.metrics().registry()).await;
        }
    });
    let mut serving = tokio::spawn(listen::serve(sockets, tls, gateway));
    let failure = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        ended = &mut serving => Some(format!("the server ended: {ended:?}")),
    };
    tracing::info!("stopping");
    connecting.abort();
    stop.cancel();
    match failure {
        Some(failure) => anyhow::bail!(failure),
        None => serving.await.context("the server failed"),
    }
}
