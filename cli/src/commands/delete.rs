//! `kubus delete`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_delete/>.

use super::dry_run::DryRunArgs;
use crate::context::{Context, Target};
use crate::error::{CliError, Result};
use crate::fail;
use crate::manifest::{self, FileArgs};
use crate::printer::{full_name, quoted_name};
use crate::resource_args::ResourceArgs;
use crate::selection::{CHUNK_SIZE, SelectorArgs, list_all};
use crate::watching::{parse_duration, wait_until};
use clap::Args;
use kubus_proto::{KindRow, Reason};
use serde_json::{Value, json};
use std::time::Duration;

/// Delete resources by file, name, selector or all of a kind
#[derive(Args, Clone, Debug)]
pub struct DeleteArgs {
    /// TYPE NAME... or TYPE/NAME...
    #[arg(value_name = "RESOURCE")]
    resources: Vec<String>,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    selectors: SelectorArgs,
    /// All objects of the kinds in the namespace
    #[arg(long)]
    all: bool,
    /// The objects of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Seconds the object is given to end; -1 for its own
    #[arg(long, value_name = "SECONDS", default_value_t = -1, allow_negative_numbers = true)]
    grace_period: i64,
    /// Do not wait for the object to end (with --grace-period=0)
    #[arg(long)]
    force: bool,
    /// One second of grace
    #[arg(long, conflicts_with = "grace_period")]
    now: bool,
    /// What happens to objects it owns: background, foreground or orphan
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "background", default_missing_value = "background")]
    cascade: String,
    /// Wait until the objects are gone
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    wait: Option<bool>,
    /// How long to wait, e.g. 30s; 0 for as long as it takes
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    timeout: Option<Duration>,
    /// It is no error when there is nothing to delete
    #[arg(long)]
    ignore_not_found: bool,
    /// Output format: name
    #[arg(short = 'o', long, value_name = "FORMAT")]
    output: Option<String>,
    #[command(flatten)]
    dry_run: DryRunArgs,
}

/// Something to delete.
struct Doomed {
    row: &'static KindRow,
    namespace: String,
    name: String,
    source: String,
}

/// Runs the command.
pub async fn run(args: DeleteArgs, context: &Context) -> Result<()> {
    if args.output.as_deref().is_some_and(|output| output != "name") {
        fail!("unexpected -o output mode: {}. We only support '-o name'", args.output.unwrap_or_default());
    }
    let propagation = propagation(&args.cascade, context)?;
    let grace = grace_period(&args)?;
    let wait = args.wait.unwrap_or(grace != Some(0));
    let mut errors = Vec::new();
    let doomed = find(&args, context, &mut errors).await?;
    if args.force && grace == Some(0) {
        context.console.error_line(
            "Warning: Immediate deletion does not wait for confirmation that the running resource has been \
             terminated. The resource may continue to run on the cluster indefinitely.",
        );
    }
    let nothing = doomed.is_empty() && errors.is_empty();
    // What was found by a list may be gone by now, deleted with its owner; only a name must be there.
    let ignore_not_found = args.ignore_not_found || args.all || !args.selectors.is_empty();
    let mut options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation});
    if let Some(seconds) = grace {
        options["gracePeriodSeconds"] = json!(seconds);
    }
    let mut going = Vec::new();
    for object in doomed {
        match delete(&args, &object, &options, context).await {
            Ok(uid) => going.push((object, uid)),
            Err(error) if ignore_not_found && error.is(Reason::NotFound) => {}
            Err(error) => errors.push(error.about_source("deleting", &object.source)),
        }
    }
    if nothing {
        context.console.line("No resources found");
    }
    if wait && args.dry_run.query().into_string().is_empty() && !args.dry_run.is_client() {
        let timeout = args.timeout.filter(|timeout| !timeout.is_zero());
        for (object, uid) in going {
            let text = format!("timed out waiting for the condition on {}/{}", object.row.plural, object.name);
            let gone = wait_until(context, object.row, &object.namespace, &object.name, timeout, &text, |now| {
                // A namesake that was created since is another object.
                Ok(now.is_none_or(|now| uid.is_some() && now["metadata"]["uid"].as_str() != uid.as_deref()))
            });
            if let Err(error) = gone.await {
                errors.push(error);
            }
        }
    }
    CliError::all(errors)
}

