//! IPAddress: an address that something in the cluster holds.

use super::{KindRow, PLAIN, cells};
use crate::table::{NAME, text};
use serde_json::Value;

/// Row of IPAddress.
pub static ROW: KindRow = KindRow {
    group: "networking.k8s.io",
    kind: "IPAddress",
    plural: "ipaddresses",
    singular: "ipaddress",
    short_names: &["ip"],
    namespaced: false,
    columns: &[NAME, text("ParentRef")],
    cells: |o, _| vec![cells::name(o), parent(&o["spec"]["parentRef"])],
    ..PLAIN
};

/// `services/default/web`, `<none>` for an address without an owner.
fn parent(reference: &Value) -> Value {
    let text = |key: &str| cells::string(&reference[key]);
    let resource = crate::status::qualified(&text("resource"), &text("group")).to_lowercase();
    let parts = [resource, text("namespace"), text("name")].into_iter().filter(|part| !part.is_empty());
    cells::or_none(parts.collect::<Vec<_>>().join("/"))
}
