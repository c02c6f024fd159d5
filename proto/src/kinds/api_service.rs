//! APIService: who serves a version of a group.

use super::{KindRow, PLAIN, cells, status};
use crate::table::{AGE, NAME, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of APIService.
pub static ROW: KindRow = KindRow {
    group: "apiregistration.k8s.io",
    kind: "APIService",
    plural: "apiservices",
    singular: "apiservice",
    namespaced: false,
    categories: &["api-extensions"],
    subresources: &[status("APIService")],
    columns: &[NAME, text("Service"), text("Available"), AGE],
    cells: service_cells,
    ..PLAIN
};

fn service_cells(api: &Value, now: Timestamp) -> Vec<Value> {
    let service = match &api["spec"]["service"] {
        Value::Null => "Local".to_owned(),
        some => format!("{}/{}", cells::string(&some["namespace"]), cells::string(&some["name"])),
    };
    let available = cells::list(&api["status"]["conditions"]).find(|condition| condition["type"] == "Available");
    let available =
        match available.map(|condition| (cells::string(&condition["status"]), cells::string(&condition["reason"]))) {
            None => "Unknown".to_owned(),
            Some((status, _)) if status == "True" => status,
            Some((status, reason)) => format!("{status} ({reason})"),
        };
    vec![cells::name(api), json!(service), json!(available), cells::age(api, now)]
}
