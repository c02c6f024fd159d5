//! `kubus create priorityclass NAME --value=1000`.

use clap::Args;
use serde_json::{Value, json};

/// A priority class by flags.
#[derive(Args, Clone, Debug)]
pub(super) struct PriorityClassArgs {
    /// Its name
    name: String,
    /// The number behind it
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    value: i32,
    /// Whether pods without a class get this one
    #[arg(long)]
    global_default: bool,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// Whether its pods may push others off a node: PreemptLowerPriority, Never
    #[arg(long, value_name = "POLICY", default_value = "PreemptLowerPriority")]
    preemption_policy: String,
}

/// The object.
pub(super) fn object(args: &PriorityClassArgs) -> Value {
    let mut class = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": args.name},
        "value": args.value, "preemptionPolicy": args.preemption_policy,
    });
    if args.global_default {
        class["globalDefault"] = json!(true);
    }
    if !args.description.is_empty() {
        class["description"] = json!(args.description);
    }
    class
}
