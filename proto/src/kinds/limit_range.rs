//! LimitRange: what pods and claims of a namespace may ask for, and what they get if they ask for nothing.

use super::{KindRow, PLAIN, cells};
use crate::table::{CREATED, NAME};

/// Row of LimitRange.
pub static ROW: KindRow = KindRow {
    kind: "LimitRange",
    plural: "limitranges",
    singular: "limitrange",
    short_names: &["limits"],
    columns: &[NAME, CREATED],
    cells: |o, _| vec![cells::name(o), cells::created(o)],
    ..PLAIN
};
