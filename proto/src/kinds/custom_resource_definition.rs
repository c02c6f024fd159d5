//! CustomResourceDefinition: defines kinds while the cluster runs.

use super::{ALL_VERBS, KindRow, cells, no_fields, no_scope, status};
use crate::table::{CREATED, NAME};

/// Row of CustomResourceDefinition.
pub static ROW: KindRow = KindRow {
    group: "apiextensions.k8s.io",
    version: "v1",
    older_versions: &[],
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
    singular: "customresourcedefinition",
    short_names: &["crd", "crds"],
    namespaced: false,
    categories: &["api-extensions"],
    verbs: ALL_VERBS,
    subresources: &[status("CustomResourceDefinition")],
    columns: &[NAME, CREATED],
    cells: |object, _| vec![cells::name(object), cells::created(object)],
    fields: no_fields,
    scope: no_scope,
};
