//! Manifests of the documents Kubus comes from that are in older versions: stored as the newer ones are, with a warning.

mod common;

use common::Cluster;
use kubus_proto::kinds::{by_kind, versions};
use kubus_proto::path::ResourcePath;
use serde_json::{Value, json};

/// Without what differs between any two objects.
fn comparable(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for key in ["uid", "creationTimestamp", "resourceVersion", "managedFields"] {
            metadata.remove(key);
        }
    }
    object
}

fn collection(api_version: &str, kind: &str) -> String {
    let row = by_kind(api_version, kind).expect("a kind of ours");
    ResourcePath::at(api_version, row, "default", "", "")
}

fn fields(answer: &Value) -> Vec<Value> {
    answer["details"]["causes"].as_array().into_iter().flatten().map(|cause| cause["field"].clone()).collect()
}

#[tokio::test]
async fn old_manifests_are_stored_as_new_ones() {
    for line in include_str!("facts/older.jsonl").lines() {
        let fact: Value = serde_json::from_str(line).expect("a line");
        let (sent, newer) = (&fact["sent"], fact["newer"].as_str().expect("a version"));
        let (old, kind) = (sent["apiVersion"].as_str().expect("a version"), sent["kind"].as_str().expect("a kind"));
        let (cluster, other) = (Cluster::new().await, Cluster::new().await);
        let strict = "?fieldValidation=Strict";
        let answer = cluster.post(&format!("{}{strict}", collection(old, kind)), sent.clone()).await;
        let mut new = sent.clone();
        new["apiVersion"] = json!(newer);
        let expected = other.post(&format!("{}{strict}", collection(newer, kind)), new).await;
        let id = &fact["manifest"];
        assert_eq!(
            (json!(answer.code), json!(expected.code)),
            (fact["status"].clone(), fact["status"].clone()),
            "{id}"
        );
        if answer.code != 201 {
            assert_eq!(fields(&answer.body), fields(&expected.body), "{id}");
            assert!(!fields(&answer.body).is_empty(), "{id}");
            continue;
        }
        let warning = versions::by_kind(old, kind).and_then(|served| served.warning());
        assert_eq!(answer.warnings, Vec::from_iter(warning), "{id}");
        let name = sent["metadata"]["name"].as_str().expect("a name");
        let stored = cluster.get(&format!("{}/{name}", collection(newer, kind))).await.ok(200);
        assert_eq!(comparable(stored), comparable(expected.body), "{id}");
    }
}

