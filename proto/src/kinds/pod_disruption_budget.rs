//! PodDisruptionBudget: how many pods of a set may be evicted at a time.

use super::{KindRow, PLAIN, cells, status};
use crate::table::{AGE, NAME, integer, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of PodDisruptionBudget.
pub static ROW: KindRow = KindRow {
    group: "policy",
    kind: "PodDisruptionBudget",
    plural: "poddisruptionbudgets",
    singular: "poddisruptionbudget",
    short_names: &["pdb"],
    subresources: &[status("PodDisruptionBudget")],
    columns: &[NAME, text("Min Available"), text("Max Unavailable"), integer("Allowed Disruptions"), AGE],
    cells: budget_cells,
    ..PLAIN
};

fn budget_cells(budget: &Value, now: Timestamp) -> Vec<Value> {
    let amount = |key: &str| match &budget["spec"][key] {
        Value::Null => json!("N/A"),
        value => json!(cells::string(value)),
    };
    vec![
        cells::name(budget),
        amount("minAvailable"),
        amount("maxUnavailable"),
        json!(cells::number(&budget["status"]["disruptionsAllowed"])),
        cells::age(budget, now),
    ]
}
