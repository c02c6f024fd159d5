//! Makes serving certificates with the cluster's authority.

use super::TlsError;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Names every gateway has: loopback, and the service that pods know the API by.
const NAMES: [&str; 7] = [
    "127.0.0.1",
    "::1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];
/// Clocks differ: a certificate is good from this long before it was made, in seconds.
const CLOCK_SKEW_S: u64 = 300;

/// A certificate and its key, PEM.
pub struct Issued {
    /// Certificate.
    pub certificate: String,
    /// Key.
    pub key: String,
}

/// A fresh key with a certificate for `names` beside those that every gateway has, good for `life_s` seconds.
pub fn serving(authority: &str, authority_key: &str, names: &[String], life_s: u64) -> Result<Issued, TlsError> {
    let issuer = Issuer::from_ca_cert_pem(authority, KeyPair::from_pem(authority_key)?)?;
    let mut all: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    all.extend(names.iter().filter(|name| !NAMES.contains(&name.as_str())).cloned());
    let mut parameters = CertificateParams::new(all)?;
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let epoch = date_time_ymd(1970, 1, 1);
    parameters.not_before = epoch + Duration::from_secs(now_s.saturating_sub(CLOCK_SKEW_S));
    parameters.not_after = epoch + Duration::from_secs(now_s + life_s);
    let key = KeyPair::generate()?;
    let certificate = parameters.signed_by(&key, &issuer)?;
    Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem() })
}
