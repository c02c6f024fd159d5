//! `kubus rollout`: <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/>.

pub(crate) mod history;
mod status;

use crate::context::{Context, PatchKind, Query, Target};
use crate::error::{CliError, Result};
use crate::fail;
use crate::manifest::FileArgs;
use crate::printer::full_name;
use crate::selection::{Selected, Selection, SelectorArgs, select};
use crate::watching::parse_duration;
use clap::{Args, Subcommand};
use kubus_proto::kinds::deployment;
use serde_json::{Value, json};
use std::time::Duration;

/// Status, history, undo, restart, pause and resume of rollouts
#[derive(Args, Clone, Debug)]
pub struct RolloutArgs {
    #[command(subcommand)]
    what: RolloutCommand,
}

/// Which deployments.
#[derive(Args, Clone, Debug)]
struct WhichArgs {
    /// TYPE NAME or TYPE/NAME
    #[arg(value_name = "RESOURCE")]
    resources: Vec<String>,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    selectors: SelectorArgs,
}

#[derive(Subcommand, Clone, Debug)]
enum RolloutCommand {
    /// Show how far a rollout is, until it is done
    Status {
        #[command(flatten)]
        which: WhichArgs,
        /// Wait until it is done
        #[arg(short = 'w', long, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
        watch: bool,
        /// How long to wait, e.g. 30s; 0 for as long as it takes
        #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
        timeout: Option<Duration>,
    },
    /// View the revisions of a rollout
    History {
        #[command(flatten)]
        which: WhichArgs,
        /// Details of one revision
        #[arg(long, value_name = "N", default_value_t = 0)]
        revision: i64,
    },
    /// Go back to an earlier revision
    Undo {
        #[command(flatten)]
        which: WhichArgs,
        /// The revision to go back to, 0 for the one before
        #[arg(long, value_name = "N", default_value_t = 0)]
        to_revision: i64,
    },
    /// Replace every pod by a new one
    Restart {
        #[command(flatten)]
        which: WhichArgs,
    },
    /// Hold a rollout
    Pause {
        #[command(flatten)]
        which: WhichArgs,
    },
    /// Let a held rollout go on
    Resume {
        #[command(flatten)]
        which: WhichArgs,
    },
}

/// Runs the command.
pub async fn run(args: RolloutArgs, context: &Context) -> Result<()> {
    let which = match &args.what {
        RolloutCommand::Status { which, .. }
        | RolloutCommand::History { which, .. }
        | RolloutCommand::Undo { which, .. }
        | RolloutCommand::Restart { which }
        | RolloutCommand::Pause { which }
        | RolloutCommand::Resume { which } => which,
    };
    let selection = Selection {
        words: &which.resources,
        files: &which.files,
        selectors: &which.selectors,
        all: false,
        all_namespaces: false,
    };
    let (objects, mut errors) = select(context, &selection).await?;
    for selected in objects {
        if let Err(error) = one(&args.what, &selected, context).await {
            errors.push(error);
        }
    }
    CliError::all(errors)
}

async fn one(command: &RolloutCommand, selected: &Selected, context: &Context) -> Result<()> {
    if !std::ptr::eq(selected.row, &raw const deployment::ROW) {
        fail!("{} {:?}: only deployments have rollouts here", selected.row.qualified(), selected.name());
    }
    match command {
        RolloutCommand::Status { watch, timeout, .. } => status::run(selected, *watch, *timeout, context).await,
        RolloutCommand::History { revision, .. } => history::show(selected, *revision, context).await,
        RolloutCommand::Undo { to_revision, .. } => history::undo(selected, *to_revision, context).await,
        RolloutCommand::Restart { .. } => {
            if is_paused(&selected.object) {
                fail!(
                    "{} {:?} can't restart paused deployment (run rollout resume first)",
                    selected.row.plural,
                    selected.name()
                );
            }
            let now = context.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            let annotations = json!({"kubectl.kubernetes.io/restartedAt": now});
            change(
                selected,
                &json!({"spec": {"template": {"metadata": {"annotations": annotations}}}}),
                "restarted",
                context,
            )
            .await
        }
        RolloutCommand::Pause { .. } if is_paused(&selected.object) => {
            fail!("{} {:?} is already paused", selected.row.qualified(), selected.name())
        }
        RolloutCommand::Pause { .. } => change(selected, &json!({"spec": {"paused": true}}), "paused", context).await,
        RolloutCommand::Resume { .. } if !is_paused(&selected.object) => {
            fail!("{} {:?} is not paused", selected.row.qualified(), selected.name())
        }
        RolloutCommand::Resume { .. } => change(selected, &json!({"spec": {"paused": null}}), "resumed", context).await,
    }
}

fn is_paused(object: &Value) -> bool {
    object["spec"]["paused"] == true
}

async fn change(selected: &Selected, patch: &Value, done: &str, context: &Context) -> Result<()> {
    let target = Target::object(selected.row, &selected.object);
    context.patch(&target, PatchKind::Strategic, patch, Query::new().with("fieldManager", "kubectl-rollout")).await?;
    context.console.line(&format!("{} {done}", full_name(selected.row, selected.name())));
    Ok(())
}
