//! StorageClass: how volumes of a kind are made.

use super::{KindRow, PLAIN, cells};
use crate::table::{AGE, NAME, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of StorageClass.
pub static ROW: KindRow = KindRow {
    group: "storage.k8s.io",
    kind: "StorageClass",
    plural: "storageclasses",
    singular: "storageclass",
    short_names: &["sc"],
    namespaced: false,
    columns: &[
        NAME,
        text("Provisioner"),
        text("ReclaimPolicy"),
        text("VolumeBindingMode"),
        text("AllowVolumeExpansion"),
        AGE,
    ],
    cells: class_cells,
    ..PLAIN
};

/// Annotations that make a class the one that is taken where none is named.
const DEFAULT_ANNOTATIONS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

/// Whether volumes that name no class are of this one.
pub fn is_default(class: &Value) -> bool {
    DEFAULT_ANNOTATIONS.iter().any(|key| class["metadata"]["annotations"][*key] == "true")
}

fn class_cells(class: &Value, now: Timestamp) -> Vec<Value> {
    let mark = if is_default(class) { " (default)" } else { "" };
    let or = |key: &str, default: &str| json!(class[key].as_str().unwrap_or(default));
    vec![
        json!(format!("{}{mark}", cells::string(&cells::name(class)))),
        json!(cells::string(&class["provisioner"])),
        or("reclaimPolicy", "Delete"),
        or("volumeBindingMode", "Immediate"),
        json!(class["allowVolumeExpansion"] == true),
        cells::age(class, now),
    ]
}
