//! `kubus down`: nothing of the cluster is left running; with `--purge` nothing is left at all.

use super::progress::step;
use super::spec::ClusterSpec;
use super::{DownArgs, Home, Runtime, process, up};
use anyhow::{Context, bail};
use std::time::Duration;

/// How long a process may take to end in order.
const GRACE: Duration = Duration::from_secs(5);

pub async fn run(args: DownArgs, home: Home) -> anyhow::Result<()> {
    let Some(spec) = ClusterSpec::load(&home)? else {
        eprintln!("No cluster in {}; nothing to stop", home.root().display());
        return Ok(());
    };
    let lock = up::lock(&home)?;
    let progress = step("Stopping processes");
    // Those that act go first, so that nobody sees the stop as a fault and repairs it; the bus goes last.
    let all = process::known(&home);
    for prefixes in [&["gateway-", "controllers-", "scheduler-"][..], &["nodeagent-"], &["apiserver-"], &["nats-"]] {
        let names: Vec<String> = all.iter().filter(|n| prefixes.iter().any(|p| n.starts_with(p))).cloned().collect();
        process::stop(&home, &names, GRACE)?;
    }
    progress.done(format!("Stopped {} process(es)", all.len()));
    if spec.runtime == Runtime::Docker {
        let progress = step("Removing containers");
        containers(&spec, "purge", &[])?;
        progress.done("Removed the cluster's containers");
    }
    if args.purge {
        drop(lock);
        std::fs::remove_dir_all(home.root()).with_context(|| format!("cannot remove {}", home.root().display()))?;
        eprintln!("Removed {}", home.root().display());
    }
    Ok(())
}

/// Lets the node agent's program do something to all containers of the cluster or of one node; this program itself
/// does not know Docker.
pub fn containers(spec: &ClusterSpec, action: &str, more: &[&str]) -> anyhow::Result<()> {
    let output = std::process::Command::new(process::program("kubus-nodeagent"))
        .args([action, "--cluster", &spec.id])
        .args(more)
        .output()
        .context("cannot run kubus-nodeagent")?;
    if !output.status.success() {
        bail!("containers of the cluster could not be handled: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
