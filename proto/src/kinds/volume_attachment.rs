//! VolumeAttachment: a volume that is to be attached to a node.

use super::{KindRow, PLAIN, cells, status};
use crate::table::{AGE, Column, NAME, boolean, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of VolumeAttachment.
pub static ROW: KindRow = KindRow {
    group: "storage.k8s.io",
    kind: "VolumeAttachment",
    plural: "volumeattachments",
    singular: "volumeattachment",
    namespaced: false,
    subresources: &[status("VolumeAttachment")],
    columns: &[NAME, Column { name: "Attacher", ..NAME }, text("PV"), text("Node"), boolean("Attached"), AGE],
    cells: attachment_cells,
    ..PLAIN
};

fn attachment_cells(attachment: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &attachment["spec"];
    vec![
        cells::name(attachment),
        json!(cells::string(&spec["attacher"])),
        json!(cells::string(&spec["source"]["persistentVolumeName"])),
        json!(cells::string(&spec["nodeName"])),
        json!(attachment["status"]["attached"] == true),
        cells::age(attachment, now),
    ]
}
