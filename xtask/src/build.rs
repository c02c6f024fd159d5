//! Runs cargo and other programs, and knows where what they build is.

use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How programs are built.
#[derive(Clone, Copy)]
pub enum Profile {
    /// For tests.
    Dev,
    /// For use and for measuring.
    Release,
}

/// The top folder of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Builds every program and gives their folder.
pub fn programs(profile: Profile) -> anyhow::Result<PathBuf> {
    match profile {
        Profile::Dev => cargo(&["build", "--workspace", "--bins"])?,
        Profile::Release => cargo(&["build", "--release", "--workspace", "--bins"])?,
    }
    Ok(target().join(match profile {
        Profile::Dev => "debug",
        Profile::Release => "release",
    }))
}

/// Runs cargo in the project, with the tools that were installed for it in `PATH`.
pub fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    eprintln!("+ cargo {}", arguments.join(" "));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run(Command::new(cargo).args(arguments))
}

/// Runs a program to its end.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let tools = super::tools::folder();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(tools).chain(std::env::split_paths(&path)))?;
    let status = command.current_dir(root()).env("PATH", path).status();
    let status = status.with_context(|| format!("cannot run {:?}", command.get_program()))?;
    if !status.success() {
        bail!("{:?} failed: {status}", command.get_program());
    }
    Ok(())
}
