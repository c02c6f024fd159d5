//! ServiceAccount: an identity for processes in pods.

use super::{ALL_VERBS, KindRow, Subresource, Verb, cells, no_fields, no_scope};
use crate::table::{AGE, NAME};

/// Row of ServiceAccount.
pub static ROW: KindRow = KindRow {
    group: "",
    version: "v1",
    older_versions: &[],
    kind: "ServiceAccount",
    plural: "serviceaccounts",
    singular: "serviceaccount",
    short_names: &["sa"],
    namespaced: true,
    categories: &[],
    verbs: ALL_VERBS,
    subresources: &[Subresource {
        name: "token",
        kind: "TokenRequest",
        group_version: "authentication.k8s.io/v1",
        verbs: &[Verb::Create],
    }],
    columns: &[NAME, AGE],
    cells: |o, now| vec![cells::name(o), cells::age(o, now)],
    fields: no_fields,
    scope: no_scope,
};
