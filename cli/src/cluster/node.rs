//! `kubus node …`: nodes come, go, are powered off and on again; messages as minikube's.

use super::process::{self, start};
use super::progress::step;
use super::spec::ClusterSpec;
use super::{Home, NodeArgs, NodeCommand, Runtime, down, up};
use anyhow::{Context, bail};
use kubus_proto::request::Method;
use kubus_proto::{ApiRequest, codec, subject};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long a new node may take to become Ready.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an agent may take to end in order.
const GRACE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(25);

pub async fn run(args: NodeArgs, home: Home) -> anyhow::Result<()> {
    let Some(mut spec) = ClusterSpec::load(&home)? else {
        bail!("no cluster in {}; start one with: kubus up", home.root().display());
    };
    if let NodeCommand::List = args.command {
        return list(&spec, &home).await;
    }
    let _lock = up::lock(&home)?;
    if spec.runtime == Runtime::Sim {
        bail!("nodes of the sim runtime live in one process; set their number with: kubus up --nodes N");
    }
    match args.command {
        NodeCommand::List => Ok(()),
        NodeCommand::Add => {
            let name = spec.add_node();
            eprintln!("* Adding node {} to cluster {}", name.rsplit('-').next().unwrap_or(&name), spec.name);
            spec.save(&home)?;
            up::write_configuration(&spec, &home)?;
            start_agent(&spec, &home, &name).await?;
            eprintln!("* Successfully added {} to {}!", name.rsplit('-').next().unwrap_or(&name), spec.name);
            Ok(())
        }
        NodeCommand::Start { name } => {
            spec.node_mut(&name)?.stopped = false;
            spec.save(&home)?;
            start_agent(&spec, &home, &name).await?;
            eprintln!("* Successfully started node {name}!");
            Ok(())
        }
        NodeCommand::Stop { name } => {
            spec.node_mut(&name)?.stopped = true;
            spec.save(&home)?;
            eprintln!("* Stopping node {name:?}  ...");
            process::stop(&home, &[agent(&name)], GRACE)?;
            down::containers(&spec, "halt", &["--node", &name])?;
            eprintln!("* Successfully stopped node {name}");
            Ok(())
        }
        NodeCommand::Delete { name } => {
            spec.node_mut(&name)?;
            eprintln!("* Deleting node {name} from cluster {}", spec.name);
            process::stop(&home, &[agent(&name)], GRACE)?;
            down::containers(&spec, "purge", &["--node", &name])?;
            delete_object(&home, &name).await?;
            spec.nodes.retain(|node| node.name != name);
            spec.save(&home)?;
            up::write_configuration(&spec, &home)?;
            let _ = std::fs::remove_file(home.credentials(&subject::node_identity(&name)));
            let _ = std::fs::remove_dir_all(home.data(&agent(&name)));
            eprintln!("* Node {name} was successfully deleted.");
            Ok(())
        }
    }
}

fn agent(node: &str) -> String {
    format!("nodeagent-{node}")
}

async fn list(spec: &ClusterSpec, home: &Home) -> anyhow::Result<()> {
    // The names are known without the cluster; where it does not answer, the addresses are not.
    let nodes = objects(home).await.unwrap_or_default();
    let items = || nodes["items"].as_array().into_iter().flatten();
    for node in &spec.nodes {
        let object = items().find(|o| o["metadata"]["name"] == node.name.as_str());
        let addresses = object.and_then(|o| o["status"]["addresses"].as_array()).into_iter().flatten();
        let address = addresses.into_iter().find(|a| a["type"] == "InternalIP").and_then(|a| a["address"].as_str());
        println!("{}\t{}", node.name, address.unwrap_or("<none>"));
    }
    Ok(())
}

async fn objects(home: &Home) -> anyhow::Result<Value> {
    let bus = up::connect(home).await?;
    let response = bus.request(ApiRequest::new(Method::Get, "/api/v1/nodes")).await?;
    Ok(codec::decode(&response.body)?)
}

async fn start_agent(spec: &ClusterSpec, home: &Home, name: &str) -> anyhow::Result<()> {
    let progress = step(format!("Starting node {name} in cluster {}", spec.name));
    start(home, &up::node_process(spec, home, name))?;
    let bus = up::connect(home).await?;
    let deadline = Instant::now() + READY_TIMEOUT;
    while Instant::now() < deadline {
        process::check(home, &agent(name))?;
        if up::ready_nodes(&bus).await.is_ok_and(|ready| ready.iter().any(|r| r == name)) {
            progress.done(format!("Starting node {name} in cluster {}", spec.name));
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
    bail!("node {name} is not Ready after {} s; see {}", READY_TIMEOUT.as_secs(), home.log(&agent(name)).display())
}

async fn delete_object(home: &Home, name: &str) -> anyhow::Result<()> {
    let bus = up::connect(home).await?;
    let response = bus.request(ApiRequest::new(Method::Delete, format!("/api/v1/nodes/{name}"))).await?;
    if response.code >= 400 && response.code != 404 {
        let status: Value = codec::decode(&response.body).context("unreadable answer")?;
        bail!("cannot delete node {name}: {}", status["message"].as_str().unwrap_or("no reason given"));
    }
    Ok(())
}
