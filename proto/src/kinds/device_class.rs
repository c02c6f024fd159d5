//! DeviceClass: devices of a kind, and how they are set up.

use super::{KindRow, PLAIN, cells};
use crate::table::{AGE, NAME};

/// Row of DeviceClass.
pub static ROW: KindRow = KindRow {
    group: "resource.k8s.io",
    kind: "DeviceClass",
    plural: "deviceclasses",
    singular: "deviceclass",
    namespaced: false,
    columns: &[NAME, AGE],
    cells: |o, now| vec![cells::name(o), cells::age(o, now)],
    ..PLAIN
};
