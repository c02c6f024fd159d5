//! ValidatingAdmissionPolicy: expressions that objects must satisfy.

use super::{KindRow, PLAIN, cells, status};
use crate::table::{AGE, NAME, integer, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of ValidatingAdmissionPolicy.
pub static ROW: KindRow = KindRow {
    group: "admissionregistration.k8s.io",
    kind: "ValidatingAdmissionPolicy",
    plural: "validatingadmissionpolicies",
    singular: "validatingadmissionpolicy",
    namespaced: false,
    categories: &["api-extensions"],
    subresources: &[status("ValidatingAdmissionPolicy")],
    columns: &[NAME, integer("Validations"), text("ParamKind"), AGE],
    cells: policy_cells,
    ..PLAIN
};

fn policy_cells(policy: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &policy["spec"];
    vec![
        cells::name(policy),
        json!(cells::list(&spec["validations"]).count()),
        cells::param_kind(&spec["paramKind"]),
        cells::age(policy, now),
    ]
}
