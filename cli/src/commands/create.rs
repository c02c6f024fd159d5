//! `kubus create`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_create/>.

mod deployment;
mod map;

use super::apply::{field_validation, with_last_applied};
use super::dry_run::DryRunArgs;
use crate::context::{Context, Query};
use crate::error::{CliError, Result};
use crate::fail;
use crate::manifest::{self, FileArgs};
use crate::printer::{Output, full_name};
use clap::{Args, Subcommand};
use kubus_proto::{KindRow, kinds};
use serde_json::{Value, json};

/// Create a resource from a file or by flags
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct CreateArgs {
    #[command(subcommand)]
    what: Option<CreateCommand>,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// What every form of the command takes.
#[derive(Args, Clone, Debug, Default)]
struct CommonArgs {
    /// Output format: yaml, json, name, jsonpath=...
    #[arg(short = 'o', long, value_name = "FORMAT")]
    output: Option<String>,
    #[command(flatten)]
    dry_run: DryRunArgs,
    /// Keep the object in an annotation for a later apply
    #[arg(long)]
    save_config: bool,
    /// What to do about fields that are not known: strict, warn, ignore
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "strict", default_missing_value = "strict")]
    validate: String,
}

#[derive(Subcommand, Clone, Debug)]
enum CreateCommand {
    /// Create a deployment
    #[command(visible_alias = "deploy")]
    Deployment {
        #[command(flatten)]
        args: deployment::DeploymentArgs,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Create a namespace
    #[command(visible_alias = "ns")]
    Namespace {
        /// Its name
        name: String,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Create a config map from files and values
    #[command(visible_alias = "cm")]
    Configmap {
        #[command(flatten)]
        args: map::MapArgs,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Create a secret from files and values
    Secret {
        #[command(subcommand)]
        kind: SecretCommand,
    },
}

#[derive(Subcommand, Clone, Debug)]
enum SecretCommand {
    /// Create a secret from files and values
    Generic {
        #[command(flatten)]
        args: map::MapArgs,
        /// Type of the secret
        #[arg(long = "type", value_name = "TYPE")]
        secret_type: Option<String>,
        #[command(flatten)]
        common: CommonArgs,
    },
}

/// Runs the command.
pub async fn run(args: CreateArgs, context: &Context) -> Result<()> {
    let (object, common) = match args.what {
        None => return from_files(&args.files, &args.common, context).await,
        Some(CreateCommand::Deployment { args, common }) => (deployment::object(&args)?, common),
        Some(CreateCommand::Namespace { name, common }) => {
            (json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}), common)
        }
        Some(CreateCommand::Configmap { args, common }) => (map::config_map(&args)?, common),
        Some(CreateCommand::Secret { kind: SecretCommand::Generic { args, secret_type, common } }) => {
            (map::secret(&args, secret_type.as_deref())?, common)
        }
    };
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    let Some(row) = kinds::by_kind(text("apiVersion"), text("kind")) else {
        fail!("there is no kind {} here", text("kind"));
    };
    create(row, &context.namespace_of(row), &object, "", &common, context).await
}

async fn from_files(files: &FileArgs, common: &CommonArgs, context: &Context) -> Result<()> {
    if files.is_empty() {
        fail!("must specify one of -f and -k, or what to create (see 'kubus create --help')");
    }
    let (manifests, mut errors) = manifest::read(files, &context.console)?;
    for manifest in manifests {
        let namespace = manifest.namespace(context.explicit_namespace.as_deref())?;
        if let Err(error) = create(manifest.row, &namespace, &manifest.object, &manifest.source, common, context).await
        {
            errors.push(error);
        }
    }
    CliError::all(errors)
}

async fn create(
    row: &'static KindRow,
    namespace: &str,
    object: &Value,
    source: &str,
    common: &CommonArgs,
    context: &Context,
) -> Result<()> {
    let output = Output::parse(common.output.as_deref())?;
    let mut object = if common.save_config { with_last_applied(object, namespace) } else { object.clone() };
    if !common.dry_run.is_client() {
        let query: Query = common
            .dry_run
            .query()
            .with("fieldManager", "kubectl-create")
            .with("fieldValidation", field_validation(&common.validate)?);
        object = context
            .create(row, namespace, &object, query)
            .await
            .map_err(|error| error.about_source("creating", source))?;
    }
    if output.is_table() {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let text = common.dry_run.message(&format!("{} created", full_name(row, name)));
        context.console.line(&text);
    } else {
        context.console.print(&output.render(&object)?);
    }
    Ok(())
}
