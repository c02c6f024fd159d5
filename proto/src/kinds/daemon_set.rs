//! DaemonSet: one pod of a template on every node.

use super::{KindRow, PLAIN, cells, status};
use crate::table::{AGE, NAME, integer, text, wide};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of DaemonSet.
pub static ROW: KindRow = KindRow {
    group: "apps",
    kind: "DaemonSet",
    plural: "daemonsets",
    singular: "daemonset",
    short_names: &["ds"],
    categories: &["all"],
    subresources: &[status("DaemonSet")],
    columns: &[
        NAME,
        integer("Desired"),
        integer("Current"),
        integer("Ready"),
        integer("Up-to-date"),
        integer("Available"),
        text("Node Selector"),
        AGE,
        wide("Containers"),
        wide("Images"),
        wide("Selector"),
    ],
    cells: daemon_cells,
    ..PLAIN
};

fn daemon_cells(set: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&set["spec"], &set["status"]);
    let pods = &spec["template"]["spec"];
    let count = |key: &str| json!(cells::number(&status[key]));
    vec![
        cells::name(set),
        count("desiredNumberScheduled"),
        count("currentNumberScheduled"),
        count("numberReady"),
        count("updatedNumberScheduled"),
        count("numberAvailable"),
        cells::labels(&pods["nodeSelector"]),
        cells::age(set, now),
        cells::containers(pods, "name"),
        cells::containers(pods, "image"),
        cells::selector(&spec["selector"]),
    ]
}
