//! ClusterRole: rights in every namespace, on what lives in none, and on plain paths.

use super::{ALL_VERBS, KindRow, cells, no_fields, no_scope};
use crate::table::{CREATED, NAME};

/// Row of ClusterRole.
pub static ROW: KindRow = KindRow {
    group: "rbac.authorization.k8s.io",
    version: "v1",
    older_versions: &[],
    kind: "ClusterRole",
    plural: "clusterroles",
    singular: "clusterrole",
    short_names: &[],
    namespaced: false,
    categories: &[],
    verbs: ALL_VERBS,
    subresources: &[],
    columns: &[NAME, CREATED],
    cells: |o, _| vec![cells::name(o), cells::created(o)],
    fields: no_fields,
    scope: no_scope,
};
