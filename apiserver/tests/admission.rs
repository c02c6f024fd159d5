//! Quotas, ranges, classes and pod security as requests meet them.

mod common;

use common::{Cluster, PODS, pod};
use futures::future::join_all;
use kubus_apiserver::quota_status;
use serde_json::{Value, json};

const QUOTAS: &str = "/api/v1/namespaces/default/resourcequotas";

async fn quota(cluster: &Cluster, hard: Value) {
    let quota = json!({"metadata": {"name": "q"}, "spec": {"hard": hard}});
    cluster.post(QUOTAS, quota).await.ok(201);
}

async fn used(cluster: &Cluster) -> Value {
    quota_status::count(&cluster.api, 0).await;
    cluster.get(&format!("{QUOTAS}/q")).await.ok(200)["status"]["used"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_creates_at_once_never_exceed_a_quota() {
    let cluster = Cluster::new().await;
    quota(&cluster, json!({"pods": "10", "configmaps": "3"})).await;
    let creates = (0..100).map(|i| {
        let cluster = &cluster;
        async move {
            let pods = cluster.post(PODS, pod(&format!("p{i}"))).await;
            let map = json!({"metadata": {"name": format!("m{i}")}});
            let maps = cluster.post("/api/v1/namespaces/default/configmaps", map).await;
            [pods, maps]
        }
    });
    let answers: Vec<_> = join_all(creates).await.into_iter().flatten().collect();
    let with = |code: u16| answers.iter().filter(|answer| answer.code == code).count();
    assert_eq!((with(201), with(403)), (13, 187));
    let refused = answers.iter().find(|answer| answer.code == 403).expect("refused");
    let message = refused.body["message"].as_str().unwrap_or_default();
    assert!(message.contains("is forbidden: exceeded quota: q, requested: "), "{message}");
    assert_eq!(used(&cluster).await, json!({"pods": "10", "configmaps": "3"}));
}

#[tokio::test]
async fn what_goes_makes_room() {
    let cluster = Cluster::new().await;
    quota(&cluster, json!({"pods": "1", "requests.cpu": "1"})).await;
    assert_eq!(used(&cluster).await, json!({"pods": "0", "requests.cpu": "0"}));
    let mut asking = pod("a");
    asking["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "400m"}});
    cluster.post(PODS, asking.clone()).await.ok(201);
    assert_eq!(used(&cluster).await, json!({"pods": "1", "requests.cpu": "400m"}));
    asking["metadata"]["name"] = json!("b");
    let message = cluster.post(PODS, asking.clone()).await.fails(403);
    assert_eq!(message, "pods \"b\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1");
    cluster.delete(&format!("{PODS}/a"), json!({"gracePeriodSeconds": 0})).await.ok(200);
    assert_eq!(used(&cluster).await["pods"], "0");
    cluster.post(PODS, asking).await.ok(201);
    let message = cluster.post(PODS, pod("c")).await.fails(403);
    assert_eq!(message, "pods \"c\" is forbidden: failed quota: q: must specify requests.cpu for: c");
}

#[tokio::test]
async fn ranges_classes_and_levels_apply() {
    let cluster = Cluster::new().await;
    let range = json!({"metadata": {"name": "r"}, "spec": {"limits": [
        {"type": "Container", "default": {"cpu": "500m"}, "max": {"cpu": "1"}}]}});
    cluster.post("/api/v1/namespaces/default/limitranges", range).await.ok(201);
    let made = cluster.post(PODS, pod("a")).await.ok(201);
    let resources = json!({"limits": {"cpu": "500m"}, "requests": {"cpu": "500m"}});
    assert_eq!(made["spec"]["containers"][0]["resources"], resources);
    let mut large = pod("b");
    large["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": "2"}});
    let message = cluster.post(PODS, large).await.fails(403);
    assert_eq!(message, "pods \"b\" is forbidden: maximum cpu usage per Container is 1, but limit is 2");

    let class = json!({"metadata": {"name": "high"}, "value": 1000});
    cluster.post("/apis/scheduling.k8s.io/v1/priorityclasses", class).await.ok(201);
    let mut important = pod("c");
    important["spec"]["priorityClassName"] = json!("high");
    assert_eq!(cluster.post(PODS, important).await.ok(201)["spec"]["priority"], 1000);

    let class = json!({"metadata": {"name": "local",
        "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}, "provisioner": "example.com/local"});
    cluster.post("/apis/storage.k8s.io/v1/storageclasses", class).await.ok(201);
    let claim = json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}}}});
    let claim = cluster.post("/api/v1/namespaces/default/persistentvolumeclaims", claim).await.ok(201);
    assert_eq!(claim["spec"]["storageClassName"], "local");

    let tight = json!({"metadata": {"name": "tight", "labels": {"pod-security.kubernetes.io/enforce": "baseline"}}});
    cluster.post("/api/v1/namespaces", tight).await.ok(201);
    let mut host = pod("d");
    host["spec"]["hostNetwork"] = json!(true);
    let message = cluster.post("/api/v1/namespaces/tight/pods", host).await.fails(403);
    assert_eq!(
        message,
        "pods \"d\" is forbidden: violates PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true)"
    );
    cluster.post("/api/v1/namespaces/tight/pods", pod("e")).await.ok(201);
}
