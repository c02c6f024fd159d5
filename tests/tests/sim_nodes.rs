//! Two hundred simulated nodes in one process: pods are placed, spread, and the other replica takes over.

use kubus_tests::{Cluster, nats_available};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(120);

#[test]
fn hundreds_of_nodes_run_a_deployment_over_the_death_of_scheduler_and_controllers() {
    if !nats_available() {
        return;
    }
    let cluster = Cluster::up(&["--control-planes", "3", "--nodes", "200", "--runtime", "sim"]);
    cluster.run("kubectl create deployment wide --image=nginx --replicas=400");
    cluster.run("kubectl rollout status deployment/wide --timeout=120s");
    let pods = cluster.json("kubectl get pods");
    let mut by_node: BTreeMap<&str, usize> = BTreeMap::new();
    for pod in pods["items"].as_array().expect("pods") {
        *by_node.entry(pod["spec"]["nodeName"].as_str().expect("bound")).or_default() += 1;
    }
    assert_eq!(by_node.values().sum::<usize>(), 400);
    assert!(by_node.len() == 200 && by_node.values().all(|n| *n <= 4), "spread over all nodes: {by_node:?}");

    for (lease, process) in [("kube-scheduler", "scheduler"), ("kube-controller-manager", "controllers")] {
        let holder =
            cluster.run(&format!("kubectl get lease {lease} -n kube-system -o 'jsonpath={{.spec.holderIdentity}}'"));
        // `scheduler-1_<uuid>`: the process and its start.
        let name = holder.split('_').next().unwrap_or_default();
        assert!(name.starts_with(process), "{holder}");
        cluster.signal(name, Signal::SIGKILL);
    }
    cluster.run("kubectl scale deployment/wide --replicas=500");
    cluster.run("kubectl rollout status deployment/wide --timeout=120s");
    cluster.run("kubectl delete deployment wide");
    cluster.wait_for("kubectl get pod --no-headers", SOON, str::is_empty);
}
