//! Field ownership and server-side apply through the whole pipeline.

mod common;

use common::{Answer, CONFIG_MAPS, Cluster, DEPLOYMENTS, PODS, deployment, pod};
use kubus_proto::request::Method;
use serde_json::{Value, json};

const APPLY: &str = "application/apply-patch+yaml";

async fn apply(cluster: &Cluster, path: &str, config: Value) -> Answer {
    cluster.ask(Method::Patch, path).content_type(APPLY).body(&config).send().await
}

/// `manager operation subresource` of every entry.
fn managers(object: &Value) -> Vec<String> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries
        .map(|e| {
            let name = format!("{} {} {}", text(&e["manager"]), text(&e["operation"]), text(&e["subresource"]));
            name.trim().to_owned()
        })
        .collect()
}

fn owned(object: &Value, manager: &str) -> Value {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries.filter(|e| e["manager"] == manager).map(|e| e["fieldsV1"].clone()).next().unwrap_or_default()
}

fn config(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

#[tokio::test]
async fn every_way_of_writing_has_its_owner() {
    let cluster = Cluster::new().await;
    let mut web = deployment("web");
    web["metadata"]["managedFields"] = json!([{"manager": "liar"}]);
    let made = cluster.post(&format!("{DEPLOYMENTS}?fieldManager=creator"), web).await.ok(201);
    assert_eq!(managers(&made), ["creator Update"]);
    let entry = &made["metadata"]["managedFields"][0];
    assert_eq!((&entry["apiVersion"], &entry["fieldsType"]), (&json!("apps/v1"), &json!("FieldsV1")));
    let spec = &owned(&made, "creator")["f:spec"];
    // Defaults are the creator's too; what only the server writes is nobody's.
    assert_eq!(
        spec["f:strategy"],
        json!({"f:type": {}, "f:rollingUpdate": {".": {}, "f:maxSurge": {}, "f:maxUnavailable": {}}})
    );
    assert_eq!(owned(&made, "creator")["f:metadata"], Value::Null);
    assert_eq!(owned(&made, "creator")["f:status"], Value::Null);

    let path = format!("{DEPLOYMENTS}/web");
    let mut put = made.clone();
    put["metadata"]["labels"] = json!({"a": "b"});
    let labelled = cluster.put(&format!("{path}?fieldManager=labeller"), put).await.ok(200);
    assert_eq!(owned(&labelled, "labeller"), json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}}}));
    let scaled = cluster.merge(&format!("{path}/scale?fieldManager=scaler"), json!({"spec": {"replicas": 7}})).await;
    assert_eq!(scaled.ok(200)["spec"]["replicas"], 7);
    let status =
        json!({"status": {"replicas": 7}, "metadata": {"annotations": {"deployment.kubernetes.io/revision": "1"}}});
    let reported = cluster.merge(&format!("{path}/status?fieldManager=reporter"), status).await.ok(200);
    assert_eq!(
        managers(&reported),
        ["creator Update", "labeller Update", "reporter Update status", "scaler Update scale"]
    );
    assert_eq!(owned(&reported, "scaler"), json!({"f:spec": {"f:replicas": {}}}));
    assert_eq!(owned(&reported, "creator")["f:spec"].get("f:replicas"), None);
    let annotations = json!({".": {}, "f:deployment.kubernetes.io/revision": {}});
    assert_eq!(
        owned(&reported, "reporter"),
        json!({"f:metadata": {"f:annotations": annotations}, "f:status": {"f:replicas": {}}})
    );
    assert_eq!(reported["metadata"]["generation"], 2, "for the replicas, not for the annotation");
    // Nothing changes: nothing is written, whoever writes it.
    let same = cluster.put(&format!("{path}?fieldManager=other"), reported.clone()).await.ok(200);
    assert_eq!(same, reported);
    let without = json!({"metadata": {"managedFields": [{}]}});
    let reset = cluster.merge(&path, without).await.ok(200);
    assert_eq!(reset["metadata"].get("managedFields"), None);
    cluster.post(&format!("{CONFIG_MAPS}?fieldManager=a%0Ab"), json!({"metadata": {"name": "x"}})).await.fails(422);
    cluster.merge(&format!("{path}?force=true"), json!({})).await.fails(422);
}

