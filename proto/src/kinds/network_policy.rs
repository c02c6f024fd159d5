//! NetworkPolicy: who may speak with which pods.

use super::{KindRow, PLAIN, cells};
use crate::table::{AGE, NAME, text};

/// Row of NetworkPolicy.
pub static ROW: KindRow = KindRow {
    group: "networking.k8s.io",
    kind: "NetworkPolicy",
    plural: "networkpolicies",
    singular: "networkpolicy",
    short_names: &["netpol"],
    columns: &[NAME, text("Pod-Selector"), AGE],
    cells: |o, now| vec![cells::name(o), cells::selector(&o["spec"]["podSelector"]), cells::age(o, now)],
    ..PLAIN
};
