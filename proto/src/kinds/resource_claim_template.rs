//! ResourceClaimTemplate: from which each pod gets a ResourceClaim of its own.

use super::{KindRow, PLAIN, cells};
use crate::table::{AGE, NAME};

/// Row of ResourceClaimTemplate.
pub static ROW: KindRow = KindRow {
    group: "resource.k8s.io",
    kind: "ResourceClaimTemplate",
    plural: "resourceclaimtemplates",
    singular: "resourceclaimtemplate",
    columns: &[NAME, AGE],
    cells: |o, now| vec![cells::name(o), cells::age(o, now)],
    ..PLAIN
};
