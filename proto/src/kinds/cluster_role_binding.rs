//! ClusterRoleBinding: who has a role everywhere.

use super::cells::binding_cells;
use super::{ALL_VERBS, KindRow, no_fields, no_scope};
use crate::table::{AGE, NAME, text, wide};

/// Row of ClusterRoleBinding.
pub static ROW: KindRow = KindRow {
    group: "rbac.authorization.k8s.io",
    version: "v1",
    older_versions: &[],
    kind: "ClusterRoleBinding",
    plural: "clusterrolebindings",
    singular: "clusterrolebinding",
    short_names: &[],
    namespaced: false,
    categories: &[],
    verbs: ALL_VERBS,
    subresources: &[],
    columns: &[NAME, text("Role"), AGE, wide("Users"), wide("Groups"), wide("ServiceAccounts")],
    cells: binding_cells,
    fields: no_fields,
    scope: no_scope,
};
