//! What a Kubernetes 1.36 apiserver refuses and stores, replayed: `facts/errors.jsonl` and `facts/defaults.jsonl`.

mod common;

use common::Cluster;
use kubus_proto::kinds::by_kind;
use kubus_proto::path::ResourcePath;
use kubus_proto::request::Method;
use serde_json::{Value, json};

fn lines(text: &'static str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of facts")).collect()
}

/// Where an object is created; errors about its namespace belong to the facts.
fn path(object: &Value) -> String {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let row = by_kind(&text(&object["apiVersion"]), &text(&object["kind"])).expect("a kind of ours");
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
    format!("{}?fieldValidation=Strict", ResourcePath::of(row, namespace, "", ""))
}

#[tokio::test]
async fn wrong_objects_are_refused_as_kubernetes_refuses_them() {
    let mut differences = Vec::new();
    for fact in lines(include_str!("facts/errors.jsonl")) {
        let cluster = Cluster::new().await;
        let answer = cluster.ask(Method::Post, &path(&fact["sent"])).body(&fact["sent"]).send().await;
        let causes: Vec<Value> = answer.body["details"]["causes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|cause| json!([cause["reason"], cause["field"]]))
            .collect();
        let got = json!([answer.code, answer.body["reason"], causes]);
        let expected = json!([fact["status"], fact["reason"], fact["causes"]]);
        if got != expected {
            differences
                .push(format!("{}\n  expected {expected}\n  got      {got}: {}", fact["sent"], answer.body["message"]));
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

/// What a fact leaves out, and the random part of a name, made comparable.
fn comparable(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for key in ["uid", "creationTimestamp", "resourceVersion"] {
            metadata.remove(key);
        }
    }
    let text = object.to_string();
    let Some(at) = text.find("kube-api-access-") else { return object };
    let name = &text[at..at + "kube-api-access-".len() + 5];
    serde_json::from_str(&text.replace(name, "kube-api-access-xxxxx")).expect("json")
}

#[tokio::test]
async fn objects_are_stored_as_kubernetes_stores_them() {
    let mut differences = Vec::new();
    for fact in lines(include_str!("facts/defaults.jsonl")) {
        let cluster = Cluster::new().await;
        let answer = cluster.ask(Method::Post, &path(&fact["sent"])).body(&fact["sent"]).send().await;
        let (got, expected) = (comparable(answer.body), comparable(fact["stored"].clone()));
        if answer.code != fact["status"] || got != expected {
            let [expected, got] = [expected, got].map(|v| serde_json::to_string(&v).expect("json"));
            differences.push(format!("{}\n  expected {expected}\n  got      {} {got}", fact["sent"], answer.code));
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}
