//! What cluster was asked for: kept in `cluster.json`, changed by `up` and `node`, read by everything.

use super::{Home, Runtime, UpArgs};
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

/// Replicas of scheduler and controller manager: one works, one waits.
pub const STANDBY_REPLICAS: u8 = 2;
/// Apiservers a cluster can have: odd, since an even group survives no more losses than the odd one below it.
const CONTROL_PLANES: [u8; 3] = [1, 3, 5];
/// Silence after which a node counts as lost, in milliseconds.
const NODE_GRACE_MS: u64 = 10_000;
/// Port of the first gateway, as every Kubernetes has it.
const GATEWAY_PORT: u16 = 6443;
/// Most gateways one machine starts.
const GATEWAY_LIMIT: u8 = 9;
/// Most nodes one machine starts.
const NODE_LIMIT: u16 = 1_000;

/// One node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSpec {
    /// Name of the Node object.
    pub name: String,
    /// Powered off by `node stop`: `up` leaves it off.
    #[serde(default)]
    pub stopped: bool,
}

/// One bus server's ports on loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// For clients.
    pub client: u16,
    /// For the other bus servers.
    pub route: u16,
}

/// A cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSpec {
    /// Distinguishes the containers of several clusters on one engine.
    pub id: String,
    /// Name of the first node and prefix of the others.
    pub name: String,
    /// What runs containers.
    pub runtime: Runtime,
    /// One entry an apiserver with its bus server; ids are positions from 1.
    pub control_planes: Vec<Ports>,
    /// The nodes.
    pub nodes: Vec<NodeSpec>,
    /// Silence after which a node counts as lost, in milliseconds.
    pub node_grace_ms: u64,
    /// Ports of the gateways on loopback.
    #[serde(default)]
    pub gateways: Vec<u16>,
}

impl ClusterSpec {
    /// Reads the spec of a home; `None` where no cluster was made.
    pub fn load(home: &Home) -> anyhow::Result<Option<Self>> {
        let path = home.spec();
        match std::fs::read(&path) {
            Ok(text) => {
                Ok(Some(serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))?))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes the spec.
    pub fn save(&self, home: &Home) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        super::home::write_private(&home.spec(), &text)
            .with_context(|| format!("cannot write {}", home.spec().display()))
    }

    /// A new cluster with nothing in it.
    pub fn new(id: String) -> Self {
        Self {
            id,
            name: "kubus".to_owned(),
            runtime: Runtime::Docker,
            control_planes: Vec::new(),
            nodes: Vec::new(),
            node_grace_ms: NODE_GRACE_MS,
            gateways: Vec::new(),
        }
    }

    /// Changes what `args` ask for and nothing else. `free_port` gives ports nobody listens on. Says what cannot be
    /// changed on a cluster that exists.
    pub fn change(&mut self, args: &UpArgs, mut free_port: impl FnMut(u16) -> u16) -> anyhow::Result<()> {
        let exists = !self.control_planes.is_empty();
        let wanted = args.control_planes.unwrap_or(if exists { u8::try_from(self.control_planes.len())? } else { 1 });
        if !CONTROL_PLANES.contains(&wanted) {
            bail!("--control-planes: {wanted} is not possible; take 1, 3 or 5");
        }
        if exists && usize::from(wanted) != self.control_planes.len() {
            bail!(
                "--control-planes: this cluster has {}; its number is fixed when it is made (kubus down --purge makes room for a new one)",
                self.control_planes.len()
            );
        }
        if let Some(runtime) = args.runtime {
            if exists && runtime != self.runtime {
                bail!("--runtime: this cluster runs on {}; that is fixed when it is made", self.runtime.as_str());
            }
            self.runtime = runtime;
        }
        if let Some(grace) = args.node_grace_ms {
            self.node_grace_ms = grace;
        }
        for i in 0..if exists { 0 } else { u16::from(wanted) } {
            self.control_planes.push(Ports { client: free_port(4222 + i), route: free_port(6222 + i) });
        }
        self.change_gateways(args, &mut free_port)?;
        let nodes = args.nodes.unwrap_or(if exists { u16::try_from(self.nodes.len())? } else { 1 });
        if nodes > NODE_LIMIT {
            bail!("--nodes: {nodes} is more than one machine can start; at most {NODE_LIMIT}");
        }
        if usize::from(nodes) < self.nodes.len() {
            bail!("--nodes: this cluster has {}; remove one with: kubus node delete NAME", self.nodes.len());
        }
        while self.nodes.len() < usize::from(nodes) {
            self.add_node();
        }
        Ok(())
    }

    fn change_gateways(&mut self, args: &UpArgs, free_port: &mut impl FnMut(u16) -> u16) -> anyhow::Result<()> {
        let wanted = args.gateways.unwrap_or(u8::try_from(self.gateways.len())?.max(1));
        if wanted == 0 || wanted > GATEWAY_LIMIT {
            bail!("--gateways: {wanted} is not possible; take 1 to {GATEWAY_LIMIT}");
        }
        match (args.gateway_port, self.gateways.first()) {
            (Some(port), Some(first)) if port != 0 && port != *first => {
                bail!("--gateway-port: this cluster's first gateway has port {first}; that is fixed when it is made")
            }
            _ => {}
        }
        self.gateways.truncate(usize::from(wanted));
        while self.gateways.len() < usize::from(wanted) {
            let port = match (args.gateway_port, self.gateways.last()) {
                (Some(port), None) if port != 0 => {
                    if free_port(port) != port {
                        bail!("--gateway-port: port {port} is in use; take another one, or 0 for any that is free");
                    }
                    port
                }
                (Some(0), _) => free_port(0),
                (_, last) => free_port(last.map_or(GATEWAY_PORT, |last| last.saturating_add(1))),
            };
            self.gateways.push(port);
        }
        Ok(())
    }

