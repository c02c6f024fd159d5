//! `kubus apply`: <https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/>.

use super::dry_run::DryRunArgs;
use crate::context::{APPLY_MANAGER, Context, PatchKind, Query, Target};
use crate::error::{CliError, Result};
use crate::fail;
use crate::manifest::{self, FileArgs, Manifest};
use crate::merge;
use crate::printer::{Output, full_name, sorted};
use clap::Args;
use kubus_proto::selector::Selector;
use kubus_proto::{KindRow, Reason};
use serde_json::{Value, json};

/// Where the last applied file is kept.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// How often an object that others change at the same time is read and patched again.
const CONFLICT_LIMIT: usize = 5;

/// Bring resources to what files say
#[derive(Args, Clone, Debug)]
pub struct ApplyArgs {
    #[command(flatten)]
    files: FileArgs,
    /// Only objects with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Output format: yaml, json, name, jsonpath=...
    #[arg(short = 'o', long, value_name = "FORMAT")]
    output: Option<String>,
    #[command(flatten)]
    dry_run: DryRunArgs,
    /// What to do about fields that are not known: strict, warn, ignore
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "strict", default_missing_value = "strict")]
    validate: String,
}

/// `strict`, `true` and so on as the server's parameter.
pub(super) fn field_validation(validate: &str) -> Result<&'static str> {
    match validate {
        "strict" | "true" => Ok("Strict"),
        "warn" => Ok("Warn"),
        "ignore" | "false" => Ok("Ignore"),
        other => fail!("invalid - validate option {other:?}"),
    }
}

/// Runs the command.
pub async fn run(args: ApplyArgs, context: &Context) -> Result<()> {
    if args.files.is_empty() {
        fail!("must specify one of -f and -k");
    }
    let output = Output::parse(args.output.as_deref())?;
    let selector = Selector::parse(args.selector.as_deref().unwrap_or_default())
        .map_err(|error| CliError::message(error.to_string()))?;
    let (manifests, mut errors) = manifest::read(&args.files, context).await?;
    for manifest in manifests {
        if !selector.matches(&manifest.row.selectable(&manifest.object).labels) {
            continue;
        }
        match apply(&args, &manifest, context).await {
            Ok((object, done)) if output.is_table() => {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                let text = args.dry_run.message(&format!("{} {done}", full_name(manifest.row, name)));
                context.console.line(&text);
            }
            Ok((object, _)) => context.console.print(&output.render(&object)?),
            Err(error) => errors.push(error),
        }
    }
    CliError::all(errors)
}

async fn apply(args: &ApplyArgs, manifest: &Manifest, context: &Context) -> Result<(Value, &'static str)> {
    let Manifest { row, source, .. } = manifest;
    let name = manifest.name();
    if name.is_empty() {
        if let Some(prefix) = manifest.object["metadata"]["generateName"].as_str() {
            fail!("from {prefix}: cannot use generate name with apply");
        }
        fail!("error when retrieving current configuration of: {source:?}: resource name may not be empty");
    }
    let namespace = manifest.namespace(context.explicit_namespace.as_deref())?;
    let modified = with_last_applied(&manifest.object, &namespace);
    let query = || -> Result<Query> {
        Ok(args
            .dry_run
            .query()
            .with("fieldManager", APPLY_MANAGER)
            .with("fieldValidation", field_validation(&args.validate)?))
    };
    let mut tries = 0;
    loop {
        tries += 1;
        let target = Target::of(row, &namespace, name).as_in(&manifest.object);
        let current = match context.get_as(&target).await {
            Ok(current) => current,
            Err(error) if error.is(Reason::NotFound) => {
                let created = if args.dry_run.is_client() {
                    modified
                } else {
                    context
                        .create(row, &namespace, &modified, query()?)
                        .await
                        .map_err(|error| error.about_source("creating", source))?
                };
                return Ok((created, "created"));
            }
            Err(error) => return Err(error.about_source("retrieving current configuration of", source)),
        };
        let patch = patch(row, &modified, &current, context);
        if patch.as_object().is_some_and(serde_json::Map::is_empty) {
            return Ok((current, "unchanged"));
        }
        if args.dry_run.is_client() {
            return Ok((modified, "configured"));
        }
        match context.patch(&target, PatchKind::Strategic, &patch, query()?).await {
            Ok(object) => return Ok((object, "configured")),
            Err(error) if error.is(Reason::Conflict) && tries < CONFLICT_LIMIT => {}
            Err(error) => return Err(error.about_source("applying patch", source)),
        }
    }
}

fn patch(row: &KindRow, modified: &Value, current: &Value, context: &Context) -> Value {
    let annotation = current["metadata"]["annotations"][LAST_APPLIED].as_str();
    if annotation.is_none() {
        let name = current["metadata"]["name"].as_str().unwrap_or_default();
        context.console.error_line(&format!(
            "Warning: resource {}/{name} is missing the {LAST_APPLIED} annotation which is required by kubus apply. \
             kubus apply should only be used on resources created declaratively by either kubus create --save-config \
             or kubus apply. The missing annotation will be patched automatically.",
            row.plural
        ));
    }
    let original = annotation.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| json!({}));
    merge::three_way(row, &original, modified, current)
}

/// The object as it is sent: in its namespace, with itself in the annotation that the next `apply` compares with.
pub(super) fn with_last_applied(object: &Value, namespace: &str) -> Value {
    let mut object = object.clone();
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = json!(namespace);
    }
    match object["metadata"]["annotations"].as_object_mut() {
        Some(annotations) => {
            annotations.remove(LAST_APPLIED);
        }
        None => object["metadata"]["annotations"] = json!({}),
    }
    let text = format!("{}\n", sorted(&object));
    object["metadata"]["annotations"][LAST_APPLIED] = json!(text);
    object
}
