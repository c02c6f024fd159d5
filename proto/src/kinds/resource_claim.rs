//! ResourceClaim: devices that pods ask for.

use super::{KindRow, PLAIN, cells, status};
use crate::table::{AGE, NAME, text};
use serde_json::{Value, json};

/// Row of ResourceClaim.
pub static ROW: KindRow = KindRow {
    group: "resource.k8s.io",
    kind: "ResourceClaim",
    plural: "resourceclaims",
    singular: "resourceclaim",
    subresources: &[status("ResourceClaim")],
    columns: &[NAME, text("State"), AGE],
    cells: |o, now| vec![cells::name(o), json!(state(o)), cells::age(o, now)],
    ..PLAIN
};

fn state(claim: &Value) -> String {
    let (status, deleted) = (&claim["status"], !claim["metadata"]["deletionTimestamp"].is_null());
    let allocated = !status["allocation"].is_null();
    let reserved = allocated && cells::list(&status["reservedFor"]).next().is_some();
    let states =
        [(deleted, "deleted"), (!allocated && !deleted, "pending"), (allocated, "allocated"), (reserved, "reserved")];
    states.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect::<Vec<_>>().join(",")
}
