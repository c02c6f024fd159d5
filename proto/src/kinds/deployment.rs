//! Deployment: declarative updates of replicated pods.

use super::{ALL_VERBS, KindRow, SCALE, cells, no_fields, no_scope, status};
use crate::table::{AGE, NAME, text, wide};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of Deployment.
pub static ROW: KindRow = KindRow {
    group: "apps",
    version: "v1",
    older_versions: &[],
    kind: "Deployment",
    plural: "deployments",
    singular: "deployment",
    short_names: &["deploy"],
    namespaced: true,
    categories: &["all"],
    verbs: ALL_VERBS,
    subresources: &[SCALE, status("Deployment")],
    columns: &[
        NAME,
        text("Ready"),
        text("Up-to-date"),
        text("Available"),
        AGE,
        wide("Containers"),
        wide("Images"),
        wide("Selector"),
    ],
    cells: deployment_cells,
    fields: no_fields,
    scope: no_scope,
};

fn deployment_cells(o: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&o["spec"], &o["status"]);
    let count = |key: &str| cells::number(&status[key]);
    vec![
        cells::name(o),
        json!(format!("{}/{}", count("readyReplicas"), cells::number(&spec["replicas"]))),
        json!(count("updatedReplicas").to_string()),
        json!(count("availableReplicas").to_string()),
        cells::age(o, now),
        cells::containers(&spec["template"]["spec"], "name"),
        cells::containers(&spec["template"]["spec"], "image"),
        cells::selector(&spec["selector"]),
    ]
}
