//! `kubus annotate`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_annotate/>.

use super::dry_run::DryRunArgs;
use super::key_values::KeyValues;
use crate::context::{Context, PatchKind, Target};
use crate::error::{CliError, Result};
use crate::fail;
use crate::manifest::FileArgs;
use crate::printer::full_name;
use crate::selection::{Selected, Selection, SelectorArgs, select};
use clap::Args;

/// Update the annotations of a resource
#[derive(Args, Clone, Debug)]
pub struct AnnotateArgs {
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
    /// Display the annotations afterwards
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    dry_run: DryRunArgs,
}

/// Runs the command.
pub async fn run(args: AnnotateArgs, context: &Context) -> Result<()> {
    let (resources, changes) = KeyValues::split(&args.words);
    let changes = KeyValues::parse(&changes, "annotation")?;
    if changes.is_empty() && !args.list {
        fail!("at least one annotation update is required");
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
        if let Err(error) = annotate(&args, &changes, &selected, context).await {
            errors.push(error);
        }
    }
    CliError::all(errors)
}

async fn annotate(args: &AnnotateArgs, changes: &KeyValues, selected: &Selected, context: &Context) -> Result<()> {
    let current = &selected.object["metadata"]["annotations"];
    let conflicts = changes.conflicts(current);
    if !args.overwrite && !conflicts.is_empty() {
        let texts: Vec<String> =
            conflicts.iter().map(|(key, old)| format!("'{key}' already has a value ({old})")).collect();
        fail!("--overwrite is false but found the following declared annotation(s): {}", texts.join("; "));
    }
    let patch = changes.patch("annotations", current);
    let mut annotations = current.clone();
    if patch.as_object().is_some_and(|p| !p.is_empty()) && !args.dry_run.is_client() {
        let target = Target::object(selected.row, &selected.object);
        annotations =
            context.patch(&target, PatchKind::Merge, &patch, args.dry_run.query()).await?["metadata"]["annotations"]
                .clone();
    }
    if args.list {
        context.console.line(&format!("Listing annotations for {}:", full_name(selected.row, selected.name())));
        for (key, value) in annotations.as_object().into_iter().flatten() {
            context.console.line(&format!(" {key}={}", value.as_str().unwrap_or_default()));
        }
    } else {
        let text = format!("{} annotated", full_name(selected.row, selected.name()));
        context.console.line(&args.dry_run.message(&text));
    }
    Ok(())
}
