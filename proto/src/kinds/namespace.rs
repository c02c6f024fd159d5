//! Namespace: a scope for names.

use super::{KindRow, Subresource, Verb, cells, no_scope, status};
use crate::table::{AGE, NAME, text};

/// Row of Namespace.
pub static ROW: KindRow = KindRow {
    group: "",
    version: "v1",
    older_versions: &[],
    kind: "Namespace",
    plural: "namespaces",
    singular: "namespace",
    short_names: &["ns"],
    namespaced: false,
    categories: &[],
    // A namespace is deleted one by one: there is no deletecollection.
    verbs: &[Verb::Create, Verb::Delete, Verb::Get, Verb::List, Verb::Patch, Verb::Update, Verb::Watch],
    subresources: &[
        Subresource { name: "finalize", kind: "Namespace", group_version: "", verbs: &[Verb::Update] },
        status("Namespace"),
    ],
    columns: &[NAME, text("Status"), AGE],
    cells: |o, now| vec![cells::name(o), o["status"]["phase"].clone(), cells::age(o, now)],
    fields: |o| vec![("status.phase", cells::string(&o["status"]["phase"]))],
    scope: no_scope,
};
