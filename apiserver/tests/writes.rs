//! create, update, patch and delete: what is stored, what is answered, what is refused.

mod common;

use common::{CONFIG_MAPS, Cluster, DEPLOYMENTS, PODS, deployment, pod};
use kubus_proto::request::{Method, OBJECT_LIMIT_BYTES};
use serde_json::{Value, json};

const MODIFIED: &str = "the object has been modified; please apply your changes to the latest version and try again";

#[tokio::test]
async fn creates_are_named_dated_and_refused() {
    let cluster = Cluster::new().await;
    let made = cluster.post(CONFIG_MAPS, json!({"metadata": {"generateName": "web-"}})).await.ok(201);
    let name = made["metadata"]["name"].as_str().expect("name");
    assert!(name.starts_with("web-") && name.len() == 9, "{name}");
    assert_eq!((&made["kind"], &made["metadata"]["namespace"]), (&json!("ConfigMap"), &json!("default")));
    for key in ["uid", "creationTimestamp", "resourceVersion"] {
        assert!(made["metadata"][key].as_str().is_some_and(|v| !v.is_empty()), "{key}");
    }
    cluster.config_map("a", json!({})).await;
    let mut large = pod("l");
    large["spec"]["containers"][0]["args"] = json!(["x".repeat(OBJECT_LIMIT_BYTES)]);
    let too_large = format!("Request entity too large: limit is {OBJECT_LIMIT_BYTES}");
    for (path, body, code, message) in [
        (CONFIG_MAPS, json!({"metadata": {"name": "a"}}), 409, "configmaps \"a\" already exists"),
        ("/api/v1/namespaces/x/configmaps", json!({"metadata": {"name": "a"}}), 404, "namespaces \"x\" not found"),
        (
            CONFIG_MAPS,
            json!({"metadata": {"name": "a", "namespace": "x"}}),
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (CONFIG_MAPS, json!({"kind": "Pod"}), 400, "Pod in version \"v1\" cannot be handled as a ConfigMap"),
        (PODS, large, 413, too_large.as_str()),
        ("/api/v1/configmaps", json!({}), 405, "the server does not allow this method on the requested resource"),
        (
            "/api/v1/namespaces/default/configmaps/a",
            json!({}),
            405,
            "the server does not allow this method on the requested resource",
        ),
    ] {
        assert_eq!(cluster.post(path, body).await.fails(code), message, "{path}");
    }
    cluster.ask(Method::Post, CONFIG_MAPS).raw(b"\xc1".to_vec()).send().await.fails(400);
    cluster.ask(Method::Post, CONFIG_MAPS).send().await.fails(400);
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let cluster = Cluster::new().await;
    let before = cluster.config_map("a", json!({})).await;
    let path = format!("{CONFIG_MAPS}/a?dryRun=All");
    cluster.post(&format!("{CONFIG_MAPS}?dryRun=All"), json!({"metadata": {"name": "b"}})).await.ok(201);
    cluster.post(&format!("{CONFIG_MAPS}?dryRun=All"), json!({"metadata": {"name": "a"}})).await.fails(409);
    assert_eq!(cluster.merge(&path, json!({"data": {"k": "w"}})).await.ok(200)["data"]["k"], "w");
    cluster.delete(&path, Value::Null).await.ok(200);
    cluster.ask(Method::Delete, &format!("{CONFIG_MAPS}?dryRun=All")).send().await.ok(200);
    let list = cluster.get(CONFIG_MAPS).await.ok(200);
    assert_eq!(list["items"], json!([before]));
    cluster.post(&format!("{CONFIG_MAPS}?dryRun=Some"), json!({"metadata": {"name": "b"}})).await.fails(422);
}

#[tokio::test]
async fn updates_hold_to_version_uid_and_name() {
    let cluster = Cluster::new().await;
    let made = cluster.config_map("a", json!({})).await;
    let path = format!("{CONFIG_MAPS}/a");
    let same = cluster.put(&path, made.clone()).await.ok(200);
    assert_eq!(same, made, "an update that changes nothing is not written");
    let mut changed = made.clone();
    changed["data"]["k"] = json!("w");
    let updated = cluster.put(&path, changed.clone()).await.ok(200);
    assert_ne!(updated["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
    assert_eq!(updated["metadata"]["uid"], made["metadata"]["uid"]);
    let blind = json!({"metadata": {"name": "a"}, "data": {"k": "blind"}});
    assert_eq!(cluster.put(&path, blind.clone()).await.ok(200)["data"]["k"], "blind");
    let stranger = json!({"metadata": {"name": "a", "uid": "x"}});
    let wrong_uid = format!(
        "Operation cannot be fulfilled on configmaps \"a\": Precondition failed: UID in precondition: x, UID in object \
         meta: {}",
        made["metadata"]["uid"].as_str().expect("uid")
    );
    for (path, body, code, message) in [
        (path.as_str(), changed, 409, format!("Operation cannot be fulfilled on configmaps \"a\": {MODIFIED}")),
        (path.as_str(), stranger, 409, wrong_uid),
        (&format!("{CONFIG_MAPS}/x"), json!({"metadata": {"name": "x"}}), 404, "configmaps \"x\" not found".to_owned()),
        (
            path.as_str(),
            json!({"metadata": {"name": "b"}}),
            400,
            "the name of the object (b) does not match the name on the URL (a)".to_owned(),
        ),
        (path.as_str(), json!({}), 400, "name must be provided".to_owned()),
    ] {
        assert_eq!(cluster.put(path, body).await.fails(code), message, "{path}");
    }
}

#[tokio::test]
async fn patches_come_in_three_languages() {
    let cluster = Cluster::new().await;
    cluster.post(DEPLOYMENTS, deployment("web")).await.ok(201);
    let path = format!("{DEPLOYMENTS}/web");
    let patch = async |kind: &str, body: Value| {
        let kind = format!("application/{kind}+json");
        cluster.ask(Method::Patch, &path).content_type(&kind).body(&body).send().await
    };
    let merged = patch("merge-patch", json!({"spec": {"replicas": 5}})).await.ok(200);
    assert_eq!((&merged["spec"]["replicas"], &merged["metadata"]["generation"]), (&json!(5), &json!(2)));
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}}});
    let strategic = patch("strategic-merge-patch", image).await.ok(200);
    assert_eq!(strategic["spec"]["template"]["spec"]["containers"][0]["image"], "nginx:2");
    let json_patch = json!([{"op": "replace", "path": "/spec/replicas", "value": 2}]);
    assert_eq!(patch("json-patch", json_patch).await.ok(200)["spec"]["replicas"], 2);
    let labels = patch("merge-patch", json!({"metadata": {"labels": {"a": "b"}}})).await.ok(200);
    assert_eq!(labels["metadata"]["generation"], 4, "labels are not counted");
    let stale = patch("merge-patch", json!({"metadata": {"resourceVersion": "1"}})).await.fails(409);
    assert_eq!(stale, format!("Operation cannot be fulfilled on deployments.apps \"web\": {MODIFIED}"));
    patch("poetry", json!({})).await.fails(415);
    patch("merge-patch", json!({"spec": {"replicas": -1}})).await.fails(422);
    cluster.merge(&format!("{DEPLOYMENTS}/x"), json!({})).await.fails(404);
}

