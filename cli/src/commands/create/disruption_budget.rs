//! `kubus create poddisruptionbudget NAME --selector=SELECTOR --min-available=N`.

use super::match_labels;
use crate::error::Result;
use crate::fail;
use clap::Args;
use serde_json::{Value, json};

/// A disruption budget by flags.
#[derive(Args, Clone, Debug)]
pub(super) struct DisruptionBudgetArgs {
    /// Its name
    name: String,
    /// Labels of its pods
    #[arg(long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Number or percentage of pods that must be there
    #[arg(long, value_name = "N")]
    min_available: Option<String>,
    /// Number or percentage of pods that may be missing
    #[arg(long, value_name = "N")]
    max_unavailable: Option<String>,
}

/// The object.
pub(super) fn object(args: &DisruptionBudgetArgs) -> Result<Value> {
    let Some(selector) = args.selector.as_deref().filter(|s| !s.is_empty()) else {
        fail!("a selector must be specified");
    };
    let amount = |text: &str| text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number));
    let (key, value) = match (&args.min_available, &args.max_unavailable) {
        (Some(least), None) => ("minAvailable", amount(least)),
        (None, Some(most)) => ("maxUnavailable", amount(most)),
        (None, None) => fail!("one of min-available or max-unavailable must be specified"),
        (Some(_), Some(_)) => fail!("min-available and max-unavailable cannot be both specified"),
    };
    Ok(json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": args.name},
        "spec": {key: value, "selector": match_labels(selector)?},
    }))
}
