//! ResourceQuota: what all objects of a namespace may use together.

use super::{KindRow, PLAIN, cells, status};
use crate::table::{AGE, NAME, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of ResourceQuota.
pub static ROW: KindRow = KindRow {
    kind: "ResourceQuota",
    plural: "resourcequotas",
    singular: "resourcequota",
    short_names: &["quota"],
    subresources: &[status("ResourceQuota")],
    columns: &[NAME, text("Request"), text("Limit"), AGE],
    cells: quota_cells,
    ..PLAIN
};

fn quota_cells(quota: &Value, now: Timestamp) -> Vec<Value> {
    let (hard, used) = (cells::string_map(&quota["status"]["hard"]), cells::string_map(&quota["status"]["used"]));
    let shown = |limits: bool| {
        let mine = hard.iter().filter(|(resource, _)| resource.starts_with("limits") == limits);
        let texts = mine.map(|(resource, hard)| {
            let used = used.get(resource).map_or("0", String::as_str);
            format!("{resource}: {used}/{hard}")
        });
        json!(texts.collect::<Vec<_>>().join(", "))
    };
    vec![cells::name(quota), shown(false), shown(true), cells::age(quota, now)]
}