#[tokio::test]
async fn status_and_spec_are_written_apart() {
    let cluster = Cluster::new().await;
    cluster.post(DEPLOYMENTS, deployment("web")).await.ok(201);
    let path = format!("{DEPLOYMENTS}/web");
    let both = json!({"spec": {"replicas": 9}, "status": {"replicas": 7}});
    let status = cluster.merge(&format!("{path}/status"), both.clone()).await.ok(200);
    assert_eq!((&status["spec"]["replicas"], &status["status"]["replicas"]), (&json!(3), &json!(7)));
    assert_eq!(status["metadata"]["generation"], 1);
    let spec = cluster.merge(&path, json!({"spec": {"replicas": 9}, "status": {"replicas": 1}})).await.ok(200);
    assert_eq!((&spec["spec"]["replicas"], &spec["status"]["replicas"]), (&json!(9), &json!(7)));
    let mut put = spec.clone();
    put["status"]["replicas"] = json!(8);
    assert_eq!(cluster.put(&format!("{path}/status"), put).await.ok(200)["status"]["replicas"], 8);
    assert_eq!(cluster.put(&format!("{path}/status"), spec).await.fails(409).split(": ").nth(1), Some(MODIFIED));
    assert_eq!(cluster.get(&format!("{path}/status")).await.ok(200)["kind"], "Deployment");
}

