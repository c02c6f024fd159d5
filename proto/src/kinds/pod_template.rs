//! PodTemplate: a template of pods as an object of its own.

use super::{KindRow, PLAIN, cells};
use crate::table::{NAME, text};

/// Row of PodTemplate.
pub static ROW: KindRow = KindRow {
    kind: "PodTemplate",
    plural: "podtemplates",
    singular: "podtemplate",
    columns: &[NAME, text("Containers"), text("Images"), text("Pod Labels")],
    cells: |o, _| {
        let spec = &o["template"]["spec"];
        vec![
            cells::name(o),
            cells::containers(spec, "name"),
            cells::containers(spec, "image"),
            cells::labels(&o["template"]["metadata"]["labels"]),
        ]
    },
    ..PLAIN
};
