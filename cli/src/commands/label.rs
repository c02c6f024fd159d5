//! `kubus label`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_label/>.

use super::dry_run::DryRunArgs;
use super::key_values::KeyValues;
use crate::context::{Context, PatchKind, Target};
use crate::error::{CliError, Result};
use crate::fail;
use crate::manifest::FileArgs;
use crate::printer::full_name;
use crate::selection::{Selected, Selection, SelectorArgs, select};
use clap::Args;
use serde_json::Value;

/// Update the labels of a resource
#[derive(Args, Clone, Debug)]
pub struct LabelArgs {
    /// TYPE NAME... or TYPE/NAME..., then KEY=VALUE to set and KEY- to remove
    #[arg(value_name = "RESOURCE | KEY=VALUE | KEY-", required = true)]
    words: Vec<String>,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    selectors: SelectorArgs,
    /// All objects of the kind in the namespace
    #[arg(long)]
    all: bool,
    /// The objects of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Replace values that are there
    #[arg(long)]
    overwrite: bool,
    /// Display the labels afterwards
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    dry_run: DryRunArgs,
}

/// Runs the command.
pub async fn run(args: LabelArgs, context: &Context) -> Result<()> {
    let (resources, changes) = KeyValues::split(&args.words);
    let changes = KeyValues::parse(&changes, "label")?;
    if changes.is_empty() && !args.list {
        fail!("at least one label update is required");
    }
    let selection = Selection {
        words: &resources,
        files: &args.files,
        selectors: &args.selectors,
        all: args.all,
        all_namespaces: args.all_namespaces,
    };
    let (objects, mut errors) = select(context, &selection).await?;
    for selected in objects {
        if let Err(error) = label(&args, &changes, &selected, context).await {
            errors.push(error);
        }
    }
    CliError::all(errors)
}

async fn label(args: &LabelArgs, changes: &KeyValues, selected: &Selected, context: &Context) -> Result<()> {
    let current = &selected.object["metadata"]["labels"];
    if let (false, Some((key, old))) = (args.overwrite, changes.conflicts(current).first()) {
        fail!("'{key}' already has a value ({old}), and --overwrite is false");
    }
    for key in changes.remove.iter().filter(|key| current[key.as_str()].is_null()) {
        context.console.line(&format!("label {key:?} not found."));
    }
    let patch = changes.patch("labels", current);
    let changed = patch.as_object().is_some_and(|p| !p.is_empty());
    let mut labels = current.clone();
    if changed && !args.dry_run.is_client() {
        let target = Target::object(selected.row, &selected.object);
        labels =
            context.patch(&target, PatchKind::Merge, &patch, args.dry_run.query()).await?["metadata"]["labels"].clone();
    }
    if args.list {
        list(&labels, selected, context);
    } else {
        let done = if changed { "labeled" } else { "not labeled" };
        context.console.line(&args.dry_run.message(&format!("{} {done}", full_name(selected.row, selected.name()))));
    }
    Ok(())
}

fn list(labels: &Value, selected: &Selected, context: &Context) {
    context.console.line(&format!("Listing labels for {}:", full_name(selected.row, selected.name())));
    let mut pairs: Vec<String> = labels
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| format!(" {k}={}", v.as_str().unwrap_or_default()))
        .collect();
    pairs.sort();
    pairs.iter().for_each(|pair| context.console.line(pair));
}
