//! ControllerRevision: what a controller's template was at one time.

use super::{KindRow, PLAIN, cells};
use crate::table::{AGE, NAME, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of ControllerRevision.
pub static ROW: KindRow = KindRow {
    group: "apps",
    kind: "ControllerRevision",
    plural: "controllerrevisions",
    singular: "controllerrevision",
    columns: &[NAME, text("Controller"), text("Revision"), AGE],
    cells: revision_cells,
    ..PLAIN
};

fn revision_cells(revision: &Value, now: Timestamp) -> Vec<Value> {
    let owner = cells::list(&revision["metadata"]["ownerReferences"]).find(|owner| owner["controller"] == true);
    let controller = owner.map(|owner| {
        let (version, kind) = (cells::string(&owner["apiVersion"]), cells::string(&owner["kind"]));
        let group = version.split_once('/').map_or("", |(group, _)| group);
        format!("{}/{}", crate::status::qualified(&kind, group).to_lowercase(), cells::string(&owner["name"]))
    });
    vec![
        cells::name(revision),
        cells::or_none(controller.unwrap_or_default()),
        json!(cells::number(&revision["revision"])),
        cells::age(revision, now),
    ]
}