fn propagation(cascade: &str, context: &Context) -> Result<&'static str> {
    let deprecated = |value: &str| {
        context.console.error_line(&format!(
            "warning: --cascade={cascade} is deprecated (boolean value) and can be replaced with --cascade={value}."
        ));
    };
    Ok(match cascade {
        "background" => "Background",
        "foreground" => "Foreground",
        "orphan" => "Orphan",
        "true" => {
            deprecated("background");
            "Background"
        }
        "false" => {
            deprecated("orphan");
            "Orphan"
        }
        other => fail!("invalid cascade value ({other}). Must be \"background\", \"foreground\", or \"orphan\""),
    })
}

/// The grace period that is sent, `None` for the object's own.
fn grace_period(args: &DeleteArgs) -> Result<Option<i64>> {
    let seconds = if args.now { 1 } else { args.grace_period };
    if args.force && seconds > 0 {
        fail!("--force and --grace-period greater than 0 cannot be specified together");
    }
    Ok(match (seconds, args.force) {
        (seconds, true) if seconds <= 0 => Some(0),
        // Without --force, nothing is deleted before it has ended.
        (0, false) => Some(1),
        (seconds, _) if seconds > 0 => Some(seconds),
        _ => None,
    })
}

async fn find(args: &DeleteArgs, context: &Context, errors: &mut Vec<CliError>) -> Result<Vec<Doomed>> {
    let mut doomed = Vec::new();
    if !args.files.is_empty() {
        if !args.resources.is_empty() {
            fail!("when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well");
        }
        let (manifests, wrong) = manifest::read(&args.files, context).await?;
        errors.extend(wrong);
        for manifest in manifests {
            let namespace = manifest.namespace(context.explicit_namespace.as_deref())?;
            let name = manifest.name().to_owned();
            if name.is_empty() {
                errors.push(CliError::message(format!("resource name may not be empty in {:?}", manifest.source)));
                continue;
            }
            doomed.push(Doomed { row: manifest.row, namespace, name, source: manifest.source });
        }
        return Ok(doomed);
    }
    let named = ResourceArgs::parse(&args.resources, context).await?;
    if named.is_empty() {
        fail!(
            "You must provide one or more resources by argument or filename.\nExample resource specifications \
               include:\n   '-f rsrc.yaml'\n   '--filename=rsrc.json'\n   '<resource> <name>'\n   '<resource>'"
        );
    }
    if named.has_names() && (args.all || !args.selectors.is_empty()) {
        fail!("name cannot be provided when a selector is specified");
    }
    if named.has_kinds() && !args.all && args.selectors.is_empty() {
        fail!("resource(s) were provided, but no name was specified");
    }
    for arg in named.args {
        let namespace = if args.all_namespaces { String::new() } else { context.namespace_of(arg.row) };
        match arg.name {
            Some(name) => doomed.push(Doomed { row: arg.row, namespace, name, source: String::new() }),
            None => {
                let list = list_all(context, arg.row, &namespace, args.selectors.query()?, CHUNK_SIZE).await?;
                doomed.extend(list.items.iter().map(|object| Doomed {
                    row: arg.row,
                    namespace: object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned(),
                    name: object["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
                    source: String::new(),
                }));
            }
        }
    }
    Ok(doomed)
}

/// Deletes one object, says so, and gives its uid.
async fn delete(args: &DeleteArgs, object: &Doomed, options: &Value, context: &Context) -> Result<Option<String>> {
    let Doomed { row, namespace, name, .. } = object;
    let answer = if args.dry_run.is_client() {
        context.get(row, namespace, name).await?
    } else {
        context.delete(&Target::of(row, namespace, name), options, args.dry_run.query()).await?
    };
    if args.output.is_some() {
        context.console.line(&full_name(row, name));
    } else {
        let done = if args.force { "force deleted" } else { "deleted" };
        context.console.line(&args.dry_run.message(&format!("{} {done}", quoted_name(row, name))));
    }
    let uid = answer["metadata"]["uid"].as_str().or_else(|| answer["details"]["uid"].as_str());
    Ok(uid.map(str::to_owned))
}
