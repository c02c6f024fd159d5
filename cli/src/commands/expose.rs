//! `kubus expose`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_expose/>.

use super::create::{self, CommonArgs, match_labels};
use crate::context::Context;
use crate::describe::selector_text;
use crate::error::{CliError, Result};
use crate::fail;
use crate::manifest::FileArgs;
use crate::printer::full_name;
use crate::selection::{Selected, Selection, SelectorArgs, select};
use clap::Args;
use serde_json::{Value, json};

/// Field manager of what this command makes.
const MANAGER: &str = "kubectl-expose";

/// Make a service of a pod, deployment, replica set, replication controller or service
#[derive(Args, Clone, Debug)]
pub struct ExposeArgs {
    /// TYPE NAME or TYPE/NAME
    #[arg(value_name = "RESOURCE")]
    resources: Vec<String>,
    #[command(flatten)]
    files: FileArgs,
    /// Name of the service [default: the object's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Port it serves [default: the container's]
    #[arg(long, value_name = "PORT")]
    port: Option<String>,
    /// Port or name of a port its pods listen on
    #[arg(long, value_name = "PORT")]
    target_port: Option<String>,
    /// TCP, UDP or SCTP
    #[arg(long, value_name = "PROTOCOL")]
    protocol: Option<String>,
    /// ClusterIP, NodePort, LoadBalancer or ExternalName
    #[arg(long = "type", value_name = "TYPE")]
    service_type: Option<String>,
    /// Labels of its pods [default: the object's selector]
    #[arg(long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Labels of the service
    #[arg(short = 'l', long, value_name = "KEY=VALUE,...")]
    labels: Option<String>,
    /// Its address, or None for no address at all
    #[arg(long, value_name = "ADDRESS")]
    cluster_ip: Option<String>,
    /// An address outside the cluster that it has too
    #[arg(long, value_name = "ADDRESS")]
    external_ip: Option<String>,
    /// Address of its load balancer
    #[arg(long, value_name = "ADDRESS")]
    load_balancer_ip: Option<String>,
    /// Keeps a client's connections at one pod: None, ClientIP
    #[arg(long, value_name = "AFFINITY")]
    session_affinity: Option<String>,
    #[command(flatten)]
    common: CommonArgs,
}

/// Runs the command.
pub async fn run(args: ExposeArgs, context: &Context) -> Result<()> {
    let selectors = SelectorArgs::default();
    let selection = Selection {
        words: &args.resources,
        files: &args.files,
        selectors: &selectors,
        all: false,
        all_namespaces: false,
    };
    let (objects, mut errors) = select(context, &selection).await?;
    if objects.is_empty() && errors.is_empty() {
        fail!("You must provide one or more resources by argument or filename.");
    }
    for selected in objects {
        let made = match service(&args, &selected) {
            Ok(service) => create::made(&service, MANAGER, "exposed", &args.common, context).await,
            Err(error) => Err(error),
        };
        if let Err(error) = made {
            errors.push(error);
        }
    }
    CliError::all(errors)
}

fn service(args: &ExposeArgs, selected: &Selected) -> Result<Value> {
    let (row, object) = (selected.row, &selected.object);
    if !["Pod", "Service", "ReplicationController", "Deployment", "ReplicaSet"].contains(&row.kind) {
        fail!("cannot expose a {}", full_name(row, selected.name()));
    }
    let selector = match (&args.selector, row.kind) {
        (Some(selector), _) => match_labels(selector)?["matchLabels"].clone(),
        (None, "Pod") => object["metadata"]["labels"].clone(),
        (None, _) => simple_selector(object)?,
    };
    if selector.as_object().is_none_or(serde_json::Map::is_empty) {
        fail!("couldn't retrieve selectors via --selector flag or introspection: the {} has no labels", row.singular);
    }
    let ports = ports(args, object)?;
    let labels = match &args.labels {
        Some(labels) => match_labels(labels)?["matchLabels"].clone(),
        None => object["metadata"]["labels"].clone(),
    };
    let mut service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": args.name.as_deref().unwrap_or(selected.name()), "labels": labels},
        "spec": {"ports": ports, "selector": selector},
    });
    let given = [
        ("type", &args.service_type),
        ("clusterIP", &args.cluster_ip),
        ("loadBalancerIP", &args.load_balancer_ip),
        ("sessionAffinity", &args.session_affinity),
    ];
    for (key, value) in given {
        if let Some(value) = value {
            service["spec"][key] = json!(value);
        }
    }
    if let Some(address) = &args.external_ip {
        service["spec"]["externalIPs"] = json!([address]);
    }
    Ok(service)
}