#[tokio::test]
async fn what_is_bound_keeps_its_owners() {
    let cluster = Cluster::new().await;
    let pod_path = format!("{PODS}?fieldManager=creator");
    let made = cluster.post(&pod_path, pod("p")).await.ok(201);
    // What admission adds is nobody's.
    assert_eq!(owned(&made, "creator")["f:spec"].get("f:tolerations"), None);
    assert_eq!(owned(&made, "creator")["f:spec"].get("f:volumes"), None);
    let binding = json!({"target": {"kind": "Node", "name": "n1"}});
    cluster.post(&format!("{PODS}/p/binding"), binding).await.ok(201);
    let bound = cluster.get(&format!("{PODS}/p")).await.ok(200);
    assert_eq!(bound["spec"]["nodeName"], "n1");
    assert_eq!(bound["metadata"]["managedFields"], made["metadata"]["managedFields"]);
}

#[tokio::test]
async fn apply_creates_changes_and_takes_back() {
    let cluster = Cluster::new().await;
    let path = format!("{CONFIG_MAPS}/a?fieldManager=alice");
    let made = apply(&cluster, &path, config(json!({"k": "v", "l": "w"}))).await.ok(201);
    assert_eq!(managers(&made), ["alice Apply"]);
    assert_eq!(owned(&made, "alice"), json!({"f:data": {"f:k": {}, "f:l": {}}}));
    let again = apply(&cluster, &path, config(json!({"k": "v", "l": "w"}))).await.ok(200);
    assert_eq!(again, made, "nothing changed");
    let other = format!("{CONFIG_MAPS}/a?fieldManager=bob");
    let refused = apply(&cluster, &other, config(json!({"k": "x", "l": "y"}))).await;
    let causes = &refused.body["details"]["causes"];
    assert_eq!(
        causes[0],
        json!({"reason": "FieldManagerConflict", "message": "conflict with \"alice\"", "field": ".data.k"})
    );
    assert_eq!(refused.fails(409), "Apply failed with 2 conflicts: conflicts with \"alice\":\n- .data.k\n- .data.l");
    let forced = apply(&cluster, &format!("{other}&force=true"), config(json!({"k": "x"}))).await.ok(200);
    assert_eq!(
        (&forced["data"], managers(&forced)),
        (&json!({"k": "x", "l": "w"}), vec!["alice Apply".to_owned(), "bob Apply".to_owned()])
    );
    let tried = apply(&cluster, &format!("{path}&dryRun=All&force=true"), config(json!({"l": "z"}))).await.ok(200);
    assert_eq!(tried["data"], json!({"k": "x", "l": "z"}));
    let less = apply(&cluster, &path, config(json!({}))).await.ok(200);
    assert_eq!(less["data"], json!({"k": "x"}), "what alice alone had is gone");
    let dry = apply(
        &cluster,
        &format!("{CONFIG_MAPS}/b?fieldManager=m&dryRun=All"),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}),
    )
    .await;
    dry.ok(201);
    cluster.get(&format!("{CONFIG_MAPS}/b")).await.fails(404);
}

