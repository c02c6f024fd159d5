//! PersistentVolume: a piece of storage of the cluster.

use super::{KindRow, PLAIN, cells, status};
use crate::table::{AGE, NAME, text, wide};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of PersistentVolume.
pub static ROW: KindRow = KindRow {
    kind: "PersistentVolume",
    plural: "persistentvolumes",
    singular: "persistentvolume",
    short_names: &["pv"],
    namespaced: false,
    subresources: &[status("PersistentVolume")],
    columns: &[
        NAME,
        text("Capacity"),
        text("Access Modes"),
        text("Reclaim Policy"),
        text("Status"),
        text("Claim"),
        text("StorageClass"),
        text("VolumeAttributesClass"),
        text("Reason"),
        AGE,
        wide("VolumeMode"),
    ],
    cells: volume_cells,
    ..PLAIN
};

fn volume_cells(volume: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&volume["spec"], &volume["status"]);
    let claim = &spec["claimRef"];
    let claim = match claim {
        Value::Null => String::new(),
        claim => format!("{}/{}", cells::string(&claim["namespace"]), cells::string(&claim["name"])),
    };
    let capacity = cells::string(&spec["capacity"]["storage"]);
    vec![
        cells::name(volume),
        json!(if capacity.is_empty() { "0".to_owned() } else { capacity }),
        access_modes(&spec["accessModes"]),
        json!(cells::string(&spec["persistentVolumeReclaimPolicy"])),
        phase(volume),
        json!(claim),
        json!(storage_class(volume)),
        cells::or_unset(&spec["volumeAttributesClassName"]),
        json!(cells::string(&status["reason"])),
        cells::age(volume, now),
        cells::or_unset(&spec["volumeMode"]),
    ]
}

/// The phase of a volume or a claim, `Terminating` while it is being deleted.
pub(super) fn phase(object: &Value) -> Value {
    match &object["metadata"]["deletionTimestamp"] {
        Value::Null => json!(cells::string(&object["status"]["phase"])),
        _ => json!("Terminating"),
    }
}

/// The class of a volume or a claim; the older annotation wins.
pub(super) fn storage_class(object: &Value) -> String {
    let annotation = &object["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"];
    cells::string(if annotation.is_string() { annotation } else { &object["spec"]["storageClassName"] })
}

/// `RWO,ROX` for a list of access modes.
pub(super) fn access_modes(modes: &Value) -> Value {
    let short =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let given = short.iter().filter(|(mode, _)| cells::list(modes).any(|m| m == mode)).map(|(_, short)| *short);
    json!(given.collect::<Vec<_>>().join(","))
}
