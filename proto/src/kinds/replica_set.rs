//! ReplicaSet: keeps a number of pods of one template running.

use super::{ALL_VERBS, KindRow, SCALE, cells, no_scope, status};
use crate::table::{AGE, NAME, integer, wide};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of ReplicaSet.
pub static ROW: KindRow = KindRow {
    group: "apps",
    version: "v1",
    older_versions: &[],
    kind: "ReplicaSet",
    plural: "replicasets",
    singular: "replicaset",
    short_names: &["rs"],
    namespaced: true,
    categories: &["all"],
    verbs: ALL_VERBS,
    subresources: &[SCALE, status("ReplicaSet")],
    columns: &[
        NAME,
        integer("Desired"),
        integer("Current"),
        integer("Ready"),
        AGE,
        wide("Containers"),
        wide("Images"),
        wide("Selector"),
    ],
    cells: replica_cells,
    fields: |o| vec![("status.replicas", cells::number(&o["status"]["replicas"]).to_string())],
    scope: no_scope,
};

fn replica_cells(o: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&o["spec"], &o["status"]);
    vec![
        cells::name(o),
        json!(cells::number(&spec["replicas"])),
        json!(cells::number(&status["replicas"])),
        json!(cells::number(&status["readyReplicas"])),
        cells::age(o, now),
        cells::containers(&spec["template"]["spec"], "name"),
        cells::containers(&spec["template"]["spec"], "image"),
        cells::selector(&spec["selector"]),
    ]
}
