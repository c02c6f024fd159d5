//! ResourceSlice: devices that a driver offers.

use super::{KindRow, PLAIN, cells};
use crate::table::{AGE, NAME, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of ResourceSlice.
pub static ROW: KindRow = KindRow {
    group: "resource.k8s.io",
    kind: "ResourceSlice",
    plural: "resourceslices",
    singular: "resourceslice",
    namespaced: false,
    columns: &[NAME, text("Node"), text("Driver"), text("Pool"), AGE],
    cells: slice_cells,
    fields: |o| {
        vec![
            ("spec.nodeName", cells::string(&o["spec"]["nodeName"])),
            ("spec.driver", cells::string(&o["spec"]["driver"])),
        ]
    },
    ..PLAIN
};

fn slice_cells(slice: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &slice["spec"];
    vec![
        cells::name(slice),
        json!(cells::string(&spec["nodeName"])),
        json!(cells::string(&spec["driver"])),
        json!(cells::string(&spec["pool"]["name"])),
        cells::age(slice, now),
    ]
}
