//! IngressClass: who carries out Ingresses.

use super::{KindRow, PLAIN, cells};
use crate::table::{AGE, NAME, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of IngressClass.
pub static ROW: KindRow = KindRow {
    group: "networking.k8s.io",
    kind: "IngressClass",
    plural: "ingressclasses",
    singular: "ingressclass",
    namespaced: false,
    columns: &[NAME, text("Controller"), text("Parameters"), AGE],
    cells: class_cells,
    ..PLAIN
};

fn class_cells(class: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, parameters) = (&class["spec"], &class["spec"]["parameters"]);
    let group = parameters["apiGroup"].as_str().map(|group| format!(".{group}")).unwrap_or_default();
    let parameters = match parameters {
        Value::Null => String::new(),
        some => format!("{}{group}/{}", cells::string(&some["kind"]), cells::string(&some["name"])),
    };
    vec![
        cells::name(class),
        json!(cells::string(&spec["controller"])),
        cells::or_none(parameters),
        cells::age(class, now),
    ]
}
