//! CertificateSigningRequest of `certificates.k8s.io/v1beta1`: a signer and usages need not be named.
//! <https://kubernetes.io/docs/reference/using-api/deprecation-guide/#certificatesigningrequest-v122>

use super::{Conversion, fields, put};
use serde_json::{Value, json};

/// CertificateSigningRequest of the first version.
pub static REQUEST_V1BETA1: Conversion = Conversion {
    defaults: |request| {
        if let Some(spec) = fields(request, "spec") {
            put(spec, "usages", || json!(["digital signature", "key encipherment"]));
            let signer = signer(spec.get("usages").unwrap_or(&Value::Null));
            put(spec, "signerName", || json!(signer));
        }
        // A decision that says no more was one that holds.
        let conditions = fields(request, "status").and_then(|status| status.get_mut("conditions"));
        for condition in conditions.and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(condition) = condition.as_object_mut() {
                put(condition, "status", || json!("True"));
            }
        }
    },
    ..super::SAME
};

/// Who signs what such usages are for. Requests of a kubelet are told by their subject too, which nobody looks at here.
fn signer(usages: &Value) -> &'static str {
    let usages: Vec<&str> = usages.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if usages.contains(&"client auth") { "kubernetes.io/kube-apiserver-client" } else { "kubernetes.io/legacy-unknown" }
}
