//! PersistentVolumeClaim: a wish for storage.

use super::persistent_volume::{access_modes, phase, storage_class};
use super::{KindRow, PLAIN, cells, status};
use crate::table::{AGE, NAME, text, wide};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of PersistentVolumeClaim.
pub static ROW: KindRow = KindRow {
    kind: "PersistentVolumeClaim",
    plural: "persistentvolumeclaims",
    singular: "persistentvolumeclaim",
    short_names: &["pvc"],
    subresources: &[status("PersistentVolumeClaim")],
    columns: &[
        NAME,
        text("Status"),
        text("Volume"),
        text("Capacity"),
        text("Access Modes"),
        text("StorageClass"),
        text("VolumeAttributesClass"),
        AGE,
        wide("VolumeMode"),
    ],
    cells: claim_cells,
    ..PLAIN
};

fn claim_cells(claim: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&claim["spec"], &claim["status"]);
    let volume = cells::string(&spec["volumeName"]);
    let (capacity, modes) = match volume.as_str() {
        "" => (json!(""), json!("")),
        _ => {
            let capacity = cells::string(&status["capacity"]["storage"]);
            (json!(if capacity.is_empty() { "0".to_owned() } else { capacity }), access_modes(&status["accessModes"]))
        }
    };
    vec![
        cells::name(claim),
        phase(claim),
        json!(volume),
        capacity,
        modes,
        json!(storage_class(claim)),
        cells::or_unset(&spec["volumeAttributesClassName"]),
        cells::age(claim, now),
        cells::or_unset(&spec["volumeMode"]),
    ]
}
