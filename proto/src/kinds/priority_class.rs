//! PriorityClass: how important pods are that name it.

use super::{KindRow, PLAIN, cells};
use crate::table::{AGE, NAME, boolean, integer, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of PriorityClass.
pub static ROW: KindRow = KindRow {
    group: "scheduling.k8s.io",
    kind: "PriorityClass",
    plural: "priorityclasses",
    singular: "priorityclass",
    short_names: &["pc"],
    namespaced: false,
    columns: &[NAME, integer("Value"), boolean("Global-Default"), AGE, text("PreemptionPolicy")],
    cells: class_cells,
    ..PLAIN
};

fn class_cells(class: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        cells::name(class),
        json!(cells::number(&class["value"])),
        json!(class["globalDefault"] == true),
        cells::age(class, now),
        json!(class["preemptionPolicy"].as_str().unwrap_or("PreemptLowerPriority")),
    ]
}
