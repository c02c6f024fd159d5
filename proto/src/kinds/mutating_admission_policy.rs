//! MutatingAdmissionPolicy: expressions that change objects.

use super::{KindRow, PLAIN, cells};
use crate::table::{AGE, NAME, integer, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of MutatingAdmissionPolicy.
pub static ROW: KindRow = KindRow {
    group: "admissionregistration.k8s.io",
    kind: "MutatingAdmissionPolicy",
    plural: "mutatingadmissionpolicies",
    singular: "mutatingadmissionpolicy",
    namespaced: false,
    categories: &["api-extensions"],
    columns: &[NAME, integer("Mutations"), text("ParamKind"), AGE],
    cells: policy_cells,
    ..PLAIN
};

fn policy_cells(policy: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &policy["spec"];
    vec![
        cells::name(policy),
        json!(cells::list(&spec["mutations"]).count()),
        cells::param_kind(&spec["paramKind"]),
        cells::age(policy, now),
    ]
}
