//! Parts of objects with paths of their own, and kinds of which nothing is stored.

mod common;

use common::{Cluster, PODS, pod};
use kubus_proto::request::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_binding_in_the_collection_binds_the_pod_it_names() {
    let cluster = Cluster::new().await;
    cluster.pod("p", "").await;
    let bindings = "/api/v1/namespaces/default/bindings";
    let binding = |name: &str| json!({"metadata": {"name": name}, "target": {"kind": "Node", "name": "n1"}});
    assert_eq!(cluster.post(bindings, binding("p")).await.ok(201)["status"], "Success");
    assert_eq!(cluster.get(&format!("{PODS}/p")).await.ok(200)["spec"]["nodeName"], "n1");
    cluster.post(bindings, binding("p")).await.fails(409);
    cluster.post(bindings, binding("q")).await.fails(404);
    cluster.post(bindings, binding("")).await.fails(422);
    cluster.get(bindings).await.fails(405);
}

#[tokio::test]
async fn ephemeral_containers_are_added_to_a_running_pod() {
    let cluster = Cluster::new().await;
    cluster.pod("p", "n1").await;
    let path = format!("{PODS}/p/ephemeralcontainers");
    let patch = |container: Value| json!({"spec": {"ephemeralContainers": [container]}});
    let strategic = "application/strategic-merge-patch+json";
    let ask = |body: Value| cluster.ask(Method::Patch, &path).content_type(strategic).body(&body).send();
    let changed = ask(patch(json!({"name": "debug", "image": "busybox", "targetContainerName": "c"}))).await.ok(200);
    let container = &changed["spec"]["ephemeralContainers"][0];
    assert_eq!((&container["name"], &container["imagePullPolicy"]), (&json!("debug"), &json!("Always")));
    assert_eq!(changed["metadata"]["generation"], 2);
    let changed = ask(patch(json!({"name": "second", "image": "busybox"}))).await.ok(200);
    assert_eq!(changed["spec"]["ephemeralContainers"].as_array().map(Vec::len), Some(2));
    let message = ask(patch(json!({"name": "debug", "image": "other"}))).await.fails(422);
    assert!(message.contains("existing ephemeral containers \"debug\" may not be changed"), "{message}");
    let message = ask(patch(json!({"name": "third", "image": "x", "targetContainerName": "nope"}))).await.fails(422);
    assert!(message.contains("spec.ephemeralContainers[0].targetContainerName: Not found"), "{message}");
    // Nothing else changes here.
    let other = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"activeDeadlineSeconds": 5}});
    let same = ask(other).await.ok(200);
    assert_eq!((&same["metadata"]["labels"], &same["spec"]["activeDeadlineSeconds"]), (&json!(null), &json!(null)));
}

#[tokio::test]
async fn a_pod_is_resized_within_its_class() {
    let cluster = Cluster::new().await;
    let mut body = pod("p");
    body["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "100m"}});
    cluster.post(PODS, body).await.ok(201);
    let path = format!("{PODS}/p/resize");
    let patch = |resources: Value| json!({"spec": {"containers": [{"name": "c", "resources": resources}]}});
    let strategic = "application/strategic-merge-patch+json";
    let ask = |body: Value| cluster.ask(Method::Patch, &path).content_type(strategic).body(&body).send();
    let resized = ask(patch(json!({"requests": {"cpu": "200m"}}))).await.ok(200);
    assert_eq!(resized["spec"]["containers"][0]["resources"]["requests"]["cpu"], "200m");
    assert_eq!(resized["metadata"]["generation"], 2);
    let limits = json!({"cpu": "200m", "memory": "1Mi"});
    let message = ask(patch(json!({"requests": {"memory": "1Mi"}, "limits": limits}))).await.fails(422);
    assert!(message.contains("Pod QOS Class may not change as a result of resizing"), "{message}");
    let message =
        ask(patch(json!({"requests": {"example.com/gpu": "1"}, "limits": {"example.com/gpu": "1"}}))).await.fails(422);
    assert!(message.contains("spec.containers[0].resources: Forbidden: only cpu and memory resources are mutable"));
    let main = format!("{PODS}/p");
    cluster
        .merge(
            &main,
            json!({"spec": {"containers": [{"name": "c", "image": "nginx:1", "resources":
        {"requests": {"cpu": "300m"}}}]}}),
        )
        .await
        .fails(422);
}

#[tokio::test]
async fn component_statuses_are_made_when_they_are_asked_for() {
    let cluster = Cluster::new().await;
    let path = "/api/v1/componentstatuses";
    let all = cluster.get(path).await.ok(200);
    assert_eq!(all["kind"], "ComponentStatusList");
    let names: Vec<&Value> = all["items"].as_array().expect("items").iter().map(|i| &i["metadata"]["name"]).collect();
    assert_eq!(names, ["controller-manager", "scheduler", "store"]);
    let one = cluster.get(&format!("{path}/store")).await.ok(200);
    assert_eq!(one["conditions"][0], json!({"type": "Healthy", "status": "True", "message": "ok"}));
    let message = cluster.get(&format!("{path}/nope")).await.fails(404);
    assert_eq!(message, "componentstatuses \"nope\" not found");
    let table =
        cluster.ask(Method::Get, path).accept("application/json;as=Table;g=meta.k8s.io;v=v1").send().await.ok(200);
    assert_eq!(table["rows"][1]["cells"], json!(["scheduler", "Unhealthy", "", "nobody leads"]));
}