#[tokio::test]
async fn replicas_are_an_object_of_their_own() {
    let cluster = Cluster::new().await;
    cluster.post(DEPLOYMENTS, deployment("web")).await.ok(201);
    let path = format!("{DEPLOYMENTS}/web/scale");
    let scale = cluster.get(&path).await.ok(200);
    assert_eq!((&scale["kind"], &scale["spec"]["replicas"]), (&json!("Scale"), &json!(3)));
    assert_eq!(scale["status"]["selector"], "app=web");
    let mut five = scale.clone();
    five["spec"]["replicas"] = json!(5);
    assert_eq!(cluster.put(&path, five.clone()).await.ok(200)["spec"]["replicas"], 5);
    let whole = cluster.get(&format!("{DEPLOYMENTS}/web")).await.ok(200);
    assert_eq!((&whole["spec"]["replicas"], &whole["metadata"]["generation"]), (&json!(5), &json!(2)));
    cluster.put(&path, five).await.fails(409);
    assert_eq!(cluster.merge(&path, json!({"spec": {"replicas": 1}})).await.ok(200)["spec"]["replicas"], 1);
    let message = cluster.merge(&path, json!({"spec": {"replicas": -1}})).await.fails(422);
    assert_eq!(
        message,
        "Scale.autoscaling \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"
    );
    cluster.get(&format!("{PODS}/x/scale")).await.fails(404);
}

#[tokio::test]
async fn leases_are_locks() {
    let cluster = Cluster::new().await;
    let path = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases";
    let made = cluster.post(path, json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": "a"}})).await.ok(201);
    let path = format!("{path}/l");
    let blind = json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": "b"}});
    let message = cluster.put(&path, blind.clone()).await.fails(422);
    assert!(
        message.ends_with("metadata.resourceVersion: Invalid value: 0: must be specified for an update"),
        "{message}"
    );
    let mut seen = blind;
    seen["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"].clone();
    cluster.put(&path, seen.clone()).await.ok(200);
    cluster.put(&path, seen).await.fails(409);
}

#[tokio::test]
async fn pods_end_in_time_and_other_objects_at_once() {
    let cluster = Cluster::new().await;
    let uid = cluster.config_map("a", json!({})).await["metadata"]["uid"].clone();
    let gone = cluster.delete(&format!("{CONFIG_MAPS}/a"), Value::Null).await.ok(200);
    assert_eq!(
        gone,
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {"name": "a", "kind": "configmaps", "uid": uid}})
    );
    assert_eq!(cluster.delete(&format!("{CONFIG_MAPS}/a"), Value::Null).await.fails(404), "configmaps \"a\" not found");

    cluster.pod("waiting", "").await;
    let path = format!("{PODS}/waiting");
    assert_eq!(cluster.delete(&path, Value::Null).await.ok(200)["kind"], "Pod");
    cluster.get(&path).await.fails(404);

    let bound = cluster.pod("bound", "n1").await;
    let path = format!("{PODS}/bound");
    let ending = cluster.delete(&path, Value::Null).await.ok(200);
    assert_eq!(ending["metadata"]["deletionGracePeriodSeconds"], 30);
    assert!(ending["metadata"]["deletionTimestamp"].is_string());
    let again = cluster.delete(&path, json!({"gracePeriodSeconds": 60})).await.ok(200);
    assert_eq!(again, ending);
    let shorter = cluster.delete(&path, json!({"gracePeriodSeconds": 5})).await.ok(200);
    assert_eq!(shorter["metadata"]["deletionGracePeriodSeconds"], 5);
    let stranger = json!({"gracePeriodSeconds": 0, "preconditions": {"uid": "x"}});
    cluster.delete(&path, stranger).await.fails(409);
    let own = json!({"gracePeriodSeconds": 0, "preconditions": {"uid": bound["metadata"]["uid"]}});
    cluster.delete(&path, own).await.ok(200);
    cluster.get(&path).await.fails(404);
}

