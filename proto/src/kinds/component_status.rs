//! ComponentStatus: whether a part of the control plane is well. Nothing of it is stored.

use super::{KindRow, PLAIN, Verb, cells};
use crate::table::{NAME, text};
use serde_json::{Value, json};

/// Row of ComponentStatus.
pub static ROW: KindRow = KindRow {
    kind: "ComponentStatus",
    plural: "componentstatuses",
    singular: "componentstatus",
    short_names: &["cs"],
    namespaced: false,
    verbs: &[Verb::Get, Verb::List],
    columns: &[NAME, text("Status"), text("Message"), text("Error")],
    cells: |o, _| component_cells(o),
    ..PLAIN
};

fn component_cells(component: &Value) -> Vec<Value> {
    let conditions = component["conditions"].as_array();
    let health = conditions.into_iter().flatten().find(|c| c["type"] == "Healthy");
    let status = match health {
        Some(condition) if condition["status"] == "True" => "Healthy",
        Some(_) => "Unhealthy",
        None => "Unknown",
    };
    let part = |key: &str| json!(health.map(|c| cells::string(&c[key])).unwrap_or_default());
    vec![cells::name(component), json!(status), part("message"), part("error")]
}
