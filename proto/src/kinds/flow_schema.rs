//! FlowSchema: which requests are of which priority level.

use super::{KindRow, PLAIN, cells, status};
use crate::table::{AGE, NAME, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of FlowSchema.
pub static ROW: KindRow = KindRow {
    group: "flowcontrol.apiserver.k8s.io",
    kind: "FlowSchema",
    plural: "flowschemas",
    singular: "flowschema",
    namespaced: false,
    subresources: &[status("FlowSchema")],
    columns: &[
        NAME,
        text("PriorityLevel"),
        text("MatchingPrecedence"),
        text("DistinguisherMethod"),
        AGE,
        text("MissingPL"),
    ],
    cells: flow_cells,
    ..PLAIN
};

fn flow_cells(flow: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &flow["spec"];
    let dangling = cells::list(&flow["status"]["conditions"]).find(|condition| condition["type"] == "Dangling");
    vec![
        cells::name(flow),
        json!(cells::string(&spec["priorityLevelConfiguration"]["name"])),
        json!(cells::number(&spec["matchingPrecedence"])),
        cells::or_none(cells::string(&spec["distinguisherMethod"]["type"])),
        cells::age(flow, now),
        json!(dangling.map_or_else(|| "?".to_owned(), |condition| cells::string(&condition["status"]))),
    ]
}