#[tokio::test]
async fn finalizers_keep_an_object_until_the_last_is_removed() {
    let cluster = Cluster::new().await;
    let held = json!({"metadata": {"name": "a", "finalizers": ["x.example/one", "x.example/two"]}});
    cluster.post(CONFIG_MAPS, held).await.ok(201);
    let path = format!("{CONFIG_MAPS}/a");
    let marked = cluster.delete(&path, Value::Null).await.ok(200);
    assert!(marked["metadata"]["deletionTimestamp"].is_string(), "{marked}");
    let one = cluster.merge(&path, json!({"metadata": {"finalizers": ["x.example/two"]}})).await.ok(200);
    assert_eq!(one["metadata"]["finalizers"], json!(["x.example/two"]));
    cluster.merge(&path, json!({"metadata": {"deletionTimestamp": null}})).await.ok(200);
    assert!(cluster.get(&path).await.ok(200)["metadata"]["deletionTimestamp"].is_string(), "no way back");
    cluster.merge(&path, json!({"metadata": {"finalizers": null}})).await.ok(200);
    cluster.get(&path).await.fails(404);

    cluster.post(DEPLOYMENTS, deployment("web")).await.ok(201);
    let path = format!("{DEPLOYMENTS}/web");
    let foreground = cluster.delete(&path, json!({"propagationPolicy": "Foreground"})).await.ok(200);
    assert_eq!(foreground["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    assert_eq!(foreground["metadata"]["generation"], 2);
    let orphan = cluster.delete(&path, json!({"propagationPolicy": "Orphan"})).await.ok(200);
    assert_eq!(orphan["metadata"]["finalizers"], json!(["orphan"]));
}

#[tokio::test]
async fn collections_are_deleted_by_selector() {
    let cluster = Cluster::new().await;
    for (name, app) in [("a", "web"), ("b", "db"), ("c", "web")] {
        cluster.config_map(name, json!({"app": app})).await;
    }
    let gone = cluster.ask(Method::Delete, &format!("{CONFIG_MAPS}?labelSelector=app%3Dweb")).send().await.ok(200);
    assert_eq!((&gone["kind"], gone["items"].as_array().map(Vec::len)), (&json!("ConfigMapList"), Some(2)));
    let left = cluster.get(CONFIG_MAPS).await.ok(200);
    assert_eq!(left["items"][0]["metadata"]["name"], "b");
    assert_eq!(left["items"].as_array().map(Vec::len), Some(1));
    cluster.ask(Method::Delete, "/api/v1/namespaces").send().await.fails(405);
    cluster.ask(Method::Delete, "/api/v1/configmaps").send().await.fails(405);
}

#[tokio::test]
async fn a_namespace_ends_when_it_is_finalized() {
    let cluster = Cluster::new().await;
    cluster.post("/api/v1/namespaces", json!({"metadata": {"name": "x"}})).await.ok(201);
    let path = "/api/v1/namespaces/x";
    let ending = cluster.delete(path, Value::Null).await.ok(200);
    assert_eq!(ending["status"]["phase"], "Terminating");
    let refused = cluster.post("/api/v1/namespaces/x/configmaps", json!({"metadata": {"name": "a"}})).await;
    assert_eq!(refused.body["details"]["causes"][0]["reason"], "NamespaceTerminating");
    assert_eq!(
        refused.fails(403),
        "configmaps \"a\" is forbidden: unable to create new content in namespace x because it is being terminated"
    );
    let mut empty = ending.clone();
    empty["spec"]["finalizers"] = json!([]);
    cluster.put(path, empty.clone()).await.ok(200);
    assert_eq!(cluster.get(path).await.ok(200)["spec"]["finalizers"], json!(["kubernetes"]), "only by finalize");
    cluster.put(&format!("{path}/finalize"), empty).await.ok(200);
    cluster.get(path).await.fails(404);
    for name in ["default", "kube-system", "kube-public"] {
        let message = cluster.delete(&format!("/api/v1/namespaces/{name}"), Value::Null).await.fails(403);
        assert_eq!(message, format!("namespaces \"{name}\" is forbidden: this namespace may not be deleted"));
    }
}

#[tokio::test]
async fn nodes_may_only_do_what_is_theirs() {
    let cluster = Cluster::new().await;
    cluster.pod("mine", "n1").await;
    cluster.pod("other", "n2").await;
    for (method, path, body, code) in [
        (Method::Post, "/api/v1/nodes", json!({"metadata": {"name": "n1"}}), 201),
        (Method::Post, "/api/v1/nodes", json!({"metadata": {"name": "n2"}}), 403),
        (Method::Get, &format!("{PODS}/mine"), Value::Null, 200),
        (Method::Get, &format!("{PODS}/other"), Value::Null, 403),
        (Method::Get, &format!("{PODS}/gone"), Value::Null, 404),
        (Method::Get, PODS, Value::Null, 403),
        (Method::Get, "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", Value::Null, 200),
        (Method::Get, "/api/v1/pods?watch=true&fieldSelector=spec.nodeName%3Dn2", Value::Null, 403),
        (Method::Patch, &format!("{PODS}/mine/status"), json!({"status": {"phase": "Running"}}), 200),
        (Method::Patch, &format!("{PODS}/other/status"), json!({"status": {"phase": "Running"}}), 403),
        (Method::Post, PODS, pod("new"), 403),
        (Method::Post, "/kubus/bindings", json!({"bindings": []}), 403),
        (Method::Delete, &format!("{PODS}/other"), json!({"gracePeriodSeconds": 0}), 403),
        (Method::Delete, &format!("{PODS}/mine"), json!({"gracePeriodSeconds": 0}), 200),
    ] {
        let ask = cluster.ask(method, path).identity("node:n1").content_type("application/merge-patch+json");
        let answer = ask.body(&body).send().await;
        assert_eq!(answer.code, code, "{method:?} {path}: {}", answer.body);
    }
}
