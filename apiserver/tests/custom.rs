//! Kinds that are defined while the cluster runs, webhooks and admission policies, through the whole pipeline.

mod common;

#[path = "custom/definitions.rs"]
mod definitions;
#[path = "custom/hook.rs"]
mod hook;
#[path = "custom/policies.rs"]
mod policies;
#[path = "custom/versions.rs"]
mod versions;
#[path = "custom/webhooks.rs"]
mod webhooks;

use common::Cluster;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const CRONTABS: &str = "/apis/stable.example.com/v1/namespaces/default/crontabs";
/// How long a condition may take to come true on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The definition of Kubernetes' documents, with what the documents add to it step by step.
pub fn crontab() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "crontabs.stable.example.com"},
        "spec": {
            "group": "stable.example.com", "scope": "Namespaced",
            "names": {"plural": "crontabs", "singular": "crontab", "kind": "CronTab", "shortNames": ["ct"],
                "categories": ["all"]},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas",
                    "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.labelSelector"}},
                "additionalPrinterColumns": [
                    {"name": "Spec", "type": "string", "description": "The cron spec", "jsonPath": ".spec.cronSpec"},
                    {"name": "Replicas", "type": "integer", "jsonPath": ".spec.replicas"},
                    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}],
                "selectableFields": [{"jsonPath": ".spec.image"}],
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "required": ["cronSpec"], "properties": {
                        "cronSpec": {"type": "string", "pattern": "^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$"},
                        "image": {"type": "string"},
                        "replicas": {"type": "integer", "minimum": 1, "maximum": 10, "default": 1},
                        "minReplicas": {"type": "integer", "default": 0}},
                        "x-kubernetes-validations": [
                            {"rule": "self.minReplicas <= self.replicas",
                                "message": "replicas should be greater than or equal to minReplicas."}]},
                    "status": {"type": "object", "properties": {
                        "replicas": {"type": "integer"}, "labelSelector": {"type": "string"}}}}}},
            }],
        },
    })
}

/// An object of that kind.
pub fn my_crontab() -> Value {
    json!({"apiVersion": "stable.example.com/v1", "kind": "CronTab", "metadata": {"name": "my-new-cron-object"},
        "spec": {"cronSpec": "* * * * */5", "image": "my-awesome-cron-image"}})
}

/// A cluster whose definitions are looked after.
pub async fn cluster() -> Cluster {
    let cluster = Cluster::new().await;
    let (_always, leadership) = tokio::sync::watch::channel(true);
    tokio::spawn(async move {
        // Held for as long as the task runs.
        let _held = _always;
        std::future::pending::<()>().await;
    });
    tokio::spawn(kubus_apiserver::custom::keeper::run(cluster.api.clone(), leadership));
    cluster
}

/// Waits until `path` answers as `holds` wants.
pub async fn eventually(cluster: &Cluster, path: &str, holds: impl Fn(&common::Answer) -> bool) -> common::Answer {
    let start = Instant::now();
    loop {
        let answer = cluster.get(path).await;
        if holds(&answer) {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "{path} never came to it: {} {}", answer.code, answer.body);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
