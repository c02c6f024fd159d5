//! The certificate this gateway shows: made where there is none, renewed before it ends, read again when its file
//! changes. Connections that stand keep what they began with.

use super::{TlsError, issue, provider, read_certificates, read_key};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;
use x509_parser::prelude::{FromDer, X509Certificate};

/// How often the files are looked at, in milliseconds.
const LOOK_MS: u64 = 1_000;

/// Where everything is, and what a new certificate should say.
#[derive(Clone, Debug)]
pub struct ServingFiles {
    /// Certificate that is shown.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Certificate of the authority.
    pub authority: PathBuf,
    /// Its key.
    pub authority_key: PathBuf,
    /// Names beside those every gateway has.
    pub names: Vec<String>,
    /// How long a new certificate is good for, in seconds.
    pub life_s: u64,
}

/// The certificate of the moment.
#[derive(Debug)]
pub struct Serving {
    files: ServingFiles,
    current: RwLock<Current>,
}

#[derive(Clone, Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    validity: Validity,
    /// What the files looked like when they were read.
    stamp: Stamp,
}

/// Change times of certificate and key.
type Stamp = [Option<SystemTime>; 2];

/// From when until when, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Validity {
    from_s: i64,
    until_s: i64,
}

impl Validity {
    /// Whether less than a third of its life is left.
    fn is_due(self, now_s: i64) -> bool {
        (self.until_s - now_s).saturating_mul(3) < self.until_s - self.from_s
    }
}

impl Serving {
    /// Reads the certificate, after making one where there is none or a new one is due.
    pub fn start(files: ServingFiles) -> Result<Self, TlsError> {
        let usable = load(&files).ok().filter(|current| !current.validity.is_due(now_s()));
        let current = match usable {
            Some(current) => current,
            None => renew(&files)?,
        };
        Ok(Self { files, current: RwLock::new(current) })
    }

    /// Where its files are.
    pub fn files(&self) -> &ServingFiles {
        &self.files
    }

    /// Whether its time has come and is not over.
    pub fn is_good(&self) -> bool {
        let Validity { from_s, until_s } = self.current.read().unwrap_or_else(PoisonError::into_inner).validity;
        (from_s..=until_s).contains(&now_s())
    }

    /// Renews and reads again until `stop`.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut said = String::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(LOOK_MS)) => {}
            }
            match self.look() {
                Ok(()) => said.clear(),
                Err(error) if said == error.to_string() => {}
                Err(error) => {
                    tracing::error!(%error, "the serving certificate stays as it is");
                    said = error.to_string();
                }
            }
        }
    }

    fn look(&self) -> Result<(), TlsError> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let next = if stamp(&self.files) != current.stamp {
            tracing::info!("the serving certificate has changed");
            load(&self.files)?
        } else if current.validity.is_due(now_s()) {
            tracing::info!("renewing the serving certificate");
            renew(&self.files)?
        } else {
            return Ok(());
        };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).key.clone())
    }
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

fn stamp(files: &ServingFiles) -> Stamp {
    [&files.certificate, &files.key].map(|path| std::fs::metadata(path).and_then(|m| m.modified()).ok())
}

fn load(files: &ServingFiles) -> Result<Current, TlsError> {
    let stamp = stamp(files);
    let chain = read_certificates(&files.certificate)?;
    let (_, own) = X509Certificate::from_der(&chain[0]).map_err(|e| TlsError::Damaged(e.to_string()))?;
    let validity =
        Validity { from_s: own.validity().not_before.timestamp(), until_s: own.validity().not_after.timestamp() };
    let key = CertifiedKey::from_der(chain, read_key(&files.key)?, &provider())?;
    Ok(Current { key: Arc::new(key), validity, stamp })
}

/// Makes a new pair, keeps it, and gives it.
fn renew(files: &ServingFiles) -> Result<Current, TlsError> {
    let read = |path: &Path| {
        std::fs::read_to_string(path)
            .map_err(|e| TlsError::Read { path: path.display().to_string(), reason: e.to_string() })
    };
    let issued = issue::serving(&read(&files.authority)?, &read(&files.authority_key)?, &files.names, files.life_s)?;
    // Certificate and key cannot be replaced in one step; between the two they are no pair, and whoever reads them then
    // keeps what it has and reads again.
    write_private(&files.key, issued.key.as_bytes())?;
    write_private(&files.certificate, issued.certificate.as_bytes())?;
    load(files)
}

fn write_private(path: &Path, content: &[u8]) -> Result<(), TlsError> {
    let error = |source| TlsError::Write { path: path.display().to_string(), source };
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(error)?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(error)?;
    std::fs::rename(&temporary, path).map_err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewal_is_due_in_the_last_third() {
        let validity = Validity { from_s: 0, until_s: 300 };
        for (now, due) in [(0, false), (199, false), (200, false), (201, true), (299, true), (900, true)] {
            assert_eq!(validity.is_due(now), due, "{now}");
        }
    }
}
