//! The file that lets one identity onto the bus: who it is, where the servers are, its key, and whom to trust.

use serde::{Deserialize, Serialize};
use std::path::Path;

/// Content of a credentials file (JSON), complete in itself so that it can be carried to another host.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// Identity the NATS server ties to the key (`admin`, `node:n1`).
    pub identity: String,
    /// NATS servers, the nearest first (`tls://127.0.0.1:4222`).
    pub servers: Vec<String>,
    /// PEM of the authority that signed the servers' certificates.
    pub certificate_authority: String,
    /// nkey seed (`SU…`); secret.
    pub seed: String,
}

/// A credentials file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// No such file, or no right to read it.
    #[error("cannot read credentials {path}: {source}; run `kubus up` first, or name the file with --credentials")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Not what the file should hold.
    #[error("credentials {path} are damaged: {source}")]
    Parse {
        /// Which file.
        path: String,
        /// Why.
        source: serde_json::Error,
    },
}

impl Credentials {
    /// Reads a credentials file.
    pub fn load(path: &Path) -> Result<Self, CredentialsError> {
        let name = || path.display().to_string();
        let text = std::fs::read(path).map_err(|source| CredentialsError::Read { path: name(), source })?;
        serde_json::from_slice(&text).map_err(|source| CredentialsError::Parse { path: name(), source })
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({} at {:?})", self.identity, self.servers)
    }
}
