//! What a Kubernetes 1.36 apiserver refuses and stores, replayed through the whole pipeline: small manifests of every kind
//! (`facts/defaults.jsonl`), wrong ones (`facts/errors.jsonl`), and those of the documents Kubus comes from
//! (`facts/seeds.jsonl`). Where Kubus differs, it says so in [`differences::DIFFERENCES`], with the reason.

mod common;
mod differences;

use common::Cluster;
use differences::{Difference, UNSERVED, comparable, differences_of};
use kubus_proto::kinds::{by_kind, versions};
use kubus_proto::path::ResourcePath;
use kubus_proto::request::Method;
use serde_json::{Value, json};

/// One line of facts: what was sent, and what became of it.
struct Fact {
    id: String,
    sent: Value,
    expected: Value,
}

/// Every line of a file; one without a name is named by its number.
fn facts(file: &str, text: &str) -> Vec<Fact> {
    let named = |(i, line): (usize, &str)| {
        let mut expected: Value = serde_json::from_str(line).expect("a line of facts");
        let id = expected["manifest"].as_str().map_or_else(|| format!("{file}:{}", i + 1), str::to_owned);
        let sent = expected["sent"].take();
        for Difference { change, .. } in differences_of(&id) {
            change(&mut expected);
        }
        Fact { id, sent, expected }
    };
    let served = |fact: &Fact| !UNSERVED.iter().any(|(kind, _)| fact.sent["kind"] == *kind);
    text.lines().enumerate().map(named).filter(served).collect()
}

/// Where an object is created; errors about its namespace belong to the facts.
fn collection(object: &Value) -> String {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    let row = by_kind(&version, &kind).unwrap_or_else(|| panic!("{version} {kind} is not served"));
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
    match versions::by_kind(&version, &kind) {
        Some(served) => ResourcePath::at(&served.api_version(), row, namespace, "", ""),
        None => ResourcePath::of(row, namespace, "", ""),
    }
}

async fn create(cluster: &Cluster, sent: &Value) -> common::Answer {
    let path = format!("{}?fieldValidation=Strict", collection(sent));
    cluster.ask(Method::Post, &path).body(sent).send().await
}

#[tokio::test]
async fn objects_are_stored_or_refused_as_kubernetes_does() {
    let all = [
        facts("defaults", include_str!("facts/defaults.jsonl")),
        facts("errors", include_str!("facts/errors.jsonl")),
        facts("seeds", include_str!("facts/seeds.jsonl")),
    ];
    let mut wrong = Vec::new();
    for Fact { id, sent, expected } in all.into_iter().flatten() {
        let cluster = Cluster::new().await;
        let answer = create(&cluster, &sent).await;
        let causes = |status: &Value| -> Vec<Value> {
            let all = status["details"]["causes"].as_array().into_iter().flatten();
            all.map(|cause| json!([cause["reason"], cause["field"]])).collect()
        };
        let (got, wanted) = match expected["status"].as_i64() {
            Some(201) if expected["stored"].is_object() && answer.code == 201 => {
                (comparable(answer.body.clone()), comparable(expected["stored"].clone()))
            }
            // What was accepted without a word about what was stored.
            Some(201) => (json!(answer.code), json!(201)),
            code => {
                let wanted = match (&expected["causes"], &expected["message"]) {
                    (Value::Null, message) => json!([code, message]),
                    (causes, _) => json!([code, expected["reason"], causes]),
                };
                let got = match &expected["causes"] {
                    Value::Null => json!([answer.code, answer.body["message"]]),
                    _ => json!([answer.code, answer.body["reason"], causes(&answer.body)]),
                };
                (got, wanted)
            }
        };
        if got != wanted {
            wrong.push(format!("{id}: {sent}\n  expected {wanted}\n  got      {got} {}", answer.body["message"]));
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn what_is_stored_is_read_and_written_again_unchanged() {
    let all =
        [facts("defaults", include_str!("facts/defaults.jsonl")), facts("seeds", include_str!("facts/seeds.jsonl"))];
    for Fact { id, sent, expected } in all.into_iter().flatten().filter(|fact| fact.expected["status"] == 201) {
        let cluster = Cluster::new().await;
        let stored = create(&cluster, &sent).await.ok(201);
        let name = stored["metadata"]["name"].as_str().expect("a name");
        let path = format!("{}/{name}?fieldValidation=Strict", collection(&sent));
        let mut again = stored.clone();
        if let Some(metadata) = again["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        let answer = cluster.ask(Method::Put, &path).body(&again).send().await;
        assert_eq!(answer.code, 200, "{id}: {} {expected}", answer.body);
        let key = |object: &Value| (object["spec"].clone(), object["metadata"]["generation"].clone());
        assert_eq!(key(&answer.body), key(&stored), "{id}");
    }
}
