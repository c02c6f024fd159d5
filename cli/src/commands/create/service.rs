//! `kubus create service clusterip|nodeport|loadbalancer|externalname NAME`.

use crate::error::{CliError, Result};
use crate::fail;
use clap::Args;
use serde_json::{Map, Value, json};

/// A service by flags.
#[derive(Args, Clone, Debug)]
pub(super) struct ServiceArgs {
    /// Its name
    name: String,
    /// Ports: port, or port and target port
    #[arg(long, value_name = "PORT[:TARGET]", value_delimiter = ',')]
    tcp: Vec<String>,
}

/// What a service of type ClusterIP has beside.
#[derive(Args, Clone, Debug)]
pub(super) struct ClusterIpArgs {
    #[command(flatten)]
    pub service: ServiceArgs,
    /// Its address, or None for no address at all
    #[arg(long, value_name = "ADDRESS")]
    clusterip: Option<String>,
}

/// What a service of type NodePort has beside.
#[derive(Args, Clone, Debug)]
pub(super) struct NodePortArgs {
    #[command(flatten)]
    pub service: ServiceArgs,
    /// Port on every node
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    node_port: u16,
}

/// What a service of type ExternalName has beside.
#[derive(Args, Clone, Debug)]
pub(super) struct ExternalNameArgs {
    #[command(flatten)]
    pub service: ServiceArgs,
    /// Name it stands for
    #[arg(long, value_name = "NAME", required = true)]
    external_name: String,
}

/// `kubus create service clusterip`.
pub(super) fn cluster_ip(args: &ClusterIpArgs) -> Result<Value> {
    let headless = args.clusterip.as_deref() == Some("None");
    if args.service.tcp.is_empty() && !headless {
        fail!("at least one tcp port specifier must be provided");
    }
    let mut service = service(&args.service, "ClusterIP", 0)?;
    if let Some(address) = &args.clusterip {
        service["spec"]["clusterIP"] = json!(address);
    }
    Ok(service)
}

/// `kubus create service nodeport`.
pub(super) fn node_port(args: &NodePortArgs) -> Result<Value> {
    with_ports(&args.service)?;
    service(&args.service, "NodePort", args.node_port)
}

/// `kubus create service loadbalancer`.
pub(super) fn load_balancer(args: &ServiceArgs) -> Result<Value> {
    with_ports(args)?;
    service(args, "LoadBalancer", 0)
}

/// `kubus create service externalname`.
pub(super) fn external_name(args: &ExternalNameArgs) -> Result<Value> {
    let mut service = service(&args.service, "ExternalName", 0)?;
    service["spec"]["externalName"] = json!(args.external_name);
    Ok(service)
}

fn with_ports(args: &ServiceArgs) -> Result<()> {
    if args.tcp.is_empty() {
        fail!("at least one tcp port specifier must be provided");
    }
    Ok(())
}

fn service(args: &ServiceArgs, kind: &str, node_port: u16) -> Result<Value> {
    let labels = json!({"app": args.name});
    let mut spec = Map::new();
    let ports = args.tcp.iter().map(|text| port(text, node_port)).collect::<Result<Vec<_>>>()?;
    if !ports.is_empty() {
        spec.insert("ports".to_owned(), json!(ports));
    }
    spec.insert("selector".to_owned(), labels.clone());
    spec.insert("type".to_owned(), json!(kind));
    Ok(json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": args.name, "labels": labels}, "spec": spec,
    }))
}

fn port(text: &str, node_port: u16) -> Result<Value> {
    let number = |text: &str| -> Result<u16> {
        text.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
            CliError::message(format!("invalid port {text:?}: must be a number between 1 and 65535, inclusive"))
        })
    };
    let (outside, target) = text.split_once(':').unwrap_or((text, text));
    // A target may be a name.
    let target = target.parse::<u16>().map_or_else(|_| json!(target), |number| json!(number));
    let mut port =
        json!({"name": text.replace(':', "-"), "protocol": "TCP", "port": number(outside)?, "targetPort": target});
    if node_port > 0 {
        port["nodePort"] = json!(node_port);
    }
    Ok(port)
}
