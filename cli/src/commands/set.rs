//! `kubus set image`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_set/kubectl_set_image/>.

use super::dry_run::DryRunArgs;
use crate::context::{Context, PatchKind, Target};
use crate::error::{CliError, Result};
use crate::fail;
use crate::manifest::FileArgs;
use crate::merge;
use crate::printer::full_name;
use crate::selection::{Selected, Selection, SelectorArgs, select};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// Set fields of resources
#[derive(Args, Clone, Debug)]
pub struct SetArgs {
    #[command(subcommand)]
    what: SetCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum SetCommand {
    Image(ImageArgs),
}

/// Update the images of a pod template
#[derive(Args, Clone, Debug)]
struct ImageArgs {
    /// TYPE NAME or TYPE/NAME, then CONTAINER=IMAGE (* for every container)
    #[arg(value_name = "RESOURCE | CONTAINER=IMAGE", required = true)]
    words: Vec<String>,
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
pub async fn run(args: SetArgs, context: &Context) -> Result<()> {
    let SetCommand::Image(args) = args.what;
    let (images, resources): (Vec<String>, Vec<String>) = args.words.iter().cloned().partition(|w| w.contains('='));
    let images: Vec<(&str, &str)> = images.iter().filter_map(|w| w.split_once('=')).collect();
    if images.is_empty() {
        fail!("at least one image update is required");
    }
    if images.iter().any(|(container, image)| container.is_empty() || image.is_empty()) {
        fail!("all images must be of the form CONTAINER=IMAGE");
    }
    let selection = Selection {
        words: &resources,
        files: &args.files,
        selectors: &args.selectors,
        all: args.all,
        all_namespaces: false,
    };
    let (objects, mut errors) = select(context, &selection).await?;
    for selected in objects {
        if let Err(error) = set_images(&args, &images, &selected, context).await {
            errors.push(error);
        }
    }
    CliError::all(errors)
}

async fn set_images(args: &ImageArgs, images: &[(&str, &str)], selected: &Selected, context: &Context) -> Result<()> {
    let mut changed = selected.object.clone();
    let Some(spec) = pod_spec(&mut changed) else {
        fail!("{} has no pod template", full_name(selected.row, selected.name()));
    };
    for (name, image) in images {
        let mut found = false;
        for list in ["initContainers", "containers"] {
            for container in spec[list].as_array_mut().into_iter().flatten() {
                if *name == "*" || container["name"] == *name {
                    container["image"] = json!(image);
                    found = true;
                }
            }
        }
        if !found {
            fail!("unable to find container named {name:?}");
        }
    }
    let patch = merge::two_way(selected.row, &selected.object, &changed);
    if patch.as_object().is_none_or(serde_json::Map::is_empty) {
        return Ok(());
    }
    if !args.dry_run.is_client() {
        let target = Target::object(selected.row, &selected.object);
        context.patch(&target, PatchKind::Strategic, &patch, args.dry_run.query()).await?;
    }
    let text = format!("{} image updated", full_name(selected.row, selected.name()));
    context.console.line(&args.dry_run.message(&text));
    Ok(())
}

/// The spec of a pod or of a pod template.
fn pod_spec(object: &mut Value) -> Option<&mut Value> {
    let path = if object["spec"]["containers"].is_array() { "/spec" } else { "/spec/template/spec" };
    object.pointer_mut(path).filter(|spec| spec["containers"].is_array())
}
