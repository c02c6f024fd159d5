//! Role: rights in one namespace.

use super::{ALL_VERBS, KindRow, cells, no_fields, no_scope};
use crate::table::{CREATED, NAME};

/// Row of Role.
pub static ROW: KindRow = KindRow {
    group: "rbac.authorization.k8s.io",
    version: "v1",
    older_versions: &[],
    kind: "Role",
    plural: "roles",
    singular: "role",
    short_names: &[],
    namespaced: true,
    categories: &[],
    verbs: ALL_VERBS,
    subresources: &[],
    columns: &[NAME, CREATED],
    cells: |o, _| vec![cells::name(o), cells::created(o)],
    fields: no_fields,
    scope: no_scope,
};
