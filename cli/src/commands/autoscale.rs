//! `kubus autoscale`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_autoscale/>.

use super::create::{self, CommonArgs};
use crate::context::Context;
use crate::error::{CliError, Result};
use crate::fail;
use crate::manifest::FileArgs;
use crate::printer::full_name;
use crate::selection::{Selected, Selection, SelectorArgs, select};
use clap::Args;
use serde_json::{Value, json};

/// Field manager of what this command makes.
const MANAGER: &str = "kubectl-autoscale";

/// Let a deployment, replica set, stateful set or replication controller be scaled by its load
#[derive(Args, Clone, Debug)]
pub struct AutoscaleArgs {
    /// TYPE NAME or TYPE/NAME
    #[arg(value_name = "RESOURCE")]
    resources: Vec<String>,
    #[command(flatten)]
    files: FileArgs,
    /// Fewest pods
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true)]
    min: i64,
    /// Most pods
    #[arg(long, value_name = "N", required = true, allow_negative_numbers = true)]
    max: i64,
    /// Share of the requested CPU to aim for, in percent
    #[arg(long, value_name = "PERCENT")]
    cpu_percent: Option<u32>,
    /// Name of the autoscaler [default: the object's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    common: CommonArgs,
}

/// Runs the command.
pub async fn run(args: AutoscaleArgs, context: &Context) -> Result<()> {
    if args.max < 1 {
        fail!("--max=MAXPODS is required and must be at least 1, max: {}", args.max);
    }
    if args.max < args.min {
        fail!("--max=MAXPODS must be larger or equal to --min=MINPODS, max: {}, min: {}", args.max, args.min);
    }
    let selectors = SelectorArgs::default();
    let selection = Selection {
        words: &args.resources,
        files: &args.files,
        selectors: &selectors,
        all: false,
        all_namespaces: false,
    };
    let (objects, mut errors) = select(context, &selection).await?;
    if objects.is_empty() && errors.is_empty() {
        fail!("You must provide one or more resources by argument or filename.");
    }
    for selected in objects {
        let made = match autoscaler(&args, &selected) {
            Ok(object) => create::made(&object, MANAGER, "autoscaled", &args.common, context).await,
            Err(error) => Err(error),
        };
        if let Err(error) = made {
            errors.push(error);
        }
    }
    CliError::all(errors)
}

fn autoscaler(args: &AutoscaleArgs, selected: &Selected) -> Result<Value> {
    let row = selected.row;
    if row.subresource("scale").is_none() {
        fail!("cannot autoscale a {}: it has no scale subresource", full_name(row, selected.name()));
    }
    let mut spec = json!({
        "maxReplicas": args.max,
        "scaleTargetRef": {"apiVersion": row.api_version(), "kind": row.kind, "name": selected.name()},
    });
    if args.min > 0 {
        spec["minReplicas"] = json!(args.min);
    }
    if let Some(percent) = args.cpu_percent {
        let target = json!({"type": "Utilization", "averageUtilization": percent});
        spec["metrics"] = json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]);
    }
    let name = args.name.as_deref().unwrap_or(selected.name());
    Ok(json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name}, "spec": spec,
    }))
}