/// A selector that a service can have: equalities and nothing else.
fn simple_selector(object: &Value) -> Result<Value> {
    let selector = &object["spec"]["selector"];
    let expressions = selector["matchExpressions"].as_array().is_some_and(|list| !list.is_empty());
    if expressions {
        let text = selector_text(object).unwrap_or_default();
        fail!("couldn't convert expressions - \"{text}\" to map-based selector format");
    }
    Ok(selector.get("matchLabels").unwrap_or(selector).clone())
}

fn ports(args: &ExposeArgs, object: &Value) -> Result<Vec<Value>> {
    let of_target = |port: i64| match args.target_port.as_deref() {
        Some(text) => text.parse::<u16>().map_or_else(|_| json!(text), |number| json!(number)),
        None => json!(port),
    };
    let protocol = |own: &str| args.protocol.clone().unwrap_or_else(|| own.to_owned());
    let wanted: Vec<(i64, String)> = match &args.port {
        Some(text) => {
            let numbers = text.split(',').map(|port| {
                let number = port.parse::<u16>().map_err(|_| CliError::message(format!("invalid port {port:?}")))?;
                Ok((i64::from(number), protocol("TCP")))
            });
            numbers.collect::<Result<_>>()?
        }
        None => of_object(object).into_iter().map(|(port, own)| (port, protocol(&own))).collect(),
    };
    if wanted.is_empty() {
        fail!("couldn't find port via --port flag or introspection");
    }
    let several = wanted.len() > 1;
    let port = |(i, (port, protocol)): (usize, &(i64, String))| {
        let mut entry = json!({"port": port, "protocol": protocol, "targetPort": of_target(*port)});
        if several {
            entry["name"] = json!(format!("port-{}", i + 1));
        }
        entry
    };
    Ok(wanted.iter().enumerate().map(port).collect())
}

/// Ports and protocols of an object's containers, or of a service.
fn of_object(object: &Value) -> Vec<(i64, String)> {
    let protocol = |port: &Value| port["protocol"].as_str().unwrap_or("TCP").to_owned();
    let listed = |list: &Value, key: &str| -> Vec<(i64, String)> {
        let ports = list.as_array().into_iter().flatten();
        ports.filter_map(|port| Some((port[key].as_i64()?, protocol(port)))).collect()
    };
    let spec = &object["spec"];
    if spec["ports"].is_array() {
        return listed(&spec["ports"], "port");
    }
    let pod = spec.get("template").map_or(spec, |template| &template["spec"]);
    let containers = pod["containers"].as_array().into_iter().flatten();
    containers.flat_map(|container| listed(&container["ports"], "containerPort")).collect()
}

#[cfg(test)]
mod tests {
    use crate::fake::FakeServer;
    use serde_json::{Value, json};

    fn controller() -> Value {
        json!({"apiVersion": "v1", "kind": "ReplicationController",
            "metadata": {"name": "kubia", "namespace": "default", "labels": {"run": "kubia"}},
            "spec": {"selector": {"run": "kubia"}, "template": {"spec": {"containers":
                [{"name": "c", "image": "x", "ports": [{"containerPort": 8080}]}]}}}})
    }

    #[tokio::test]
    async fn a_service_finds_the_pods_of_what_it_exposes() {
        let server = FakeServer::with(&[controller()]);
        let outcome =
            server.run("expose rc kubia --type=LoadBalancer --name kubia-http --dry-run=client -o json").await;
        let service: Value = serde_json::from_str(&outcome.out).unwrap_or_else(|e| panic!("{e}: {}", outcome.err));
        assert_eq!(service["metadata"], json!({"name": "kubia-http", "labels": {"run": "kubia"}}));
        let port = json!({"port": 8080, "protocol": "TCP", "targetPort": 8080});
        assert_eq!(service["spec"], json!({"ports": [port], "selector": {"run": "kubia"}, "type": "LoadBalancer"}));
        let outcome = server.run("expose rc kubia --type=LoadBalancer --name kubia-http").await;
        assert_eq!(outcome.out, "service/kubia-http exposed\n");
    }
}
