//! ServiceCIDR: ranges that addresses of services come from.

use super::{KindRow, PLAIN, cells, status};
use crate::table::{AGE, NAME, text};
use serde_json::json;

/// Row of ServiceCIDR.
pub static ROW: KindRow = KindRow {
    group: "networking.k8s.io",
    kind: "ServiceCIDR",
    plural: "servicecidrs",
    singular: "servicecidr",
    namespaced: false,
    subresources: &[status("ServiceCIDR")],
    columns: &[NAME, text("CIDRs"), AGE],
    cells: |o, now| vec![cells::name(o), json!(cells::joined(&o["spec"]["cidrs"], ",")), cells::age(o, now)],
    ..PLAIN
};
