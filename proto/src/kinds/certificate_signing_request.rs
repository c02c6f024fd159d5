//! CertificateSigningRequest: a certificate that somebody asks for.

use super::{KindRow, PLAIN, Subresource, cells, status};
use crate::table::{AGE, NAME, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of CertificateSigningRequest.
pub static ROW: KindRow = KindRow {
    group: "certificates.k8s.io",
    kind: "CertificateSigningRequest",
    plural: "certificatesigningrequests",
    singular: "certificatesigningrequest",
    short_names: &["csr"],
    namespaced: false,
    subresources: &[
        Subresource { name: "approval", ..status("CertificateSigningRequest") },
        status("CertificateSigningRequest"),
    ],
    columns: &[NAME, AGE, text("SignerName"), text("Requestor"), text("RequestedDuration"), text("Condition")],
    cells: request_cells,
    fields: |o| vec![("spec.signerName", cells::string(&o["spec"]["signerName"]))],
    ..PLAIN
};

fn request_cells(request: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &request["spec"];
    let duration = spec["expirationSeconds"].as_i64().map(crate::duration::human).unwrap_or_default();
    vec![
        cells::name(request),
        cells::age(request, now),
        cells::or_none(cells::string(&spec["signerName"])),
        json!(cells::string(&spec["username"])),
        cells::or_none(duration),
        json!(condition(&request["status"])),
    ]
}

fn condition(status: &Value) -> String {
    let has = |kind: &str| cells::list(&status["conditions"]).any(|condition| condition["type"] == kind);
    let decision = if has("Denied") {
        "Denied"
    } else if has("Approved") {
        "Approved"
    } else {
        "Pending"
    };
    let failed = if has("Failed") { ",Failed" } else { "" };
    let issued = if cells::string(&status["certificate"]).is_empty() { "" } else { ",Issued" };
    format!("{decision}{failed}{issued}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_condition_tells_all() {
        let conditions = |kinds: &[&str]| json!(kinds.iter().map(|kind| json!({"type": kind})).collect::<Vec<_>>());
        for (status, expected) in [
            (json!({}), "Pending"),
            (json!({"conditions": conditions(&["Approved"]), "certificate": "eA=="}), "Approved,Issued"),
            (json!({"conditions": conditions(&["Approved", "Denied", "Failed"])}), "Denied,Failed"),
        ] {
            assert_eq!(condition(&status), expected);
        }
    }
}
