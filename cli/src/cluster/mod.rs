//! `kubus up`, `kubus down` and `kubus node`: the processes of a cluster on this machine.
//!
//! `spec` is what was asked for, `identity`, `nats` and `pki` turn it into configuration (pure but for key generation),
//! `process` starts and stops, `up`, `down` and `node` are the commands.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

mod down;
mod home;
mod identity;
mod kubeconfig;
mod nats;
mod node;
mod pki;
mod process;
mod progress;
mod spec;
mod up;

pub use home::Home;

/// What runs the containers of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// Real containers through Docker's API.
    Docker,
    /// Simulated containers, many nodes in one process.
    Sim,
}

impl Runtime {
    /// As flags and files write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Runtime::Docker => "docker",
            Runtime::Sim => "sim",
        }
    }
}

/// Start a cluster of real processes on this machine, or change the one that runs
#[derive(Args, Clone, Debug, Default)]
pub struct UpArgs {
    /// How many apiservers (1, 3 or 5), each with a bus server of its own; a new cluster has 1
    #[arg(long, value_name = "N")]
    pub control_planes: Option<u8>,
    /// How many nodes; a new cluster has 1
    #[arg(long, value_name = "N")]
    pub nodes: Option<u16>,
    /// What runs containers; a new cluster has docker
    #[arg(long, value_enum)]
    pub runtime: Option<Runtime>,
    /// How many gateways, which serve HTTPS to kubectl and client libraries; a new cluster has 1
    #[arg(long, value_name = "N")]
    pub gateways: Option<u8>,
    /// Port of the first gateway, 0 for any that is free; a new cluster takes 6443, or where that is taken any
    #[arg(long, value_name = "PORT")]
    pub gateway_port: Option<u16>,
    /// How long a silent node is waited for before it counts as lost, in milliseconds
    #[arg(long, value_name = "MS")]
    pub node_grace_ms: Option<u64>,
}

/// Stop every process and remove every container of the cluster
#[derive(Args, Clone, Debug, Default)]
pub struct DownArgs {
    /// Forget the cluster too: data, credentials and logs
    #[arg(long)]
    pub purge: bool,
}

/// Add, remove, stop and start nodes
#[derive(Args, Clone, Debug)]
pub struct NodeArgs {
    /// What to do
    #[command(subcommand)]
    pub command: NodeCommand,
}

/// What can be done with the nodes of the cluster.
#[derive(Subcommand, Clone, Debug)]
pub enum NodeCommand {
    /// List the nodes and their addresses
    List,
    /// Add a node
    Add,
    /// Power a node off: its agent and its containers stop at once
    Stop {
        /// Name of the node
        name: String,
    },
    /// Start a node that was stopped
    Start {
        /// Name of the node
        name: String,
    },
    /// Remove a node, its containers and its credentials
    Delete {
        /// Name of the node
        name: String,
    },
}

/// Runs `kubus up`.
pub async fn run_up(args: UpArgs, home: PathBuf) -> anyhow::Result<()> {
    up::run(args, Home::at(home)).await
}

/// Runs `kubus down`.
pub async fn run_down(args: DownArgs, home: PathBuf) -> anyhow::Result<()> {
    down::run(args, Home::at(home)).await
}

/// Runs `kubus node …`.
pub async fn run_node(args: NodeArgs, home: PathBuf) -> anyhow::Result<()> {
    node::run(args, Home::at(home)).await
}
