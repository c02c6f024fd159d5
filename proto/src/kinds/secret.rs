//! Secret: confidential data that pods read.

use super::{ALL_VERBS, KindRow, cells, no_scope};
use crate::table::{AGE, NAME, text};
use serde_json::json;

/// Row of Secret.
pub static ROW: KindRow = KindRow {
    group: "",
    version: "v1",
    older_versions: &[],
    kind: "Secret",
    plural: "secrets",
    singular: "secret",
    short_names: &[],
    namespaced: true,
    categories: &[],
    verbs: ALL_VERBS,
    subresources: &[],
    columns: &[NAME, text("Type"), text("Data"), AGE],
    cells: |o, now| {
        vec![
            cells::name(o),
            o["type"].clone(),
            json!(o["data"].as_object().map_or(0, serde_json::Map::len).to_string()),
            cells::age(o, now),
        ]
    },
    fields: |o| vec![("type", cells::string(&o["type"]))],
    scope: no_scope,
};
