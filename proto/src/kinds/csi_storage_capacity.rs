//! CSIStorageCapacity: how much room a storage class has somewhere.

use super::{KindRow, PLAIN, cells};
use crate::table::{CREATED, NAME};

/// Row of CSIStorageCapacity.
pub static ROW: KindRow = KindRow {
    group: "storage.k8s.io",
    kind: "CSIStorageCapacity",
    plural: "csistoragecapacities",
    singular: "csistoragecapacity",
    columns: &[NAME, CREATED],
    cells: |o, _| vec![cells::name(o), cells::created(o)],
    ..PLAIN
};
