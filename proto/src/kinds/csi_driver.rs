//! CSIDriver: what a storage driver can do.

use super::{KindRow, PLAIN, cells};
use crate::table::{AGE, NAME, boolean, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of CSIDriver.
pub static ROW: KindRow = KindRow {
    group: "storage.k8s.io",
    kind: "CSIDriver",
    plural: "csidrivers",
    singular: "csidriver",
    namespaced: false,
    columns: &[
        NAME,
        boolean("AttachRequired"),
        boolean("PodInfoOnMount"),
        boolean("StorageCapacity"),
        text("TokenRequests"),
        boolean("RequiresRepublish"),
        text("Modes"),
        AGE,
    ],
    cells: driver_cells,
    ..PLAIN
};

fn driver_cells(driver: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &driver["spec"];
    let tokens = match &spec["tokenRequests"] {
        Value::Null => "<unset>".to_owned(),
        some => cells::list(some).map(|token| cells::string(&token["audience"])).collect::<Vec<_>>().join(","),
    };
    vec![
        cells::name(driver),
        json!(spec["attachRequired"].as_bool().unwrap_or(true)),
        json!(spec["podInfoOnMount"] == true),
        json!(spec["storageCapacity"] == true),
        json!(tokens),
        json!(spec["requiresRepublish"] == true),
        cells::or_none(cells::joined(&spec["volumeLifecycleModes"], ",")),
        cells::age(driver, now),
    ]
}
