//! Lease: who leads, and until when.

use super::{ALL_VERBS, KindRow, cells, no_fields, no_scope};
use crate::table::{AGE, NAME, text};
use serde_json::json;

/// Row of Lease.
pub static ROW: KindRow = KindRow {
    group: "coordination.k8s.io",
    version: "v1",
    older_versions: &[],
    kind: "Lease",
    plural: "leases",
    singular: "lease",
    short_names: &[],
    namespaced: true,
    categories: &[],
    verbs: ALL_VERBS,
    subresources: &[],
    columns: &[NAME, text("Holder"), AGE],
    cells: |o, now| vec![cells::name(o), json!(cells::string(&o["spec"]["holderIdentity"])), cells::age(o, now)],
    fields: no_fields,
    scope: no_scope,
};
