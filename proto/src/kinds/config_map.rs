//! ConfigMap: configuration that pods read.

use super::{ALL_VERBS, KindRow, cells, no_fields, no_scope};
use crate::table::{AGE, NAME, text};
use serde_json::json;

/// Row of ConfigMap.
pub static ROW: KindRow = KindRow {
    group: "",
    version: "v1",
    older_versions: &[],
    kind: "ConfigMap",
    plural: "configmaps",
    singular: "configmap",
    short_names: &["cm"],
    namespaced: true,
    categories: &[],
    verbs: ALL_VERBS,
    subresources: &[],
    columns: &[NAME, text("Data"), AGE],
    cells: |o, now| vec![cells::name(o), json!(size(o)), cells::age(o, now)],
    fields: no_fields,
    scope: no_scope,
};

fn size(object: &serde_json::Value) -> usize {
    ["data", "binaryData"].iter().filter_map(|key| object[*key].as_object()).map(serde_json::Map::len).sum()
}
