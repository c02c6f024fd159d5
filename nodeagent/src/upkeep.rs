//! What is done to a node's containers while no agent runs: removed by `kubus down`, stopped as by a power cut by
//! `kubus node stop`.

use crate::runtime::docker;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// The whole command line: an agent, or upkeep.
#[derive(Clone, Debug, Parser)]
#[command(name = "kubus-nodeagent", version, about = "Runs the pods of a node")]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct CommandLine {
    /// What to do instead of running an agent.
    #[command(subcommand)]
    pub upkeep: Option<Upkeep>,
    /// How to run an agent.
    #[command(flatten)]
    pub agent: Option<crate::config::Arguments>,
}

/// What to do with containers.
#[derive(Clone, Debug, Subcommand)]
pub enum Upkeep {
    /// Remove every container of a cluster or of one of its nodes
    Purge(Target),
    /// Kill every container of a node and leave its remains, as a power cut does
    Halt(Target),
}

/// Whose containers.
#[derive(Args, Clone, Debug)]
pub struct Target {
    /// Cluster the containers are labelled with
    #[arg(long, value_name = "NAME")]
    pub cluster: String,
    /// Only those of this node
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// Socket of the Docker engine; Docker's default if not given
    #[arg(long, value_name = "PATH")]
    pub docker_socket: Option<PathBuf>,
}

/// Does it and gives the number of containers.
pub async fn run(upkeep: &Upkeep) -> anyhow::Result<usize> {
    let (Upkeep::Purge(target) | Upkeep::Halt(target)) = upkeep;
    let engine = docker::connect(target.docker_socket.as_deref()).await?;
    let (cluster, node) = (&target.cluster, target.node.as_deref());
    Ok(match upkeep {
        Upkeep::Purge(_) => docker::purge(&engine, cluster, node).await?,
        Upkeep::Halt(_) => docker::halt(&engine, cluster, node).await?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upkeep_needs_no_agent_and_an_agent_no_upkeep() {
        let parse = |words: &[&str]| CommandLine::try_parse_from(std::iter::once(&"kubus-nodeagent").chain(words));
        let purge = parse(&["purge", "--cluster", "c", "--node", "n"]).expect("upkeep");
        assert!(matches!(purge.upkeep, Some(Upkeep::Purge(Target { node: Some(_), .. }))) && purge.agent.is_none());
        let agent = parse(&["--data-dir", "/d", "--credentials", "c"]).expect("agent");
        assert!(agent.upkeep.is_none() && agent.agent.is_some());
        assert!(parse(&["purge"]).is_err() && parse(&[]).is_err());
    }
}
