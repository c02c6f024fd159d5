//! Where a cluster's files are: one folder, one function a file.

use std::path::{Path, PathBuf};

/// The folder of one cluster (`$KUBUS_HOME`, `~/.kubus`).
#[derive(Clone, Debug)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// The home at `root`; a relative path is taken from the current folder.
    pub fn at(root: PathBuf) -> Self {
        Self { root: std::path::absolute(&root).unwrap_or(root) }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What was asked for.
    pub fn spec(&self) -> PathBuf {
        self.root.join("cluster.json")
    }

    /// Credentials of one identity. A `:` in an identity stays: it is a common character of Linux file names.
    pub fn credentials(&self, identity: &str) -> PathBuf {
        self.credentials_folder().join(format!("{identity}.json"))
    }

    /// All credentials.
    pub fn credentials_folder(&self) -> PathBuf {
        self.root.join("credentials")
    }

    /// Certificates and their keys.
    pub fn pki(&self, file: &str) -> PathBuf {
        self.root.join("pki").join(file)
    }

    /// What kubectl and client libraries read.
    pub fn kubeconfig(&self) -> PathBuf {
        self.root.join("kubeconfig")
    }

    /// Configuration of bus server `id`.
    pub fn nats_config(&self, id: u8) -> PathBuf {
        self.root.join("nats").join(format!("nats-{id}.conf"))
    }

    /// Data of one process.
    pub fn data(&self, process: &str) -> PathBuf {
        self.root.join("data").join(process)
    }

    /// Log of one process.
    pub fn log(&self, process: &str) -> PathBuf {
        self.root.join("logs").join(format!("{process}.log"))
    }

    /// Process id of one process.
    pub fn pid(&self, process: &str) -> PathBuf {
        self.run_folder().join(format!("{process}.pid"))
    }

    /// When one process started, in the kernel's ticks.
    pub fn started(&self, process: &str) -> PathBuf {
        self.run_folder().join(format!("{process}.started"))
    }

    /// All process ids.
    pub fn run_folder(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Makes the folders, readable by their owner only: keys are in them.
    pub fn create(&self) -> std::io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        for folder in ["", "credentials", "pki", "nats", "data", "logs", "run"] {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(self.root.join(folder))?;
        }
        Ok(())
    }
}

/// Writes a file in one step, so that a reader never sees half of it; only its owner may read it.
pub fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)
}
