//! `kubus scale`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_scale/>.

use super::dry_run::DryRunArgs;
use crate::context::{Context, PatchKind, Target};
use crate::error::{CliError, Result};
use crate::fail;
use crate::manifest::FileArgs;
use crate::printer::full_name;
use crate::selection::{Selected, Selection, SelectorArgs, select};
use crate::watching::{parse_duration, wait_until};
use clap::Args;
use serde_json::json;
use std::time::Duration;

/// Set a new number of replicas of a deployment, replica set or replication controller
#[derive(Args, Clone, Debug)]
pub struct ScaleArgs {
    /// TYPE NAME... or TYPE/NAME...
    #[arg(value_name = "RESOURCE")]
    resources: Vec<String>,
    /// The new number of replicas
    #[arg(long, value_name = "N", required = true, allow_negative_numbers = true)]
    replicas: i64,
    /// Only if there are as many now
    #[arg(long, value_name = "N")]
    current_replicas: Option<i64>,
    /// Only if the object has this resourceVersion
    #[arg(long, value_name = "VERSION")]
    resource_version: Option<String>,
    /// Wait this long until there are as many, e.g. 30s
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    timeout: Option<Duration>,
    /// All objects of the kind in the namespace
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    selectors: SelectorArgs,
    #[command(flatten)]
    dry_run: DryRunArgs,
}

/// Runs the command.
pub async fn run(args: ScaleArgs, context: &Context) -> Result<()> {
    if args.replicas < 0 {
        fail!("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0");
    }
    let selection = Selection {
        words: &args.resources,
        files: &args.files,
        selectors: &args.selectors,
        all: args.all,
        all_namespaces: false,
    };
    let (objects, mut errors) = select(context, &selection).await?;
    if objects.is_empty() && errors.is_empty() {
        fail!("no objects passed to scale");
    }
    for selected in objects {
        if let Err(error) = scale(&args, &selected, context).await {
            errors.push(error);
        }
    }
    CliError::all(errors)
}

async fn scale(args: &ScaleArgs, selected: &Selected, context: &Context) -> Result<()> {
    let (row, name) = (selected.row, selected.name());
    if row.subresource("scale").is_none() {
        fail!("cannot scale {}: the server has no scale subresource for it", full_name(row, name));
    }
    let replicas = selected.object["spec"]["replicas"].as_i64().unwrap_or(1);
    if let Some(expected) = args.current_replicas.filter(|expected| *expected != replicas) {
        fail!("Expected replicas to be {expected}, was {replicas}");
    }
    let version = selected.object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    if let Some(expected) = args.resource_version.as_deref().filter(|expected| *expected != version) {
        fail!("Expected resource version to be {expected}, was {version}");
    }
    let mut patch = json!({"spec": {"replicas": args.replicas}});
    if args.current_replicas.is_some() || args.resource_version.is_some() {
        // What was checked must still hold when the patch arrives.
        patch["metadata"] = json!({"resourceVersion": version});
    }
    let target = Target::object(row, &selected.object);
    if !args.dry_run.is_client() {
        context.patch(&target.part("scale"), PatchKind::Merge, &patch, args.dry_run.query()).await?;
    }
    if let Some(timeout) = args.timeout.filter(|timeout| !timeout.is_zero()) {
        let text = format!("timed out waiting for {name:?} to be synced");
        wait_until(context, row, selected.namespace(), name, Some(timeout), &text, |object| {
            Ok(object.is_some_and(|o| o["status"]["replicas"].as_i64().unwrap_or(0) == args.replicas))
        })
        .await?;
    }
    context.console.line(&args.dry_run.message(&format!("{} scaled", full_name(row, name))));
    Ok(())
}
