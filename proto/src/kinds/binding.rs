//! Binding: puts a pod on a node. Nothing of it is stored; it is created in its own collection or below its pod.

use super::{KindRow, PLAIN, Verb, cells};
use crate::table::{AGE, NAME};

/// Row of Binding.
pub static ROW: KindRow = KindRow {
    kind: "Binding",
    plural: "bindings",
    singular: "binding",
    verbs: &[Verb::Create],
    columns: &[NAME, AGE],
    cells: |o, now| vec![cells::name(o), cells::age(o, now)],
    ..PLAIN
};
