//! Certificates of clients: anyone may connect, with a certificate, a bad one, or none.
//!
//! Whether a certificate is believed is decided after the handshake, as Kubernetes does: a client whose certificate has
//! expired gets a 401 that it can show to its user, and not a broken connection.

use super::{TlsError, read_certificates};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What a client's certificate is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// None was shown.
    Nothing,
    /// One that is not believed, and why not.
    Refused(String),
    /// A good one.
    Subject {
        /// Common name.
        name: String,
        /// Organizations.
        groups: Vec<String>,
        /// When it ends, in seconds since 1970: a connection may outlive it.
        not_after_s: i64,
    },
}

/// Judges clients by the cluster's authority.
#[derive(Debug)]
pub struct Clients {
    inner: Arc<dyn ClientCertVerifier>,
}

impl Clients {
    /// Believes what the authorities in the file have signed.
    pub fn new(authority: &Path, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in read_certificates(authority)? {
            roots.add(certificate)?;
        }
        let inner = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        Ok(Self { inner })
    }

    /// What the certificates of a finished handshake are worth at this moment.
    pub fn judge(&self, shown: Option<&[CertificateDer<'_>]>) -> Shown {
        let Some((own, above)) = shown.and_then(<[_]>::split_first) else { return Shown::Nothing };
        if let Err(error) = self.inner.verify_client_cert(own, above, UnixTime::now()) {
            return Shown::Refused(error.to_string());
        }
        match X509Certificate::from_der(own) {
            Ok((_, certificate)) => subject(&certificate),
            Err(error) => Shown::Refused(error.to_string()),
        }
    }
}

fn subject(certificate: &X509Certificate<'_>) -> Shown {
    let subject = certificate.subject();
    let name = subject.iter_common_name().find_map(|name| name.as_str().ok()).unwrap_or_default().to_owned();
    if name.is_empty() {
        return Shown::Refused("its subject has no common name".to_owned());
    }
    let groups = subject.iter_organization().filter_map(|group| group.as_str().ok()).map(str::to_owned).collect();
    Shown::Subject { name, groups, not_after_s: certificate.validity().not_after.timestamp() }
}

impl ClientCertVerifier for Clients {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // Possession of the key is checked below; the certificate itself by `judge`.
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
