//! Whom a webhook's certificate must be signed by: the authorities in its configuration, or the system's.

use super::WebhookError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Most configurations kept; beyond that all are made anew.
const KEPT_LIMIT: usize = 256;
/// Where systems keep their authorities; the first one that is there counts.
const SYSTEM_BUNDLES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// TLS configurations by the authorities they trust.
#[derive(Default)]
pub(super) struct Trust {
    kept: Mutex<HashMap<Vec<u8>, Arc<ClientConfig>>>,
}

impl Trust {
    /// The configuration that trusts the authorities of a PEM bundle.
    pub(super) fn of(&self, bundle: &[u8]) -> Result<Arc<ClientConfig>, WebhookError> {
        if let Some(config) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(bundle) {
            return Ok(config.clone());
        }
        let config = Arc::new(config(bundle)?);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_LIMIT {
            kept.clear();
        }
        kept.insert(bundle.to_vec(), config.clone());
        Ok(config)
    }
}

fn config(bundle: &[u8]) -> Result<ClientConfig, WebhookError> {
    let wrong = |error: &dyn std::fmt::Display| WebhookError::Trust(error.to_string());
    let system;
    let bundle = if bundle.is_empty() {
        system = SYSTEM_BUNDLES.iter().find_map(|path| std::fs::read(path).ok()).unwrap_or_default();
        system.as_slice()
    } else {
        bundle
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle) {
        roots.add(certificate.map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
    }
    if roots.is_empty() {
        return Err(wrong(&"there is no certificate in the caBundle, and the system has none"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(builder.map_err(|e| wrong(&e))?.with_root_certificates(roots).with_no_client_auth())
}

/// Whether a PEM bundle can be read.
pub(super) fn check(bundle: &[u8]) -> Result<(), WebhookError> {
    config(bundle).map(|_| ())
}
