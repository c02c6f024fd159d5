//! What the engine's host is.

use super::super::{HostFacts, RuntimeError};
use super::failure;
use bollard::Docker;
use std::path::Path;

/// Facts of the engine and its host; the size of the file system is that of `data_dir`.
pub(super) async fn facts(docker: &Docker, data_dir: &Path) -> Result<HostFacts, RuntimeError> {
    let info = docker.info().await.map_err(|e| failure("engine", e))?;
    let architecture = match info.architecture.as_deref() {
        Some("x86_64") => "amd64".to_owned(),
        Some("aarch64") => "arm64".to_owned(),
        other => other.unwrap_or_default().to_owned(),
    };
    let version = info.server_version.unwrap_or_default();
    Ok(HostFacts {
        // Without the distribution's suffix.
        runtime_version: format!("docker://{}", version.split('+').next().unwrap_or_default()),
        os_image: info.operating_system.unwrap_or_default(),
        kernel_version: info.kernel_version.unwrap_or_default(),
        architecture,
        cpus: info.ncpu.unwrap_or(1),
        memory_bytes: info.mem_total.unwrap_or(0),
        storage_bytes: storage_bytes(data_dir),
    })
}

/// Size of the file system `path` is on, 0 where it cannot be told.
fn storage_bytes(path: &Path) -> i64 {
    let Ok(stat) = nix::sys::statvfs::statvfs(path) else { return 0 };
    let bytes = u128::from(stat.blocks()) * u128::from(stat.fragment_size());
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
