//! Many nodes with pretended containers in one process, against an API in memory.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use kubus_nodeagent::agent::{Agent, AgentConfig};
use kubus_nodeagent::runtime::sim::{SimConfig, SimRuntime};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::{FakeCluster, condition};

fn sim(seed: u64) -> SimRuntime {
    let config = SimConfig { seed, cpus: 8, memory_bytes: 32 << 30, ..SimConfig::default() };
    SimRuntime::new(SimConfig { start_delay: Duration::from_millis(5), stop_delay: Duration::from_millis(5), ..config })
}

async fn agent(cluster: &FakeCluster, node: &str, runtime: &SimRuntime, dir: &std::path::Path) -> Agent {
    let config = AgentConfig {
        node: node.to_owned(),
        node_ip: "10.0.0.1".to_owned(),
        max_pods: 110,
        data_dir: dir.join(node),
        ..AgentConfig::default()
    };
    Agent::start(config, Arc::new(runtime.clone()), cluster.node(node)).await.unwrap()
}

fn spec(command: &str, policy: &str) -> serde_json::Value {
    let command: Vec<&str> = command.split(' ').filter(|w| !w.is_empty()).collect();
    json!({"restartPolicy": policy, "containers": [{"name": "c", "image": "nginx:1", "command": command}]})
}

