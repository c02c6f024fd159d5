//! VolumeAttributesClass: properties of volumes that may change while they are used.

use super::{KindRow, PLAIN, cells};
use crate::table::{AGE, NAME, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of VolumeAttributesClass.
pub static ROW: KindRow = KindRow {
    group: "storage.k8s.io",
    kind: "VolumeAttributesClass",
    plural: "volumeattributesclasses",
    singular: "volumeattributesclass",
    short_names: &["vac"],
    namespaced: false,
    columns: &[NAME, text("DriverName"), AGE],
    cells: class_cells,
    ..PLAIN
};

/// Annotation of the class that is taken where none is named.
const DEFAULT_ANNOTATION: &str = "storage.alpha.kubernetes.io/is-default-volume-attributes-class";

fn class_cells(class: &Value, now: Timestamp) -> Vec<Value> {
    let is_default = class["metadata"]["annotations"][DEFAULT_ANNOTATION] == "true";
    let mark = if is_default { " (default)" } else { "" };
    vec![
        json!(format!("{}{mark}", cells::string(&cells::name(class)))),
        json!(cells::string(&class["driverName"])),
        cells::age(class, now),
    ]
}
