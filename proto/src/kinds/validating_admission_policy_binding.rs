//! ValidatingAdmissionPolicyBinding: where a ValidatingAdmissionPolicy holds, and with what parameters.

use super::{KindRow, PLAIN, cells};
use crate::table::{AGE, NAME, text};

/// Row of ValidatingAdmissionPolicyBinding.
pub static ROW: KindRow = KindRow {
    group: "admissionregistration.k8s.io",
    kind: "ValidatingAdmissionPolicyBinding",
    plural: "validatingadmissionpolicybindings",
    singular: "validatingadmissionpolicybinding",
    namespaced: false,
    categories: &["api-extensions"],
    columns: &[NAME, text("PolicyName"), text("ParamRef"), AGE],
    cells: cells::policy_binding_cells,
    ..PLAIN
};
