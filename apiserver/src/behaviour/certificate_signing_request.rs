//! CertificateSigningRequest on its way into the store, its approval and its status.
//! <https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/>

use super::at::At;
use super::causes::{duplicate, not_supported};
use super::domains::domain_prefixed_path;
use super::{Behaviour, NameRule, PLAIN, prepare, schema_of};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use kubus_proto::status::Cause;
use kubus_proto::user::UserInfo;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

/// Behaviour of CertificateSigningRequest.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::certificate_signing_request::ROW,
    schema: schema_of!(CertificateSigningRequest),
    name: NameRule::PathSegment,
    prepare_create: |request| prepare::first_status(request, json!({})),
    // What is asked for, and by whom, never changes.
    prepare_update: |new, old| {
        prepare::keep_status(new, old);
        prepare::take_over(new, old, "spec");
    },
    prepare_status: |new, old| {
        prepare::only_status(new, old);
        keep_conditions(new, old, &DECISIONS);
    },
    rules,
    create_rules: |request, causes| {
        let spec = At::root(request, "spec");
        validate_request(&spec.field("request"), causes);
    },
    status_rules: |new, _, causes| validate_conditions(new, causes),
    ..PLAIN
};

/// Conditions that the approval subresource alone sets.
const DECISIONS: [&str; 2] = ["Approved", "Denied"];
/// The shortest life of a certificate that may be asked for, in seconds.
const EXPIRATION_SECONDS: i64 = 600;
/// The signer of requests that name none, which the first version does not have any more.
const LEGACY_SIGNER: &str = "kubernetes.io/legacy-unknown";
const USAGES: &[&str] = &[
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

fn rules(request: &Value, causes: &mut Vec<Cause>) {
    let spec = At::root(request, "spec");
    let usages = spec.field("usages");
    usages.require("usages must be specified", causes);
    let mut seen = BTreeSet::new();
    for usage in usages.items() {
        usage.one_of(USAGES, causes);
        if !seen.insert(usage.text()) {
            causes.push(duplicate(usage.path, usage.text()));
        }
    }
    let signer = spec.field("signerName");
    if signer.text() == LEGACY_SIGNER {
        signer.invalid("the legacy signerName is not allowed via this API version", causes);
    } else {
        signer.require_text(domain_prefixed_path, causes);
    }
    let seconds = spec.field("expirationSeconds");
    if seconds.number().is_some_and(|number| number < EXPIRATION_SECONDS) {
        seconds.invalid("may not specify a duration less than 600 seconds (10 minutes)", causes);
    }
    validate_conditions(request, causes);
}

/// The request itself: PEM around a request that its own key has signed.
fn validate_request(request: &At<'_>, causes: &mut Vec<Cause>) {
    let refuse = |detail: &str, causes: &mut Vec<Cause>| {
        causes.push(super::causes::invalid(request.path, request.value.clone(), detail));
    };
    let Ok(pem) = STANDARD.decode(request.text()) else {
        return refuse("PEM block type must be CERTIFICATE REQUEST", causes);
    };
    match x509_parser::pem::parse_x509_pem(&pem) {
        Ok((_, block)) if block.label == "CERTIFICATE REQUEST" => {
            match X509CertificationRequest::from_der(&block.contents) {
                Err(error) => refuse(&error.to_string(), causes),
                Ok((_, parsed)) if parsed.verify_signature().is_err() => {
                    refuse("the request is not signed by the key in it", causes);
                }
                Ok(_) => {}
            }
        }
        _ => refuse("PEM block type must be CERTIFICATE REQUEST", causes),
    }
}

fn validate_conditions(request: &Value, causes: &mut Vec<Cause>) {
    let status = At::root(request, "status");
    let conditions = status.field("conditions");
    let mut seen = BTreeSet::new();
    for condition in conditions.items() {
        let (kind, is) = (condition.field("type"), condition.field("status"));
        kind.require("", causes);
        let fixed = DECISIONS.contains(&kind.text()) || kind.text() == "Failed";
        let supported: &[&str] = if fixed { &["True"] } else { &["True", "False", "Unknown"] };
        if is.require("", causes) && !supported.contains(&is.text()) {
            causes.push(not_supported(is.path, is.text(), supported));
        }
        if !seen.insert(kind.text().to_owned()) {
            causes.push(duplicate(kind.path, kind.text()));
        }
    }
    if DECISIONS.iter().all(|kind| seen.contains(*kind)) {
        conditions.invalid("Approved and Denied conditions are mutually exclusive", causes);
    }
    let certificate = status.field("certificate");
    let pem = STANDARD.decode(certificate.text()).unwrap_or_default();
    let blocks =
        x509_parser::pem::Pem::iter_from_buffer(&pem).all(|block| block.is_ok_and(|b| b.label == "CERTIFICATE"));
    if !certificate.is_empty() && (pem.is_empty() || !blocks) {
        let detail = "only CERTIFICATE PEM blocks are allowed";
        causes.push(super::causes::invalid(certificate.path, certificate.value.clone(), detail));
    }
}

/// A request is its sender's, whatever it says.
pub fn ask_as(request: &mut Value, user: &UserInfo) {
    let Some(spec) = request.get_mut("spec").and_then(Value::as_object_mut) else { return };
    for key in ["username", "uid", "groups", "extra"] {
        spec.remove(key);
    }
    spec.insert("username".to_owned(), json!(user.name));
    spec.insert("groups".to_owned(), json!(user.groups));
    if !user.uid.is_empty() {
        spec.insert("uid".to_owned(), json!(user.uid));
    }
    if !user.extra.is_empty() {
        spec.insert("extra".to_owned(), json!(user.extra));
    }
}

/// An approval or a denial: it sets the conditions and nothing else, not those that a signer sets. Conditions without
/// times get this one.
pub fn prepare_approval(new: &mut Value, old: &Value, now: Timestamp) {
    let mut decided = new["status"]["conditions"].take();
    prepare::only_status(new, old);
    new["status"] = old["status"].clone();
    if decided.as_array().is_some_and(|list| !list.is_empty()) || !old["status"]["conditions"].is_null() {
        new["status"]["conditions"] = if decided.is_array() { decided.take() } else { json!([]) };
    }
    keep_conditions(new, old, &["Failed"]);
    let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    for condition in new["status"]["conditions"].as_array_mut().into_iter().flatten() {
        for key in ["lastUpdateTime", "lastTransitionTime"] {
            if condition.is_object() && condition[key].is_null() {
                condition[key] = json!(now);
            }
        }
    }
}

/// What is wrong with an approval: among the rest, a decision that was made stays.
pub fn approval_rules(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    validate_conditions(new, causes);
    let status = At::root(new, "status");
    for kind in DECISIONS.iter().filter(|kind| has(old, kind) && !has(new, kind)) {
        let detail = format!("updates may not remove a condition of type {kind:?}");
        status.field("conditions").forbidden(detail, causes);
    }
}

fn has(request: &Value, kind: &str) -> bool {
    request["status"]["conditions"].as_array().into_iter().flatten().any(|condition| condition["type"] == kind)
}

/// Conditions of these types become what they were.
fn keep_conditions(new: &mut Value, old: &Value, kinds: &[&str]) {
    let mine = |condition: &Value| kinds.iter().any(|kind| condition["type"] == *kind);
    let before = old["status"]["conditions"].as_array().into_iter().flatten();
    let kept: Vec<Value> = before.filter(|condition| mine(condition)).cloned().collect();
    let sent = new["status"]["conditions"].as_array().cloned().unwrap_or_default();
    if kept.is_empty() && !sent.iter().any(mine) {
        return;
    }
    let others = sent.into_iter().filter(|condition| !mine(condition));
    new["status"]["conditions"] = json!(kept.into_iter().chain(others).collect::<Vec<_>>());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem() -> String {
        let key = rcgen::KeyPair::generate().expect("key");
        let parameters = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
        STANDARD.encode(parameters.serialize_request(&key).expect("request").pem().expect("PEM"))
    }

    fn request() -> Value {
        json!({"metadata": {"name": "jane"}, "spec": {"request": pem(), "signerName": "kubernetes.io/kube-apiserver-client",
            "usages": ["client auth"]}})
    }

    #[test]
    fn requests_are_checked() {
        for (field, value, expected) in [
            ("usages", json!(["client auth"]), vec![]),
            ("usages", json!([]), vec!["spec.usages"]),
            ("usages", json!(["tea"]), vec!["spec.usages[0]"]),
            ("signerName", json!("me"), vec!["spec.signerName"]),
            ("signerName", json!(LEGACY_SIGNER), vec!["spec.signerName"]),
            ("expirationSeconds", json!(5), vec!["spec.expirationSeconds"]),
            ("request", json!("eA=="), vec!["spec.request"]),
        ] {
            let mut one = request();
            one["spec"][field] = value.clone();
            let found: Vec<String> = BEHAVIOUR.validate(&one).into_iter().map(|cause| cause.field).collect();
            assert_eq!(found, expected, "{field}: {value}");
        }
    }

    #[test]
    fn only_approvals_decide_and_only_once() {
        let condition = |kind: &str| json!({"type": kind, "status": "True"});
        let old = json!({"metadata": {"name": "a"}, "spec": {"x": 1}, "status": {"certificate": "c"}});
        let mut approved = json!({"metadata": {"name": "a"}, "spec": {"x": 2},
            "status": {"conditions": [condition("Approved"), condition("Failed")]}});
        let mut by_status = approved.clone();
        (BEHAVIOUR.prepare_status)(&mut by_status, &old);
        assert_eq!(
            (&by_status["spec"]["x"], &by_status["status"]["conditions"]),
            (&json!(1), &json!([condition("Failed")]))
        );
        prepare_approval(&mut approved, &old, Timestamp::UNIX_EPOCH);
        let (since, kept) = ("1970-01-01T00:00:00Z", &approved["status"]["conditions"]);
        let decision =
            json!({"type": "Approved", "status": "True", "lastUpdateTime": since, "lastTransitionTime": since});
        assert_eq!((&approved["spec"]["x"], kept), (&json!(1), &json!([decision])));
        assert_eq!(approved["status"]["certificate"], "c");
        let (mut causes, undecided) = (Vec::new(), json!({"status": {"conditions": []}}));
        approval_rules(&undecided, &approved, &mut causes);
        assert_eq!(causes[0].message, "Forbidden: updates may not remove a condition of type \"Approved\"");
        let both = json!({"status": {"conditions": [condition("Approved"), condition("Denied")]}});
        let mut causes = Vec::new();
        approval_rules(&both, &old, &mut causes);
        assert_eq!(causes[0].field, "status.conditions");
    }
}