/// What older versions left out, and the newer ones demand.
#[tokio::test]
async fn old_manifests_may_leave_out_what_was_optional() {
    let template = json!({"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}});
    let workload = json!({"template": template});
    let paths = json!([{"path": "/", "backend": {"serviceName": "s", "servicePort": 80}}]);
    let job = json!({"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}}});
    let metric = json!({"type": "Resource", "resource": {"name": "cpu", "targetAverageUtilization": 70}});
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"});
    for (version, kind, newer, spec, pointer, expected) in [
        ("extensions/v1beta1", "Deployment", "apps/v1", workload.clone(), "/spec/selector/matchLabels/app", json!("x")),
        ("apps/v1beta1", "Deployment", "apps/v1", workload.clone(), "/spec/revisionHistoryLimit", json!(2)),
        ("extensions/v1beta1", "ReplicaSet", "apps/v1", workload.clone(), "/spec/selector/matchLabels/app", json!("x")),
        (
            "extensions/v1beta1",
            "DaemonSet",
            "apps/v1",
            workload.clone(),
            "/spec/updateStrategy/type",
            json!("OnDelete"),
        ),
        (
            "apps/v1beta1",
            "StatefulSet",
            "apps/v1",
            json!({"template": template, "serviceName": "s"}),
            "/spec/selector/matchLabels/app",
            json!("x"),
        ),
        (
            "extensions/v1beta1",
            "Ingress",
            "networking.k8s.io/v1",
            json!({"rules": [{"http": {"paths": paths}}]}),
            "/spec/rules/0/http/paths/0/backend/service/port/number",
            json!(80),
        ),
        (
            "networking.k8s.io/v1beta1",
            "Ingress",
            "networking.k8s.io/v1",
            json!({"rules": [{"http": {"paths": paths}}]}),
            "/spec/rules/0/http/paths/0/pathType",
            json!("ImplementationSpecific"),
        ),
        (
            "extensions/v1beta1",
            "NetworkPolicy",
            "networking.k8s.io/v1",
            json!({"podSelector": {}}),
            "/spec/policyTypes",
            json!(["Ingress"]),
        ),
        (
            "batch/v2alpha1",
            "CronJob",
            "batch/v1",
            json!({"schedule": "@daily", "jobTemplate": job}),
            "/spec/suspend",
            json!(false),
        ),
        (
            "policy/v1beta1",
            "PodDisruptionBudget",
            "policy/v1",
            json!({"minAvailable": 1, "selector": {}}),
            "/spec/selector/matchExpressions/0/operator",
            json!("Exists"),
        ),
        (
            "autoscaling/v2beta1",
            "HorizontalPodAutoscaler",
            "autoscaling/v2",
            json!({"maxReplicas": 3, "scaleTargetRef": target, "metrics": [metric]}),
            "/spec/metrics/0/resource/target/averageUtilization",
            json!(70),
        ),
        (
            "autoscaling/v1",
            "HorizontalPodAutoscaler",
            "autoscaling/v2",
            json!({"maxReplicas": 3, "scaleTargetRef": target, "targetCPUUtilizationPercentage": 60}),
            "/spec/metrics/0/resource/target/averageUtilization",
            json!(60),
        ),
    ] {
        let cluster = Cluster::new().await;
        let body = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}, "spec": spec});
        let answer = cluster.post(&format!("{}?fieldValidation=Strict", collection(version, kind)), body).await;
        assert_eq!(answer.code, 201, "{version} {kind}: {}", answer.body["message"]);
        let stored = cluster.get(&format!("{}/a", collection(newer, kind))).await.ok(200);
        assert_eq!(stored.pointer(pointer), Some(&expected), "{version} {kind}: {stored}");
        let shown = cluster.get(&format!("{}/a", collection(version, kind))).await.ok(200);
        let again = cluster.put(&format!("{}/a", collection(version, kind)), shown.clone()).await.ok(200);
        assert_eq!(again, shown, "{version} {kind}: what is read can be written back");
    }
}

/// Misspelt kinds and fields are told with the word that was meant.
#[tokio::test]
async fn misspelt_fields_are_told_with_the_right_word() {
    let pod = |container: Value| json!({"metadata": {"name": "a"}, "spec": {"containers": [container]}});
    let variable = |source: Value| json!({"name": "c", "image": "x", "env": [{"name": "v", "valueFrom": source}]});
    let affinity = json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": "k", "labelSelector": {"marchExpressions": []}}]}});
    let mut with_affinity = pod(json!({"name": "c", "image": "x"}));
    with_affinity["spec"]["affinity"] = affinity;
    let cluster = Cluster::new().await;
    for (object, path, meant) in [
        (pod(json!({"name": "c", "image": "x", "reources": {}})), "spec.containers[0].reources", "resources"),
        (
            pod(variable(json!({"resourcefieldRef": {}}))),
            "spec.containers[0].env[0].valueFrom.resourcefieldRef",
            "resourceFieldRef",
        ),
        (
            with_affinity,
            "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector.marchExpressions",
            "matchExpressions",
        ),
    ] {
        let answer = cluster.post(&format!("{}?fieldValidation=Strict", common::PODS), object.clone()).await;
        let said = format!("unknown field \"{path}\" (did you mean \"{meant}\"?)");
        let expected = format!("Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: {said}");
        assert_eq!((answer.code, &answer.body["message"]), (400, &json!(expected)));
        let warned = cluster.post(&format!("{}?dryRun=All", common::PODS), object).await;
        // Without the misspelt one a field that must be there may be missing.
        assert!(warned.code == 422 || warned.warnings.contains(&said), "{:?}", warned.warnings);
    }
    let wrong = json!({"apiVersion": "apps/v1", "kind": "ReplicationSet", "metadata": {"name": "a"}});
    let answer = cluster.post("/apis/apps/v1/namespaces/default/replicasets", wrong).await;
    assert_eq!(answer.code, 400);
    assert!(
        answer.body["message"].as_str().is_some_and(|m| m.contains("ReplicationSet")),
        "{}",
        answer.body["message"]
    );
}
