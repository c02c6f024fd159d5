//! The authority a connection trusts, as a file that needs no place on disk.
//!
//! async-nats reads the whole system's certificates on every dial when it is given a TLS configuration or nothing, and
//! only skips them when it is given files. Two hundred simulated nodes that dial again at once spend seconds on that,
//! are late for their pings, and dial again. So the authority is handed over as a file: one in memory, one a process.

use async_nats::rustls::RootCertStore;
use async_nats::rustls::pki_types::CertificateDer;
use async_nats::rustls::pki_types::pem::PemObject;
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// One file for each authority this process ever trusted. They live as long as the process: a reconnect reads them.
static FILES: Mutex<BTreeMap<String, std::fs::File>> = Mutex::new(BTreeMap::new());

/// A path that `authority` (PEM) can be read from; an error where it holds no certificate.
pub(super) fn file(authority: &str) -> Result<PathBuf, String> {
    check(authority)?;
    let mut files = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    if !files.contains_key(authority) {
        let made = memfd_create("kubus-ca", MFdFlags::MFD_CLOEXEC).map_err(std::io::Error::from);
        let written = made.and_then(|descriptor| {
            let mut file = std::fs::File::from(descriptor);
            file.write_all(authority.as_bytes())?;
            Ok(file)
        });
        files.insert(authority.to_owned(), written.map_err(|error| format!("cannot keep the authority: {error}"))?);
    }
    let file = files.get(authority).ok_or("the authority is gone")?;
    Ok(PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())))
}

fn check(authority: &str) -> Result<(), String> {
    let damaged = |error: &dyn std::fmt::Display| format!("the certificate authority is damaged: {error}");
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()) {
        roots.add(certificate.map_err(|error| damaged(&error))?).map_err(|error| damaged(&error))?;
    }
    if roots.is_empty() {
        return Err("the credentials name no certificate authority".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_authority_no_trust() {
        assert!(file("").is_err());
        assert!(file("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err());
    }

    #[test]
    fn an_authority_is_one_file_that_can_be_read_again() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = rcgen::CertificateParams::default().self_signed(&key).expect("a certificate");
        let path = file(&certificate.pem()).expect("a file");
        assert_eq!(file(&certificate.pem()).expect("the same"), path);
        for _ in 0..2 {
            assert_eq!(std::fs::read_to_string(&path).expect("readable"), certificate.pem());
        }
    }
}
