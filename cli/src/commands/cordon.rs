//! `kubus cordon` and `kubus uncordon`: <https://kubernetes.io/docs/concepts/nodes/node/#manual-node-administration>.

use super::dry_run::DryRunArgs;
use crate::context::{Context, PatchKind, Target};
use crate::error::{CliError, Result};
use crate::fail;
use crate::selection::{CHUNK_SIZE, SelectorArgs, list_all};
use clap::Args;
use kubus_proto::kinds::node;
use serde_json::json;

/// Mark nodes as unschedulable (cordon) or schedulable (uncordon)
#[derive(Args, Clone, Debug)]
pub struct CordonArgs {
    /// Names of the nodes
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
    #[command(flatten)]
    selectors: SelectorArgs,
    #[command(flatten)]
    dry_run: DryRunArgs,
}

impl CordonArgs {
    /// For nodes by name.
    pub(super) fn of(nodes: &[String], dry_run: &DryRunArgs) -> Self {
        Self { nodes: nodes.to_vec(), selectors: SelectorArgs::default(), dry_run: dry_run.clone() }
    }
}

/// Runs the command; `unschedulable` says which of the two it is.
pub async fn run(args: CordonArgs, unschedulable: bool, context: &Context) -> Result<()> {
    let (verb, done) = if unschedulable { ("cordon", "cordoned") } else { ("uncordon", "uncordoned") };
    let mut nodes = Vec::new();
    let mut errors = Vec::new();
    if !args.selectors.is_empty() {
        if !args.nodes.is_empty() {
            fail!("cannot specify both a node name and a --selector option");
        }
        nodes = list_all(context, &node::ROW, "", args.selectors.query()?, CHUNK_SIZE).await?.items;
    } else if args.nodes.is_empty() {
        fail!("USAGE: {verb} NODE [flags]");
    }
    for name in &args.nodes {
        let name = name.rsplit('/').next().unwrap_or(name);
        match context.get(&node::ROW, "", name).await {
            Ok(object) => nodes.push(object),
            Err(error) => errors.push(error),
        }
    }
    for object in nodes {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        if (object["spec"]["unschedulable"] == true) == unschedulable {
            context.console.line(&args.dry_run.message(&format!("node/{name} already {done}")));
            continue;
        }
        let patch = json!({"spec": {"unschedulable": if unschedulable { json!(true) } else { json!(null) }}});
        if !args.dry_run.is_client() {
            let target = Target::of(&node::ROW, "", name);
            if let Err(error) = context.patch(&target, PatchKind::Strategic, &patch, args.dry_run.query()).await {
                errors.push(error);
                continue;
            }
        }
        context.console.line(&args.dry_run.message(&format!("node/{name} {done}")));
    }
    CliError::all(errors)
}
