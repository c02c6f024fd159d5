//! The command line of `kubus-nodeagent`.

use clap::{Parser, ValueEnum};
use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::path::PathBuf;

/// Runs the pods of a node.
#[derive(Clone, Debug, Parser)]
#[command(name = "kubus-nodeagent", version, about)]
pub struct Arguments {
    /// Credentials of the node (`node:<name>`); not with --sim-credentials-dir
    #[arg(long, value_name = "FILE", required_unless_present = "sim_credentials_dir")]
    pub credentials: Option<PathBuf>,
    /// Name of the node; the one its credentials are for if not given
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// What runs containers
    #[arg(long, value_enum, default_value = "docker")]
    pub runtime: RuntimeKind,
    /// Where pods' files are
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Socket of the Docker engine; Docker's default if not given
    #[arg(long, value_name = "PATH")]
    pub docker_socket: Option<PathBuf>,
    /// Cluster the containers are labelled with
    #[arg(long, value_name = "NAME", default_value = "kubus")]
    pub cluster: String,
    /// Address of the node; the host's if not given
    #[arg(long, value_name = "ADDR")]
    pub node_ip: Option<String>,
    /// Labels of the node
    #[arg(long, value_name = "K=V,…", value_delimiter = ',', value_parser = label)]
    pub labels: Vec<(String, String)>,
    /// Pods the node takes
    #[arg(long, value_name = "N", default_value_t = 110)]
    pub max_pods: u32,
    /// CPUs to report instead of the host's
    #[arg(long, value_name = "N")]
    pub cpus: Option<i64>,
    /// Memory to report instead of the host's, in bytes
    #[arg(long, value_name = "N")]
    pub memory_bytes: Option<i64>,
    /// Many simulated nodes in this process: one for each credentials file of a node in this directory
    #[arg(long, value_name = "DIR", conflicts_with_all = ["credentials", "node"])]
    pub sim_credentials_dir: Option<PathBuf>,
    /// At most so many of them, in the order of their names
    #[arg(long, value_name = "N", requires = "sim_credentials_dir", conflicts_with = "credentials")]
    pub sim_nodes: Option<usize>,
    /// Time a simulated start takes
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub sim_start_delay_ms: u64,
    /// Time a simulated stop takes
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub sim_stop_delay_ms: u64,
}

/// What runs containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RuntimeKind {
    /// A Docker engine
    Docker,
    /// Nothing: containers are pretended
    Sim,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not key=value"))?;
    if key.is_empty() { Err("a label needs a key".to_owned()) } else { Ok((key.to_owned(), value.to_owned())) }
}

impl Arguments {
    /// The labels as a map.
    pub fn label_map(&self) -> BTreeMap<String, String> {
        self.labels.iter().cloned().collect()
    }
}

/// The host's address: the one it would reach others from. Nothing is sent.
pub fn host_address() -> String {
    let probe = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        // An address of documentation; connecting a datagram socket only chooses a route.
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    probe.map_or_else(|_| "127.0.0.1".to_owned(), |address| address.ip().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read() {
        let base = ["kubus-nodeagent", "--data-dir", "/d"];
        let parse = |more: &[&str]| Arguments::try_parse_from(base.iter().chain(more));
        let one = parse(&["--credentials", "c.json", "--labels", "a=b,c="]).expect("one node");
        assert_eq!(one.label_map(), [("a".to_owned(), "b".to_owned()), ("c".to_owned(), String::new())].into());
        assert_eq!((one.runtime, one.max_pods), (RuntimeKind::Docker, 110));
        parse(&["--runtime", "sim", "--sim-credentials-dir", "d", "--sim-nodes", "3"]).expect("many nodes");
        assert!(parse(&[]).is_err());
        assert!(parse(&["--credentials", "c", "--sim-nodes", "3"]).is_err());
        assert!(parse(&["--credentials", "c", "--labels", "a"]).is_err());
    }
}
