//! Exactly once: a retried request is answered, not repeated; writers of one object all get their turn.

mod common;

use common::{CONFIG_MAPS, Cluster, PODS, pod};
use kubus_proto::request::Method;
use serde_json::{Value, json};
use std::sync::Arc;

#[tokio::test]
async fn a_retried_write_is_answered_again() {
    let cluster = Cluster::new().await;
    cluster.config_map("a", json!({})).await;
    cluster.config_map("b", json!({})).await;
    cluster.pod("p", "n1").await;
    let append = json!([{"op": "add", "path": "/metadata/finalizers", "value": ["x.example/f"]}]);
    for (method, path, body, content_type) in [
        (Method::Post, CONFIG_MAPS.to_owned(), json!({"metadata": {"name": "c"}}), ""),
        (Method::Post, CONFIG_MAPS.to_owned(), json!({"metadata": {"generateName": "g-"}}), ""),
        (Method::Put, format!("{CONFIG_MAPS}/a"), json!({"metadata": {"name": "a"}, "data": {"x": "1"}}), ""),
        (Method::Patch, format!("{CONFIG_MAPS}/a"), append, "application/json-patch+json"),
        (Method::Delete, format!("{CONFIG_MAPS}/b"), Value::Null, ""),
        (Method::Delete, format!("{PODS}/p"), Value::Null, ""),
        (Method::Post, PODS.to_owned(), pod("q"), ""),
        (Method::Post, format!("{PODS}/q/binding"), json!({"target": {"name": "n1"}}), ""),
        (Method::Post, format!("{PODS}/q/eviction"), json!({}), ""),
    ] {
        let id = uuid::Uuid::new_v4();
        let ask = || cluster.ask(method, &path).id(id).content_type(content_type).body(&body).send();
        let first = ask().await;
        assert!(first.code < 300, "{method:?} {path}: {}", first.body);
        // Whatever happens in between, the answer stays the same.
        cluster.merge(&format!("{CONFIG_MAPS}/a"), json!({"data": {"other": path}})).await.ok(200);
        let second = ask().await;
        assert_eq!((first.code, first.body), (second.code, second.body), "{method:?} {path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_patches_of_one_object_all_land() {
    const WRITERS: usize = 64;
    let cluster = Arc::new(Cluster::new().await);
    cluster.config_map("a", json!({})).await;
    let tasks: Vec<_> = (0..WRITERS)
        .map(|i| {
            let cluster = cluster.clone();
            tokio::spawn(async move {
                let body = json!({"data": {format!("key-{i}"): "x"}});
                cluster.merge(&format!("{CONFIG_MAPS}/a"), body).await.ok(200);
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("patched");
    }
    let data = &cluster.get(&format!("{CONFIG_MAPS}/a")).await.ok(200)["data"];
    assert_eq!(data.as_object().map(serde_json::Map::len), Some(WRITERS + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_creates_of_one_name_one_wins() {
    let cluster = Arc::new(Cluster::new().await);
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let cluster = cluster.clone();
            tokio::spawn(async move { cluster.post(CONFIG_MAPS, json!({"metadata": {"name": "a"}})).await.code })
        })
        .collect();
    let mut codes = Vec::new();
    for task in tasks {
        codes.push(task.await.expect("asked"));
    }
    codes.sort_unstable();
    assert_eq!((codes[0], codes[1]), (201, 409));
    assert!(codes[1..].iter().all(|code| *code == 409), "{codes:?}");
}
