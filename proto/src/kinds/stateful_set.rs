//! StatefulSet: pods of a template with names and storage of their own.

use super::{KindRow, PLAIN, SCALE, cells, status};
use crate::table::{AGE, NAME, text, wide};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of StatefulSet.
pub static ROW: KindRow = KindRow {
    group: "apps",
    kind: "StatefulSet",
    plural: "statefulsets",
    singular: "statefulset",
    short_names: &["sts"],
    categories: &["all"],
    subresources: &[SCALE, status("StatefulSet")],
    columns: &[NAME, text("Ready"), AGE, wide("Containers"), wide("Images")],
    cells: stateful_cells,
    ..PLAIN
};

fn stateful_cells(set: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&set["spec"], &set["status"]);
    let pods = &spec["template"]["spec"];
    vec![
        cells::name(set),
        json!(format!("{}/{}", cells::number(&status["readyReplicas"]), cells::number(&spec["replicas"]))),
        cells::age(set, now),
        cells::containers(pods, "name"),
        cells::containers(pods, "image"),
    ]
}
