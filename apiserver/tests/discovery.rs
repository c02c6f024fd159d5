//! What clients ask for before anything else, through the whole pipeline.

mod common;

use common::Cluster;
use kubus_proto::request::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn discovery_is_answered_in_the_form_that_was_asked_for() {
    let cluster = Cluster::new().await;
    for (path, kind) in [
        ("/api", "APIVersions"),
        ("/apis/", "APIGroupList"),
        ("/apis/apps", "APIGroup"),
        ("/api/v1", "APIResourceList"),
        ("/apis/apps/v1/", "APIResourceList"),
    ] {
        let body = cluster.get(path).await.ok(200);
        assert_eq!(body["kind"], kind, "{path}");
    }
    let media = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let ask = cluster.ask(Method::Get, "/apis").accept(&format!("{media},application/json"));
    let answer = ask.send().await;
    assert_eq!((answer.code, answer.content_type.as_str()), (200, media));
    let body: Value = serde_json::from_slice(&answer.bytes).expect("JSON");
    assert_eq!(body["apiVersion"], "apidiscovery.k8s.io/v2");
    assert!(cluster.get("/").await.ok(200)["paths"].as_array().expect("paths").contains(&json!("/apis/apps/v1")));
    let answer = cluster.get("/openapi/v3").await;
    assert_eq!((answer.code, answer.content_type.as_str()), (200, "application/json"));
    let index: Value = serde_json::from_slice(&answer.bytes).expect("JSON");
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().expect("a URL");
    let answer = cluster.get(url).await;
    let document: Value = serde_json::from_slice(&answer.bytes).expect("JSON");
    assert!(document["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"].is_object());
    assert_eq!(cluster.get("/apis/nonsense/v1").await.fails(404), "the server could not find the requested resource");
}
