//! Certificate requests: who may approve and sign for a signer, and which subjects nobody gets.
//! <https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#authorization>

use super::Write;
use crate::authorize::{Attributes, MASTERS};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kubus_proto::ApiError;
use serde_json::Value;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

const GROUP: &str = "certificates.k8s.io";
/// The signer whose certificates the API takes for users.
const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";

/// Whether the writer may do `verb` for the request's signer, or for all of its domain.
fn may(write: &Write<'_>, verb: &str) -> bool {
    let signer = write.new["spec"]["signerName"].as_str().unwrap_or_default();
    let domain = format!("{}/*", signer.split('/').next().unwrap_or_default());
    [signer, &domain]
        .into_iter()
        .any(|name| write.may(&Attributes { verb, group: GROUP, resource: "signers", name, ..Attributes::default() }))
}

fn refuse(write: &Write<'_>, what: &str) -> ApiError {
    let signer = write.new["spec"]["signerName"].as_str().unwrap_or_default();
    write.forbidden(&format!("user not permitted to {what} requests with signerName {signer:?}"))
}

/// A decision about a request.
pub fn approval(write: &Write<'_>) -> Result<(), ApiError> {
    if may(write, "approve") { Ok(()) } else { Err(refuse(write, "approve")) }
}

/// A certificate, or a word about it.
pub fn status(write: &Write<'_>) -> Result<(), ApiError> {
    let status = |object: &Value, key: &str| object["status"][key].clone();
    let old = write.old.unwrap_or(&Value::Null);
    let untouched = ["certificate", "conditions"].iter().all(|key| status(old, key) == status(write.new, key));
    if untouched || may(write, "sign") { Ok(()) } else { Err(refuse(write, "sign")) }
}

/// A new request.
pub fn subject(write: &Write<'_>) -> Result<(), ApiError> {
    if write.old.is_some() || write.new["spec"]["signerName"] != CLIENT_SIGNER {
        return Ok(());
    }
    if organizations(&write.new["spec"]["request"]).iter().any(|name| name == MASTERS) {
        let why = format!("use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed");
        return Err(write.forbidden(&why));
    }
    Ok(())
}

/// The organizations in a request's subject; those of one that cannot be read are refused elsewhere.
fn organizations(request: &Value) -> Vec<String> {
    let pem = request.as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    let Ok((_, block)) = x509_parser::pem::parse_x509_pem(&pem) else { return Vec::new() };
    let Ok((_, parsed)) = X509CertificationRequest::from_der(&block.contents) else { return Vec::new() };
    let names = parsed.certification_request_info.subject;
    names.iter_organization().filter_map(|name| name.as_str().ok().map(str::to_owned)).collect()
}
