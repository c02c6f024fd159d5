//! PriorityLevelConfiguration: how many requests of a level are served at once.

use super::{KindRow, PLAIN, cells, status};
use crate::table::{AGE, NAME, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of PriorityLevelConfiguration.
pub static ROW: KindRow = KindRow {
    group: "flowcontrol.apiserver.k8s.io",
    kind: "PriorityLevelConfiguration",
    plural: "prioritylevelconfigurations",
    singular: "prioritylevelconfiguration",
    namespaced: false,
    subresources: &[status("PriorityLevelConfiguration")],
    columns: &[
        NAME,
        text("Type"),
        text("NominalConcurrencyShares"),
        text("Queues"),
        text("HandSize"),
        text("QueueLengthLimit"),
        AGE,
    ],
    cells: level_cells,
    ..PLAIN
};

fn level_cells(level: &Value, now: Timestamp) -> Vec<Value> {
    let limited = &level["spec"]["limited"];
    let queuing = &limited["limitResponse"]["queuing"];
    let or_none = |value: &Value| if value.is_null() { json!("<none>") } else { value.clone() };
    vec![
        cells::name(level),
        json!(cells::string(&level["spec"]["type"])),
        or_none(&limited["nominalConcurrencyShares"]),
        or_none(&queuing["queues"]),
        or_none(&queuing["handSize"]),
        or_none(&queuing["queueLengthLimit"]),
        cells::age(level, now),
    ]
}
