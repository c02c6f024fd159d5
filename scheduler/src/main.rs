//! `kubus-scheduler`: one replica of the scheduler.

use anyhow::Context;
use clap::Parser;
use kubus_client::election::{self, ElectionConfig};
use kubus_client::{Bus, Credentials};
use kubus_scheduler::cluster::BusCluster;
use kubus_scheduler::executor::{Executor, INPUT_LIMIT};
use kubus_scheduler::watch;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::pin::pin;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing_subscriber::EnvFilter;

/// The Lease that the active replica holds.
const LEASE: &str = "kube-scheduler";

/// Finds a node for each pod that has none.
#[derive(Parser)]
#[command(name = "kubus-scheduler", version = kubus_proto::VERSION)]
struct Arguments {
    /// File that lets this process onto the bus.
    #[arg(long, value_name = "FILE")]
    credentials: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("KUBUS_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
    let credentials = Credentials::load(&arguments.credentials)?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut told_to_end = pin!(async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    });
    let bus = tokio::select! {
        bus = Bus::connect_patiently(&credentials) => bus,
        () = &mut told_to_end => return Ok(()),
    };
    tracing::info!(identity = bus.identity(), version = kubus_proto::VERSION, "on the bus");
    kubus_client::metrics::tell(&bus);
    let election = election::start(&bus, ElectionConfig::new(LEASE, bus.identity()));
    let (sender, inputs) = mpsc::channel(INPUT_LIMIT);
    tokio::spawn(watch::nodes(bus.kube(), sender.clone()));
    tokio::spawn(watch::pods(bus.kube(), sender));
    let instance = bus.identity().to_owned();
    let ended = tokio::select! {
        ended = Executor::new(BusCluster::new(bus), &instance, inputs, election.leads()).run() => {
            ended.context("the scheduler cannot go on")
        }
        () = told_to_end => Ok(()),
    };
    // The executor is gone by now, so that nothing is bound any more when another takes over.
    election.resign().await;
    ended
}
