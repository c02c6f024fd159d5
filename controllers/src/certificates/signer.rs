//! Signs certificate requests with the cluster's authority, for the signers that Kubernetes itself defines.
//! <https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers>

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use k8s_openapi::api::certificates::v1::CertificateSigningRequestSpec;
use rcgen::{
    CertificateSigningRequestParams, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use std::collections::BTreeSet;
use std::time::Duration;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

/// The longest life of a certificate, in seconds: a year.
const LIFE_LIMIT_SECONDS: u64 = 365 * 24 * 3_600;
/// How much clocks may differ, in seconds.
const BACKDATE_SECONDS: u64 = 300;
/// Organization of nodes, and what comes before a node's name.
const NODES: &str = "system:nodes";
const NODE_PREFIX: &str = "system:node:";

/// Usages a request must have, and those it may have.
struct Rules {
    signer: &'static str,
    required: &'static [&'static str],
    allowed: &'static [&'static str],
    /// Whether it is for nodes alone, and whether it must (or must not) name addresses.
    node: Option<bool>,
}

const SIGNERS: &[Rules] = &[
    Rules {
        signer: "kubernetes.io/kube-apiserver-client",
        required: &["client auth"],
        allowed: &["digital signature", "key encipherment", "client auth"],
        node: None,
    },
    Rules {
        signer: "kubernetes.io/kube-apiserver-client-kubelet",
        required: &["digital signature", "client auth"],
        allowed: &["digital signature", "key encipherment", "client auth"],
        node: Some(false),
    },
    Rules {
        signer: "kubernetes.io/kubelet-serving",
        required: &["digital signature", "server auth"],
        allowed: &["digital signature", "key encipherment", "server auth"],
        node: Some(true),
    },
];

const KEY_USAGES: &[(&str, KeyUsagePurpose)] =
    &[("digital signature", KeyUsagePurpose::DigitalSignature), ("key encipherment", KeyUsagePurpose::KeyEncipherment)];
const EXTENDED_USAGES: &[(&str, ExtendedKeyUsagePurpose)] =
    &[("client auth", ExtendedKeyUsagePurpose::ClientAuth), ("server auth", ExtendedKeyUsagePurpose::ServerAuth)];

/// A request is not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// It cannot be read.
    #[error("the request cannot be read: {0}")]
    Request(String),
    /// Its signer does not sign such requests.
    #[error("{0}")]
    Rule(String),
    /// The signature failed.
    #[error("cannot sign: {0}")]
    Sign(String),
}

/// The cluster's authority.
pub struct Signer {
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

/// Whether a signer is one of ours.
pub fn is_ours(signer: &str) -> bool {
    SIGNERS.iter().any(|rules| rules.signer == signer)
}

impl Signer {
    /// From the authority's certificate and key in PEM.
    pub fn new(certificate: &str, key: &str) -> Result<Self, SignError> {
        let wrong = |e: rcgen::Error| SignError::Sign(e.to_string());
        let key = KeyPair::from_pem(key).map_err(wrong)?;
        Ok(Self { issuer: Issuer::from_ca_cert_pem(certificate, key).map_err(wrong)? })
    }

    /// The certificate for a request, in PEM.
    pub fn sign(&self, spec: &CertificateSigningRequestSpec, now: Timestamp) -> Result<String, SignError> {
        let signer = spec.signer_name.as_str();
        let rules = SIGNERS.iter().find(|rules| rules.signer == signer);
        let rules = rules.ok_or_else(|| SignError::Rule(format!("unknown signer {signer:?}")))?;
        let unreadable = |e: &dyn std::fmt::Display| SignError::Request(e.to_string());
        let pem = std::str::from_utf8(&spec.request.0).map_err(|e| unreadable(&e))?;
        single_values(pem)?;
        let mut request = CertificateSigningRequestParams::from_pem(pem).map_err(|e| unreadable(&e))?;
        let usages: BTreeSet<&str> = spec.usages.iter().flatten().map(String::as_str).collect();
        rules.check(&request, &usages)?;
        let params = &mut request.params;
        // What a request says of its own use and life decides nothing.
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = chosen(KEY_USAGES, &usages);
        params.extended_key_usages = chosen(EXTENDED_USAGES, &usages);
        let seconds = spec.expiration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let seconds = seconds.unwrap_or(LIFE_LIMIT_SECONDS).min(LIFE_LIMIT_SECONDS);
        let start = rcgen::date_time_ymd(1970, 1, 1);
        let now = u64::try_from(now.as_second()).unwrap_or(0);
        params.not_before = start + Duration::from_secs(now.saturating_sub(BACKDATE_SECONDS));
        params.not_after = start + Duration::from_secs(now.saturating_add(seconds));
        params.serial_number = None;
        request.signed_by(&self.issuer).map(|certificate| certificate.pem()).map_err(|e| SignError::Sign(e.to_string()))
    }
}

fn chosen<T: Clone>(all: &[(&str, T)], usages: &BTreeSet<&str>) -> Vec<T> {
    all.iter().filter(|(name, _)| usages.contains(name)).map(|(_, usage)| usage.clone()).collect()
}

/// The library that signs keeps one value of each kind in a subject; a group that got lost on the way would be a surprise.
fn single_values(pem: &str) -> Result<(), SignError> {
    let unreadable = |e: &dyn std::fmt::Display| SignError::Request(e.to_string());
    let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|e| unreadable(&e))?;
    let (_, request) = X509CertificationRequest::from_der(&block.contents).map_err(|e| unreadable(&e))?;
    let mut seen = BTreeSet::new();
    for attribute in request.certification_request_info.subject.iter_attributes() {
        if !seen.insert(attribute.attr_type().to_id_string()) {
            return Err(SignError::Rule("a subject with several values of one kind is not supported".to_owned()));
        }
    }
    Ok(())
}

impl Rules {
    fn check(&self, request: &CertificateSigningRequestParams, usages: &BTreeSet<&str>) -> Result<(), SignError> {
        let refuse = |text: &str| Err(SignError::Rule(text.to_owned()));
        let whole = self.required.iter().all(|usage| usages.contains(usage));
        if !whole || !usages.iter().all(|usage| self.allowed.contains(usage)) {
            return Err(SignError::Rule(format!("invalid usages for signer {}: {usages:?}", self.signer)));
        }
        let Some(serves) = self.node else { return Ok(()) };
        let subject = |kind: DnType| request.params.distinguished_name.get(&kind).map(text).unwrap_or_default();
        if subject(DnType::OrganizationName) != NODES {
            return refuse("subject organization is not system:nodes");
        }
        if !subject(DnType::CommonName).starts_with(NODE_PREFIX) {
            return refuse("subject common name does not begin with system:node:");
        }
        let names = &request.params.subject_alt_names;
        let addresses = names.iter().all(|name| matches!(name, SanType::DnsName(_) | SanType::IpAddress(_)));
        match serves {
            true if names.is_empty() || !addresses => refuse("DNS or IP subjectAltName is required, and no others"),
            false if !names.is_empty() => refuse("subjectAltNames are not allowed"),
            _ => Ok(()),
        }
    }
}

fn text(value: &DnValue) -> String {
    match value {
        DnValue::Utf8String(text) => text.clone(),
        DnValue::PrintableString(text) => text.to_string(),
        DnValue::Ia5String(text) => text.to_string(),
        DnValue::TeletexString(text) => text.to_string(),
        _ => String::new(),
    }
}

/// The certificate as a status holds it.
pub fn encoded(pem: &str) -> String {
    STANDARD.encode(pem)
}

#[cfg(test)]
mod tests;