#[tokio::test]
async fn two_hundred_nodes_run_their_pods_and_let_them_go() {
    const NODES: usize = 200;
    const PODS_PER_NODE: usize = 5;
    let (cluster, dir) = (FakeCluster::new(), tempfile::tempdir().unwrap());
    let mut agents = Vec::new();
    for n in 0..NODES {
        agents.push(agent(&cluster, &format!("n{n}"), &sim(n as u64), dir.path()).await);
    }
    for n in 0..NODES * PODS_PER_NODE {
        cluster.create_pod(&format!("n{}", n % NODES), &format!("p{n}"), spec("", "Always"));
    }
    cluster
        .wait("ready pods", |o| {
            (o.pods.len() == NODES * PODS_PER_NODE && o.pods.values().all(|p| condition(p, "Ready") == "True"))
                .then_some(())
        })
        .await;
    cluster.wait("nodes", |o| (o.nodes.len() == NODES).then_some(())).await;
    let writes = cluster.status_writes.load(Ordering::SeqCst);
    assert!(writes <= (3 * NODES * PODS_PER_NODE) as u64, "{writes} status writes are too many");
    eprintln!("{} status writes a pod", writes as f64 / (NODES * PODS_PER_NODE) as f64);
    for n in 0..NODES * PODS_PER_NODE {
        cluster.delete(&format!("p{n}"), 30);
    }
    cluster.wait("end of all pods", |o| o.pods.is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_pod_ends_by_its_restart_policy() {
    let (cluster, dir) = (FakeCluster::new(), tempfile::tempdir().unwrap());
    let _agent = agent(&cluster, "n", &sim(1), dir.path()).await;
    for (name, command, policy, phase) in [
        ("done", "exit 0 x", "Never", "Succeeded"),
        ("failed", "exit 3 x", "Never", "Failed"),
        ("retried", "exit 0 x", "OnFailure", "Succeeded"),
    ] {
        cluster.create_pod("n", name, spec(&format!("sh {command}"), policy));
        let pod = cluster.wait_pod(name, phase, |p| (p["status"]["phase"] == phase).then(|| p.clone())).await;
        assert_eq!(condition(&pod, "PodScheduled"), "True", "what others own is kept");
    }
    cluster.create_pod("n", "crashing", spec("sh exit 3 x", "Always"));
    let pod = cluster
        .wait_pod("crashing", "CrashLoopBackOff", |p| {
            let status = &p["status"]["containerStatuses"][0];
            (status["state"]["waiting"]["reason"] == "CrashLoopBackOff").then(|| p.clone())
        })
        .await;
    let status = &pod["status"]["containerStatuses"][0];
    assert_eq!((&status["restartCount"], &pod["status"]["phase"]), (&json!(1), &json!("Running")));
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 3);
    let message = status["state"]["waiting"]["message"].as_str().unwrap();
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    assert_eq!(message, format!("back-off 10s restarting failed container=c pod=crashing_default({uid})"));
    cluster.delete("crashing", 30);
    cluster.gone("crashing").await;
}

#[tokio::test]
async fn an_agent_that_starts_again_starts_nothing_twice() {
    let (cluster, dir, runtime) = (FakeCluster::new(), tempfile::tempdir().unwrap(), sim(1));
    for n in 0..20 {
        cluster.create_pod("n", &format!("p{n}"), spec("", "Always"));
    }
    // Agents die in the middle of their work, again and again.
    for n in 0..10 {
        let agent = agent(&cluster, "n", &runtime, dir.path()).await;
        tokio::time::timeout(Duration::from_millis(3 * n), std::future::pending::<()>()).await.unwrap_err();
        drop(agent);
    }
    let _agent = agent(&cluster, "n", &runtime, dir.path()).await;
    for n in 0..20 {
        let pod = cluster.running(&format!("p{n}")).await;
        assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0);
    }
    let twice: Vec<_> = runtime.starts().into_iter().filter(|(_, count)| *count > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[tokio::test]
async fn pods_the_api_lost_are_removed_and_a_namesake_is_another_pod() {
    let (cluster, dir, runtime) = (FakeCluster::new(), tempfile::tempdir().unwrap(), sim(1));
    let first = agent(&cluster, "n", &runtime, dir.path()).await;
    cluster.create_pod("n", "kept", spec("", "Always"));
    let old = cluster.create_pod("n", "same", spec("", "Always"));
    cluster.running("kept").await;
    cluster.running("same").await;
    drop(first);
    cluster.force_delete("same");
    let new = cluster.create_pod("n", "same", spec("", "Always"));
    let second = agent(&cluster, "n", &runtime, dir.path()).await;
    let pod = cluster.running("same").await;
    assert_eq!(pod["metadata"]["uid"], new.as_str());
    let gone = async {
        while second.pods().get(&old).is_some() || second.pods().uids().len() != 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(support::PATIENCE, gone).await.unwrap();
    assert!(runtime.starts().keys().all(|k| runtime.starts()[k] == 1));
    second.leave().await;
    let objects = cluster.objects();
    assert!(objects.heartbeats.last().unwrap().leaving);
}

#[tokio::test]
async fn containers_restart_while_the_api_cannot_be_reached() {
    let (cluster, dir, runtime) = (FakeCluster::new(), tempfile::tempdir().unwrap(), sim(1));
    let _agent = agent(&cluster, "n", &runtime, dir.path()).await;
    let uid = cluster.create_pod("n", "p", spec("", "Always"));
    let pod = cluster.running("p").await;
    cluster.offline.store(true, Ordering::SeqCst);
    let id = pod["status"]["containerStatuses"][0]["containerID"].as_str().unwrap().trim_start_matches("docker://");
    runtime.end(id, 1);
    let restarted = async {
        while !runtime.starts().contains_key(&format!("{uid}/c/1")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(support::PATIENCE, restarted).await.unwrap();
    cluster.offline.store(false, Ordering::SeqCst);
    cluster
        .wait_pod("p", "restart", |p| (p["status"]["containerStatuses"][0]["restartCount"] == 1).then_some(()))
        .await;
}

#[tokio::test]
async fn a_deleted_node_registers_again_and_says_that_it_lives() {
    let (cluster, dir) = (FakeCluster::new(), tempfile::tempdir().unwrap());
    let _agent = agent(&cluster, "n", &sim(1), dir.path()).await;
    let ready = |o: &support::Objects| {
        let node = o.nodes.get("n")?;
        (condition(node, "Ready") == "True").then(|| node.clone())
    };
    let node = cluster.wait("ready node", ready).await;
    assert_eq!(node["metadata"]["labels"]["kubernetes.io/hostname"], "n");
    assert_eq!(node["status"]["capacity"]["pods"], "110");
    cluster.node("n").delete_node();
    cluster.wait("node again", ready).await;
    cluster.wait("heartbeats", |o| (o.heartbeats.len() >= 2).then_some(())).await;
    let objects = cluster.objects();
    let beats = &objects.heartbeats;
    assert!(beats.windows(2).all(|w| w[0].boot_id == w[1].boot_id && w[0].sequence + 1 == w[1].sequence));
}

#[tokio::test]
async fn an_image_that_does_not_exist_is_backed_off() {
    let (cluster, dir) = (FakeCluster::new(), tempfile::tempdir().unwrap());
    let _agent = agent(&cluster, "n", &sim(1), dir.path()).await;
    cluster.create_pod("n", "p", json!({"containers": [{"name": "c", "image": "missing:1"}]}));
    for reason in ["ErrImagePull", "ImagePullBackOff"] {
        let waits = |p: &serde_json::Value| {
            (p["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == reason).then_some(())
        };
        cluster.wait_pod("p", reason, waits).await;
    }
    cluster.create_pod("n", "q", json!({"containers": [{"name": "c", "image": "Bad Name"}]}));
    cluster
        .wait_pod("q", "InvalidImageName", |p| {
            let state = &p["status"]["containerStatuses"][0]["state"];
            (state["waiting"]["reason"] == "InvalidImageName").then_some(())
        })
        .await;
    cluster.delete("p", 0);
    cluster.gone("p").await;
}

#[tokio::test]
async fn a_pods_token_is_renewed_in_its_volume() {
    let (cluster, dir) = (FakeCluster::new(), tempfile::tempdir().unwrap());
    let _agent = agent(&cluster, "n", &sim(1), dir.path()).await;
    let mut spec = spec("", "Always");
    // A life this short is over at once: the agent must ask again as soon as it looks.
    spec["volumes"] = json!([{"name": "api", "projected": {"sources": [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 1}}]}}]);
    let uid = cluster.create_pod("n", "web", spec);
    let file = dir.path().join("n/pods").join(uid).join("volumes/api/token");
    let wait = async |what: &str, found: &dyn Fn(&str) -> bool| {
        let waiting = async {
            loop {
                match std::fs::read_to_string(&file) {
                    Ok(text) if found(&text) => return text,
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        tokio::time::timeout(support::PATIENCE, waiting).await.expect(what)
    };
    let first = wait("a token", &|text| !text.is_empty()).await;
    let second = wait("another token", &|text| text != first).await;
    assert!(second.starts_with("h."), "a whole one");
    assert!(cluster.tokens.load(Ordering::SeqCst) >= 2);
}
