//! `kubus create`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_create/>.

mod cron_job;
mod deployment;
mod disruption_budget;
mod ingress;
mod job;
mod map;
mod priority_class;
mod quota;
mod secret;
mod service;

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
pub(super) struct CommonArgs {
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
    /// Create a cron job
    #[command(visible_alias = "cj")]
    Cronjob {
        #[command(flatten)]
        args: cron_job::CronJobArgs,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Create an ingress
    #[command(visible_alias = "ing")]
    Ingress {
        #[command(flatten)]
        args: ingress::IngressArgs,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Create a job
    Job {
        #[command(flatten)]
        args: job::JobArgs,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Create a pod disruption budget
    #[command(visible_alias = "pdb")]
    Poddisruptionbudget {
        #[command(flatten)]
        args: disruption_budget::DisruptionBudgetArgs,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Create a priority class
    #[command(visible_alias = "pc")]
    Priorityclass {
        #[command(flatten)]
        args: priority_class::PriorityClassArgs,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Create a resource quota
    #[command(visible_alias = "resourcequota")]
    Quota {
        #[command(flatten)]
        args: quota::QuotaArgs,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Create a secret of a kind
    Secret {
        #[command(subcommand)]
        kind: SecretCommand,
    },
    /// Create a service of a type
    #[command(visible_alias = "svc")]
    Service {
        #[command(subcommand)]
        kind: ServiceCommand,
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
    /// Create a secret of a key and its certificate
    Tls {
        #[command(flatten)]
        args: secret::TlsArgs,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Create a secret of an account at a registry
    DockerRegistry {
        #[command(flatten)]
        args: secret::RegistryArgs,
        #[command(flatten)]
        common: CommonArgs,
    },
}

#[derive(Subcommand, Clone, Debug)]
enum ServiceCommand {
    /// Create a service with an address in the cluster
    Clusterip {
        #[command(flatten)]
        args: service::ClusterIpArgs,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Create a service with a port on every node
    Nodeport {
        #[command(flatten)]
        args: service::NodePortArgs,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Create a service with a load balancer in front
    Loadbalancer {
        #[command(flatten)]
        args: service::ServiceArgs,
        #[command(flatten)]
        common: CommonArgs,
    },
    /// Create a service that stands for a name elsewhere
    Externalname {
        #[command(flatten)]
        args: service::ExternalNameArgs,
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
        Some(CreateCommand::Cronjob { args, common }) => (cron_job::object(&args), common),
        Some(CreateCommand::Ingress { args, common }) => (ingress::object(&args)?, common),
        Some(CreateCommand::Job { args, common }) => (job::object(&args, context).await?, common),
        Some(CreateCommand::Poddisruptionbudget { args, common }) => (disruption_budget::object(&args)?, common),
        Some(CreateCommand::Priorityclass { args, common }) => (priority_class::object(&args), common),
        Some(CreateCommand::Quota { args, common }) => (quota::object(&args)?, common),
        Some(CreateCommand::Secret { kind }) => match kind {
            SecretCommand::Generic { args, secret_type, common } => {
                (map::secret(&args, secret_type.as_deref())?, common)
            }
            SecretCommand::Tls { args, common } => (secret::tls(&args)?, common),
            SecretCommand::DockerRegistry { args, common } => (secret::registry(&args), common),
        },
        Some(CreateCommand::Service { kind }) => match kind {
            ServiceCommand::Clusterip { args, common } => (service::cluster_ip(&args)?, common),
            ServiceCommand::Nodeport { args, common } => (service::node_port(&args)?, common),
            ServiceCommand::Loadbalancer { args, common } => (service::load_balancer(&args)?, common),
            ServiceCommand::Externalname { args, common } => (service::external_name(&args)?, common),
        },
    };
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    let Some(row) = kinds::by_kind(text("apiVersion"), text("kind")) else {
        fail!("there is no kind {} here", text("kind"));
    };
    create(row, &context.namespace_of(row), &object, "", &common, context).await
}

/// Creates an object that another command made; `done` says what became of it (`exposed`).
pub(super) async fn made(
    object: &Value,
    manager: &str,
    done: &str,
    common: &CommonArgs,
    context: &Context,
) -> Result<()> {
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    let Some(row) = kinds::by_kind(text("apiVersion"), text("kind")) else {
        fail!("there is no kind {} here", text("kind"));
    };
    submit(row, &context.namespace_of(row), object, "", common, (manager, done), context).await
}

async fn from_files(files: &FileArgs, common: &CommonArgs, context: &Context) -> Result<()> {
    if files.is_empty() {
        fail!("must specify one of -f and -k, or what to create (see 'kubus create --help')");
    }
    let (manifests, mut errors) = manifest::read(files, context).await?;
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
    submit(row, namespace, object, source, common, ("kubectl-create", "created"), context).await
}

/// Creates an object as the field manager, and says what was done.
async fn submit(
    row: &'static KindRow,
    namespace: &str,
    object: &Value,
    source: &str,
    common: &CommonArgs,
    (manager, done): (&str, &str),
    context: &Context,
) -> Result<()> {
    let output = Output::parse(common.output.as_deref())?;
    let mut object = if common.save_config { with_last_applied(object, namespace) } else { object.clone() };
    if !common.dry_run.is_client() {
        let query: Query = common
            .dry_run
            .query()
            .with("fieldManager", manager)
            .with("fieldValidation", field_validation(&common.validate)?);
        object = context
            .create(row, namespace, &object, query)
            .await
            .map_err(|error| error.about_source("creating", source))?;
    }
    if output.is_table() {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let text = common.dry_run.message(&format!("{} {done}", full_name(row, name)));
        context.console.line(&text);
    } else {
        context.console.print(&output.render(&object)?);
    }
    Ok(())
}

/// `a=b,c=d` as the selector of an object that has one.
pub(super) fn match_labels(selector: &str) -> Result<Value> {
    let mut labels = json!({});
    for pair in selector.split(',').filter(|pair| !pair.is_empty()) {
        let Some((key, value)) = pair.split_once('=') else {
            fail!("invalid selector {selector:?}: it must be KEY=VALUE[,KEY=VALUE...]");
        };
        labels[key.trim_end_matches('=')] = json!(value.trim_start_matches('='));
    }
    Ok(json!({"matchLabels": labels}))
}

#[cfg(test)]
mod tests;