#[tokio::test]
async fn wrong_applies_are_refused_in_kubernetes_words() {
    let cluster = Cluster::new().await;
    cluster.config_map("a", json!({})).await;
    let path = format!("{CONFIG_MAPS}/a?fieldManager=m");
    let with = |key: &str, value: Value| {
        let mut changed = config(json!({}));
        changed["metadata"][key] = value;
        changed
    };
    for (path, body, code, message) in [
        (
            format!("{CONFIG_MAPS}/a"),
            config(json!({})),
            422,
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
        ),
        (
            path.clone(),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}, "date": {}}),
            500,
            "failed to create typed patch object (default/a; /v1, Kind=ConfigMap): .date: field not declared in schema",
        ),
        (path.clone(), json!({"apiVersion": "v1", "kind": "Secret"}), 400, "invalid object type: /v1, Kind=Secret"),
        (
            path.clone(),
            json!({"apiVersion": "v2", "kind": "ConfigMap"}),
            400,
            "Incorrect version specified in apply patch. Specified patch version: v2, expected: v1",
        ),
        (path.clone(), with("managedFields", json!([])), 400, "metadata.managedFields must be nil"),
        (
            path.clone(),
            with("resourceVersion", json!("1")),
            409,
            "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to \
             the latest version and try again",
        ),
        (
            format!("{CONFIG_MAPS}/b?fieldManager=m"),
            {
                let mut new = with("uid", json!("u"));
                new["metadata"]["name"] = json!("b");
                new
            },
            409,
            "Operation cannot be fulfilled on configmaps \"b\": uid mismatch: the provided object specified uid u, and no \
             existing object was found",
        ),
        (
            format!("{CONFIG_MAPS}/a?fieldManager=m"),
            with("name", json!("c")),
            400,
            "the name of the object (c) does not match the name on the URL (a)",
        ),
    ] {
        assert_eq!(apply(&cluster, &path, body).await.fails(code), message, "{path}");
    }
    let reason = apply(&cluster, &path, json!({"apiVersion": "v1", "kind": "ConfigMap", "x": 1})).await;
    assert_eq!(reason.body.get("reason"), None, "a fault without a name");
    let unknown = cluster.ask(Method::Patch, &path).content_type("application/x").body(&json!({})).send().await;
    assert_eq!(
        unknown.fails(415),
        "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, \
         application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml"
    );
}

#[tokio::test]
async fn status_and_scale_are_applied_by_themselves() {
    let cluster = Cluster::new().await;
    cluster.post(&format!("{DEPLOYMENTS}?fieldManager=creator"), deployment("web")).await.ok(201);
    let path = format!("{DEPLOYMENTS}/web");
    let both = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 9}, "status": {"replicas": 2}});
    let status = apply(&cluster, &format!("{path}/status?fieldManager=watcher"), both).await.ok(200);
    assert_eq!((&status["spec"]["replicas"], &status["status"]["replicas"]), (&json!(3), &json!(2)));
    assert_eq!(owned(&status, "watcher"), json!({"f:status": {"f:replicas": {}}}));
    assert_eq!(managers(&status)[0], "watcher Apply status");
    let scale =
        json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 5}});
    let refused = apply(&cluster, &format!("{path}/scale?fieldManager=scaler"), scale.clone()).await.fails(409);
    assert_eq!(refused, "Apply failed with 1 conflict: conflict with \"creator\" using apps/v1: .spec.replicas");
    let forced = apply(&cluster, &format!("{path}/scale?fieldManager=scaler&force=true"), scale).await.ok(200);
    assert_eq!((&forced["kind"], &forced["spec"]["replicas"]), (&json!("Scale"), &json!(5)));
    let whole = cluster.get(&path).await.ok(200);
    assert_eq!(owned(&whole, "scaler"), json!({"f:spec": {"f:replicas": {}}}));
    let missing = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "status": {}});
    apply(&cluster, &format!("{DEPLOYMENTS}/x/status?fieldManager=m"), missing).await.fails(404);
}

#[tokio::test]
async fn what_kubectl_applied_on_its_side_it_applies_on_the_servers() {
    let cluster = Cluster::new().await;
    let mut web = deployment("web");
    web["apiVersion"] = json!("apps/v1");
    web["kind"] = json!("Deployment");
    let mut sent = web.clone();
    sent["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": web.to_string()});
    cluster.post(&format!("{DEPLOYMENTS}?fieldManager=kubectl-client-side-apply"), sent).await.ok(201);
    web["spec"]["replicas"] = json!(8);
    let path = format!("{DEPLOYMENTS}/web?fieldManager=kubectl");
    let applied = apply(&cluster, &path, web.clone()).await.ok(200);
    assert_eq!(applied["spec"]["replicas"], 8);
    // As kubectl then does, the old manager's fields go over to the new one.
    let upgrade = json!([{"op": "replace", "path": "/metadata/managedFields",
        "value": [applied["metadata"]["managedFields"][0]]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": applied["metadata"]["resourceVersion"]}]);
    let request = cluster.ask(Method::Patch, &path).content_type("application/json-patch+json").body(&upgrade);
    assert_eq!(managers(&request.send().await.ok(200)), ["kubectl Apply"]);
}
