//! CSINode: the storage drivers of a node.

use super::{KindRow, PLAIN, cells};
use crate::table::{AGE, NAME, integer};
use serde_json::json;

/// Row of CSINode.
pub static ROW: KindRow = KindRow {
    group: "storage.k8s.io",
    kind: "CSINode",
    plural: "csinodes",
    singular: "csinode",
    namespaced: false,
    columns: &[NAME, integer("Drivers"), AGE],
    cells: |o, now| vec![cells::name(o), json!(cells::list(&o["spec"]["drivers"]).count()), cells::age(o, now)],
    ..PLAIN
};
