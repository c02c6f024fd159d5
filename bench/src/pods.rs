//! From nothing to a running pod, beside bare docker with the same containers.

use crate::figures::{Figure, print_value};
use anyhow::{Context, ensure};
use kubus_tests::{Cluster, docker_available, images};
use std::process::Command;
use std::time::{Duration, Instant};

/// Pods started one after the other for each figure.
const ROUNDS: usize = 10;
const LIMIT: Duration = Duration::from_secs(60);

/// Measures `up` to first Running, and apply to Running beside `docker run`.
pub async fn measure() -> anyhow::Result<()> {
    if !docker_available() {
        return Ok(());
    }
    println!("\npods on real containers");
    images::ensure();
    let bare = bare_docker()?;
    let started = Instant::now();
    let cluster = Cluster::up(&[]);
    print_value("up, 1 control plane and 1 node", format!("{:.2} s", started.elapsed().as_secs_f64()));
    run_pod(&cluster, "first")?;
    print_value("up to first pod Running", format!("{:.2} s", started.elapsed().as_secs_f64()));
    let mut latencies = Vec::new();
    let whole = Instant::now();
    for i in 0..ROUNDS {
        latencies.push(run_pod(&cluster, &format!("p{i}"))?);
    }
    let pods = Figure::new(latencies, whole.elapsed());
    let ratio = pods.percentile(0.5).as_secs_f64() / bare.percentile(0.5).as_secs_f64();
    print_value(
        "docker run of sandbox and container",
        format!("{:.0} ms (median)", bare.percentile(0.5).as_secs_f64() * 1e3),
    );
    print_value(
        "apply to Running",
        format!("{:.0} ms (median), {ratio:.2}x of bare docker", pods.percentile(0.5).as_secs_f64() * 1e3),
    );
    Ok(())
}

fn docker(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("docker").args(arguments).output().context("docker runs")?;
    ensure!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A sandbox and a container that joins it, as a pod has them.
fn bare_docker() -> anyhow::Result<Figure> {
    let mut latencies = Vec::new();
    let whole = Instant::now();
    for i in 0..ROUNDS {
        let (sandbox, app) = (format!("kubus-bench-sandbox-{i}"), format!("kubus-bench-app-{i}"));
        let started = Instant::now();
        docker(&["run", "-d", "--name", &sandbox, "--ipc", "shareable", "busybox", "sleep", "600"])?;
        let join = format!("container:{sandbox}");
        docker(&["run", "-d", "--name", &app, "--network", &join, "--ipc", &join, "busybox", "sleep", "600"])?;
        latencies.push(started.elapsed());
        docker(&["rm", "-f", &app, &sandbox])?;
    }
    Ok(Figure::new(latencies, whole.elapsed()))
}

/// Applies a pod and waits until it is Running, through a watch so that nothing is lost to polling.
fn run_pod(cluster: &Cluster, name: &str) -> anyhow::Result<Duration> {
    let manifest = format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\nspec:\n  terminationGracePeriodSeconds: 0\n  containers:\n  - name: c\n    \
         image: busybox\n    imagePullPolicy: IfNotPresent\n    command: [\"sleep\", \"600\"]\n"
    );
    let file = cluster.manifest(&format!("{name}.yml"), &manifest);
    let started = Instant::now();
    cluster.run(&format!("apply -f {file}"));
    cluster.run(&format!("wait --for=condition=Ready pod/{name} --timeout={}s", LIMIT.as_secs()));
    let took = started.elapsed();
    cluster.run(&format!("delete pod {name} --wait=false"));
    Ok(took)
}
