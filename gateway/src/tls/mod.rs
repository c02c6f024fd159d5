//! TLS: what this gateway shows, and whom it believes.

pub mod clients;
pub mod issue;
pub mod serving;

use clients::Clients;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serving::Serving;
use std::path::Path;
use std::sync::Arc;

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of certificates or keys cannot be read.
    #[error("cannot read {path}: {reason}")]
    Read {
        /// Which file.
        path: String,
        /// Why not.
        reason: String,
    },
    /// A file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Which file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A certificate cannot be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// Certificate and key are no pair, or of no use.
    #[error("the certificate cannot be used: {0}")]
    Use(#[from] rustls::Error),
    /// The authority cannot be trusted.
    #[error("clients cannot be verified: {0}")]
    Verify(#[from] rustls::server::VerifierBuilderError),
    /// A certificate cannot be looked into.
    #[error("the certificate is damaged: {0}")]
    Damaged(String),
}

/// What listens: the configuration of each handshake, and who judges clients after it.
#[derive(Clone)]
pub struct Tls {
    /// For handshakes.
    pub server: Arc<ServerConfig>,
    /// Judges certificates that clients have shown.
    pub clients: Arc<Clients>,
}

/// Everything of TLS, with the certificate that `serving` holds at the moment of each handshake.
pub fn configuration(serving: &Arc<Serving>) -> Result<Tls, TlsError> {
    let provider = Arc::new(provider());
    let clients = Arc::new(Clients::new(&serving.files().authority, provider.clone())?);
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients.clone())
        .with_cert_resolver(serving.clone());
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Tls { server: Arc::new(server), clients })
}

fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let error = |reason: String| TlsError::Read { path: path.display().to_string(), reason };
    let found: Vec<CertificateDer> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|e: rustls::pki_types::pem::Error| error(e.to_string()))?;
    if found.is_empty() { Err(error("it holds no certificate".to_owned())) } else { Ok(found) }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|e| TlsError::Read { path: path.display().to_string(), reason: e.to_string() })
}
