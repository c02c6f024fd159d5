//! RuntimeClass: which runtime of a node runs a pod.

use super::{KindRow, PLAIN, cells};
use crate::table::{AGE, NAME, text};
use serde_json::json;

/// Row of RuntimeClass.
pub static ROW: KindRow = KindRow {
    group: "node.k8s.io",
    kind: "RuntimeClass",
    plural: "runtimeclasses",
    singular: "runtimeclass",
    namespaced: false,
    columns: &[NAME, text("Handler"), AGE],
    cells: |o, now| vec![cells::name(o), json!(cells::string(&o["handler"])), cells::age(o, now)],
    ..PLAIN
};
