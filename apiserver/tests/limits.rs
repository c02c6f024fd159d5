//! What a request must not get beyond its right, its name or its first attempt.

mod common;

use common::{Answer, Cluster, pod};
use kubus_proto::codec;
use kubus_proto::event::Changes;
use kubus_proto::request::Method;
use serde_json::json;

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn names(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.code, 200);
    let changes: Changes = codec::decode(&answer.bytes).expect("changes");
    changes.changes.into_iter().map(|change| change.name).collect()
}

#[tokio::test]
async fn a_watch_of_one_name_is_answered_with_that_name_only() {
    let server = Cluster::new().await;
    server.pod("user", "n1").await;
    for name in ["kube-root-ca.crt", "other"] {
        server.config_map(name, json!({})).await;
    }
    for from in ["", "&resourceVersion=1"] {
        let path = format!("{CONFIG_MAPS}?watch=true&fieldSelector=metadata.name%3Dkube-root-ca.crt{from}");
        let answer = server.ask(Method::Get, &path).identity("node:n1").send().await;
        assert_eq!(names(&answer), ["kube-root-ca.crt"], "{from}");
    }
    let all = server.get(&format!("{CONFIG_MAPS}?watch=true")).await;
    assert_eq!(names(&all), ["kube-root-ca.crt", "other"]);
}

#[tokio::test]
async fn a_selector_is_no_name_where_something_is_written() {
    let server = Cluster::new().await;
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"generateName": "evil-"}});
    let ask = server.ask(Method::Post, "/api/v1/nodes?fieldSelector=metadata.name%3Dn1").identity("node:n1");
    ask.body(&node).send().await.fails(403);
    let own = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}});
    server.ask(Method::Post, "/api/v1/nodes").identity("node:n1").body(&own).send().await.ok(201);
}

#[tokio::test]
async fn names_hold_nothing_that_keys_are_made_of() {
    let server = Cluster::new().await;
    let event = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": name}, "reason": "Test",
            "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"}})
    };
    for name in ["a\u{0}b", "a\nb", "x".repeat(254).as_str()] {
        server.post("/api/v1/namespaces/default/events", event(name)).await.fails(422);
    }
    server.post("/api/v1/namespaces/default/pods", pod("p")).await.ok(201);
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"},
        "target": {"kind": "Node", "name": "n\u{0}1"}});
    let answer = server.post("/api/v1/namespaces/default/pods/p/binding", binding).await;
    answer.fails(400);
}

#[tokio::test]
async fn a_repeated_deletion_of_many_takes_nothing_made_since() {
    let server = Cluster::new().await;
    for name in ["a", "b"] {
        server.config_map(name, json!({"app": "web"})).await;
    }
    let id = uuid::Uuid::new_v4();
    let path = format!("{CONFIG_MAPS}?labelSelector=app%3Dweb");
    server.ask(Method::Delete, &path).id(id).send().await.ok(200);
    for name in ["b", "c"] {
        server.config_map(name, json!({"app": "web"})).await;
    }
    server.ask(Method::Delete, &path).id(id).send().await.ok(200);
    let left = server.get(CONFIG_MAPS).await.ok(200);
    let left: Vec<&str> =
        left["items"].as_array().expect("items").iter().filter_map(|o| o["metadata"]["name"].as_str()).collect();
    assert_eq!(left, ["b", "c"]);
}
