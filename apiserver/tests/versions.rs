//! Older versions and other groups: what is sent to them is stored in the stored version, and answered in theirs.

mod common;

use common::{Cluster, DEPLOYMENTS};
use kubus_proto::request::Method;
use serde_json::{Value, json};

const OLD: &str = "/apis/extensions/v1beta1/namespaces/default/deployments";
const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/default/events";

fn old_deployment(name: &str) -> Value {
    json!({"apiVersion": "extensions/v1beta1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"template": {"metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "c", "image": "nginx:1"}]}}}})
}

#[tokio::test]
async fn an_old_deployment_lives_in_two_versions() {
    let cluster = Cluster::new().await;
    let answer = cluster.post(OLD, old_deployment("web")).await;
    let warning = "extensions/v1beta1 Deployment is deprecated in v1.8+, unavailable in v1.16+; use apps/v1 Deployment";
    assert_eq!(answer.warnings, [warning]);
    let created = answer.ok(201);
    assert_eq!(created["apiVersion"], "extensions/v1beta1");
    let stored = cluster.get(&format!("{DEPLOYMENTS}/web")).await.ok(200);
    assert_eq!(
        (&stored["apiVersion"], &stored["spec"]["selector"]["matchLabels"]["app"]),
        (&json!("apps/v1"), &json!("web"))
    );
    assert_eq!(stored["spec"]["strategy"]["rollingUpdate"]["maxSurge"], 1);
    let got = cluster.get(&format!("{OLD}/web")).await;
    assert_eq!(got.warnings, [warning]);
    assert_eq!(got.ok(200)["apiVersion"], "extensions/v1beta1");
    let list = cluster.get(OLD).await.ok(200);
    assert_eq!(
        (&list["apiVersion"], &list["kind"], &list["items"][0]["apiVersion"]),
        (&json!("extensions/v1beta1"), &json!("DeploymentList"), &json!("extensions/v1beta1"))
    );
    let table = cluster
        .ask(Method::Get, &format!("{OLD}?includeObject=Object"))
        .accept("application/json;as=Table;v=v1;g=meta.k8s.io")
        .send()
        .await
        .ok(200);
    assert_eq!(table["rows"][0]["object"]["apiVersion"], "extensions/v1beta1");
}

#[tokio::test]
async fn an_old_version_can_be_updated_patched_scaled_and_deleted() {
    let cluster = Cluster::new().await;
    let mut object = cluster.post(OLD, old_deployment("web")).await.ok(201);
    object["spec"]["replicas"] = json!(2);
    let put = cluster.put(&format!("{OLD}/web"), object.clone()).await.ok(200);
    assert_eq!((&put["apiVersion"], &put["metadata"]["generation"]), (&json!("extensions/v1beta1"), &json!(2)));
    let again = cluster.put(&format!("{OLD}/web"), put.clone()).await.ok(200);
    assert_eq!(again["metadata"]["resourceVersion"], put["metadata"]["resourceVersion"], "nothing has changed");
    let patched = cluster
        .ask(Method::Patch, &format!("{OLD}/web"))
        .content_type("application/strategic-merge-patch+json")
        .body(&json!({"spec": {"rollbackTo": {"revision": 4}}}))
        .send()
        .await
        .ok(200);
    assert_eq!(patched["spec"]["rollbackTo"]["revision"], 4);
    let stored = cluster.get(&format!("{DEPLOYMENTS}/web")).await.ok(200);
    assert_eq!(stored["metadata"]["annotations"]["deprecated.deployment.rollback.to"], "4");
    let scale = cluster.merge(&format!("{OLD}/web/scale"), json!({"spec": {"replicas": 5}})).await.ok(200);
    assert_eq!((&scale["kind"], &scale["spec"]["replicas"]), (&json!("Scale"), &json!(5)));
    object["apiVersion"] = json!("apps/v1");
    let wrong = cluster.put(&format!("{OLD}/web"), object).await;
    assert_eq!(wrong.code, 400);
    let missing = cluster.get(&format!("{OLD}/nobody")).await;
    assert_eq!(missing.body["message"], "deployments.extensions \"nobody\" not found");
    cluster.delete(&format!("{OLD}/web"), Value::Null).await.ok(200);
    assert_eq!(cluster.get(&format!("{DEPLOYMENTS}/web")).await.code, 404);
}

#[tokio::test]
async fn an_old_version_can_be_applied_by_the_server() {
    let cluster = Cluster::new().await;
    let apply = |config: Value| {
        let ask = cluster.ask(Method::Patch, &format!("{OLD}/web?fieldManager=me"));
        ask.content_type("application/apply-patch+yaml").body(&config).send()
    };
    let created = apply(old_deployment("web")).await.ok(201);
    assert_eq!(created["spec"]["selector"]["matchLabels"]["app"], "web", "the version's own default");
    let owned = &created["metadata"]["managedFields"][0];
    assert_eq!((&owned["manager"], &owned["apiVersion"]), (&json!("me"), &json!("apps/v1")));
    let again = apply(old_deployment("web")).await.ok(200);
    assert_eq!(again["metadata"]["resourceVersion"], created["metadata"]["resourceVersion"], "nothing has changed");
    let mut config = old_deployment("web");
    config["spec"]["replicas"] = json!(4);
    assert_eq!(apply(config).await.ok(200)["spec"]["replicas"], 4);
}

#[tokio::test]
async fn events_are_the_same_objects_in_both_groups() {
    let cluster = Cluster::new().await;
    let event = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "a.1"},
        "eventTime": "2024-01-01T00:00:00.000000Z", "regarding": {"kind": "Pod", "namespace": "default", "name": "a"},
        "reason": "Started", "action": "Start", "note": "it runs", "type": "Normal",
        "reportingController": "example.com/c", "reportingInstance": "i"});
    let path = format!("{EVENTS}?fieldValidation=Strict");
    let created = cluster.post(&path, event.clone()).await.ok(201);
    assert_eq!((&created["note"], &created["message"]), (&json!("it runs"), &Value::Null));
    let core = cluster.get("/api/v1/namespaces/default/events/a.1").await.ok(200);
    assert_eq!(
        (&core["apiVersion"], &core["message"], &core["involvedObject"]["name"]),
        (&json!("v1"), &json!("it runs"), &json!("a"))
    );
    for (selector, count) in [("regarding.name%3Da", 1), ("regarding.name%3Db", 0)] {
        let list = cluster.get(&format!("{EVENTS}?fieldSelector={selector}")).await.ok(200);
        assert_eq!(list["items"].as_array().map(Vec::len), Some(count), "{selector}");
    }
    // Fields of the other group's Event are none of this one's.
    let mut wrong = event.clone();
    wrong["message"] = json!("x");
    let refused = cluster.post(&path, wrong).await;
    assert!(refused.body["message"].as_str().is_some_and(|m| m.contains("unknown field \"message\"")), "{refused:?}");
    let mut wrong = event;
    wrong["metadata"]["name"] = json!("a.2");
    wrong["deprecatedCount"] = json!(3);
    wrong.as_object_mut().expect("event").remove("eventTime");
    let refused = cluster.post(&path, wrong).await;
    let fields: Vec<&Value> =
        refused.body["details"]["causes"].as_array().into_iter().flatten().map(|cause| &cause["field"]).collect();
    assert_eq!((refused.code, fields), (422, vec![&json!("eventTime"), &json!("count")]));
}