    /// Adds a node under the next free name (`kubus`, `kubus-m02`, …) and gives its name.
    pub fn add_node(&mut self) -> String {
        let free = |name: &String| !self.nodes.iter().any(|n| n.name == *name);
        let name = std::iter::once(self.name.clone())
            .chain((2u32..).map(|i| format!("{}-m{i:02}", self.name)))
            .find(free)
            .expect("names never run out");
        self.nodes.push(NodeSpec { name: name.clone(), stopped: false });
        name
    }

    /// The node of that name, or an error that lists the names there are.
    pub fn node_mut(&mut self, name: &str) -> anyhow::Result<&mut NodeSpec> {
        let names: Vec<String> = self.nodes.iter().map(|n| n.name.clone()).collect();
        match self.nodes.iter_mut().find(|n| n.name == name) {
            Some(node) => Ok(node),
            None => bail!("no node {name:?} in this cluster; its nodes are: {}", names.join(", ")),
        }
    }

    /// Raft ids of the apiservers as `1,2,3`.
    pub fn members(&self) -> String {
        (1..=self.control_planes.len()).map(|i| i.to_string()).collect::<Vec<_>>().join(",")
    }

    /// Bus servers as clients name them, the one at `nearest` (a position from 0) first.
    pub fn servers(&self, nearest: usize) -> Vec<String> {
        let count = self.control_planes.len();
        (0..count).map(|i| format!("tls://127.0.0.1:{}", self.control_planes[(nearest + i) % count].client)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(control_planes: Option<u8>, nodes: Option<u16>) -> UpArgs {
        UpArgs { control_planes, nodes, ..UpArgs::default() }
    }

    #[test]
    fn up_changes_only_what_was_asked() {
        let mut spec = ClusterSpec::new("x".into());
        spec.change(&args(Some(3), None), |p| p).expect("new cluster");
        assert_eq!((spec.control_planes.len(), spec.nodes.len()), (3, 1));
        assert_eq!(spec.members(), "1,2,3");
        assert_eq!(spec.servers(1)[0], "tls://127.0.0.1:4223");
        let before = spec.clone();
        spec.change(&args(None, None), |p| p).expect("again");
        assert_eq!(spec, before);
        spec.change(&args(None, Some(3)), |p| p).expect("more nodes");
        let names: Vec<_> = spec.nodes.iter().map(|n| n.name.as_str()).collect();
        assert_eq!(names, ["kubus", "kubus-m02", "kubus-m03"]);
        for (wrong, text) in [
            (args(Some(2), None), "--control-planes"),
            (args(Some(5), None), "--control-planes"),
            (args(None, Some(1)), "kubus node delete"),
        ] {
            let error = spec.change(&wrong, |p| p).expect_err("must be refused").to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn gateways_get_ports_and_keep_them() {
        let mut spec = ClusterSpec::new("x".into());
        spec.change(&args(None, None), |p| p).expect("new cluster");
        assert_eq!(spec.gateways, [6443]);
        let gateways = |gateways, gateway_port| UpArgs { gateways, gateway_port, ..UpArgs::default() };
        spec.change(&gateways(Some(3), None), |p| p).expect("more");
        assert_eq!(spec.gateways, [6443, 6444, 6445]);
        spec.change(&gateways(Some(2), Some(6443)), |p| p).expect("fewer");
        assert_eq!(spec.gateways, [6443, 6444]);
        for (wrong, text) in [(gateways(Some(0), None), "--gateways"), (gateways(None, Some(7)), "--gateway-port")] {
            let error = spec.change(&wrong, |p| p).expect_err("must be refused").to_string();
            assert!(error.contains(text), "{error}");
        }
        let mut spec = ClusterSpec::new("y".into());
        spec.change(&gateways(Some(2), Some(0)), |_| 40_000).expect("any port");
        assert_eq!(spec.gateways, [40_000, 40_000]);
        let mut spec = ClusterSpec::new("z".into());
        let error = spec.change(&gateways(None, Some(8443)), |_| 1).expect_err("in use").to_string();
        assert!(error.contains("port 8443 is in use"), "{error}");
        let mut spec = ClusterSpec::new("z".into());
        spec.change(&gateways(None, Some(8443)), |p| p).expect("this port");
        assert_eq!(spec.gateways, [8443]);
    }

    #[test]
    fn a_deleted_nodes_name_is_free_again() {
        let mut spec = ClusterSpec::new("x".into());
        spec.change(&args(None, Some(3)), |p| p).expect("cluster");
        spec.nodes.remove(1);
        assert_eq!(spec.add_node(), "kubus-m02");
        assert!(spec.node_mut("nope").expect_err("no such node").to_string().contains("kubus-m03"));
    }
}
