//! ReplicationController: the older form of ReplicaSet, with an equality selector.

use super::{ALL_VERBS, KindRow, SCALE, cells, no_scope, status};
use crate::table::{AGE, NAME, integer, wide};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of ReplicationController.
pub static ROW: KindRow = KindRow {
    group: "",
    version: "v1",
    older_versions: &[],
    kind: "ReplicationController",
    plural: "replicationcontrollers",
    singular: "replicationcontroller",
    short_names: &["rc"],
    namespaced: true,
    categories: &["all"],
    verbs: ALL_VERBS,
    subresources: &[SCALE, status("ReplicationController")],
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
        cells::selector(&json!({"matchLabels": spec["selector"]})),
    ]
}
