//! A kind in several versions.

use super::hook::Hook;
use super::{DEFINITIONS, cluster};
use serde_json::{Value, json};

const V1: &str = "/apis/example.com/v1/namespaces/default/hosts";
const V1BETA1: &str = "/apis/example.com/v1beta1/namespaces/default/hosts";

/// In `v1beta1` a host has `hostPort`, in `v1` host and port.
fn hosts(conversion: Value) -> Value {
    let text = json!({"type": "string"});
    let open = json!({"type": "object", "properties": {"host": text, "port": text, "hostPort": text}});
    json!({
        "metadata": {"name": "hosts.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "hosts", "kind": "Host"},
            "conversion": conversion,
            "versions": [
                {"name": "v1beta1", "served": true, "storage": false, "deprecated": true,
                    "schema": {"openAPIV3Schema": open.clone()}},
                {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": open},
                    "additionalPrinterColumns": [{"name": "Port", "type": "string", "jsonPath": ".port"}]},
            ]},
    })
}

#[tokio::test]
async fn without_a_webhook_versions_differ_in_name() {
    let cluster = cluster().await;
    cluster.post(DEFINITIONS, hosts(json!({"strategy": "None"}))).await.ok(201);
    let answer = cluster.post(V1BETA1, json!({"metadata": {"name": "a"}, "hostPort": "h:1"})).await;
    assert_eq!(answer.warnings, ["example.com/v1beta1 Host is deprecated"]);
    let created = answer.ok(201);
    assert_eq!(created["apiVersion"], "example.com/v1beta1");
    let mut expected = created.clone();
    expected["apiVersion"] = json!("example.com/v1");
    assert_eq!(cluster.get(&format!("{V1}/a")).await.ok(200), expected);
    let list = cluster.get(V1BETA1).await.ok(200);
    assert_eq!((&list["apiVersion"], &list["items"][0]), (&json!("example.com/v1beta1"), &created));
    let patched = cluster.merge(&format!("{V1BETA1}/a"), json!({"hostPort": "h:2"})).await.ok(200);
    assert_eq!((&patched["apiVersion"], &patched["hostPort"]), (&json!("example.com/v1beta1"), &json!("h:2")));
    let unknown = cluster.get("/apis/example.com/v2/namespaces/default/hosts").await;
    assert_eq!(unknown.code, 404);
}

#[tokio::test]
async fn a_webhook_converts_what_is_stored() {
    let hook = Hook::new(|review| {
        let request = &review["request"];
        let wanted = request["desiredAPIVersion"].as_str().expect("version").to_owned();
        let convert = |object: &Value| {
            let mut object = object.clone();
            object["apiVersion"] = json!(wanted);
            let fields = object.as_object_mut().expect("object");
            if wanted.ends_with("/v1") {
                let both =
                    fields.remove("hostPort").and_then(|both| both.as_str().map(str::to_owned)).expect("hostPort");
                let (host, port) = both.split_once(':').expect("host and port");
                fields.insert("host".to_owned(), json!(host));
                fields.insert("port".to_owned(), json!(port));
            } else {
                let text = |value: Option<Value>| value.and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
                let (host, port) = (text(fields.remove("host")), text(fields.remove("port")));
                fields.insert("hostPort".to_owned(), json!(format!("{host}:{port}")));
            }
            object
        };
        let objects: Vec<Value> = request["objects"].as_array().expect("objects").iter().map(convert).collect();
        json!({"kind": "ConversionReview", "apiVersion": review["apiVersion"],
            "response": {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": objects}})
    })
    .await;
    let cluster = cluster().await;
    let conversion = json!({"strategy": "Webhook",
        "webhook": {"clientConfig": hook.client(), "conversionReviewVersions": ["v1"]}});
    cluster.post(DEFINITIONS, hosts(conversion)).await.ok(201);
    let created = cluster.post(V1BETA1, json!({"metadata": {"name": "a"}, "hostPort": "h:1"})).await.ok(201);
    assert_eq!((&created["apiVersion"], &created["hostPort"]), (&json!("example.com/v1beta1"), &json!("h:1")));
    let new = cluster.get(&format!("{V1}/a")).await.ok(200);
    assert_eq!((&new["host"], &new["port"]), (&json!("h"), &json!("1")));
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let rows = cluster.ask(kubus_proto::request::Method::Get, V1).accept(table).send().await.ok(200);
    assert_eq!(rows["rows"][0]["cells"], json!(["a", "1"]));

    let patched = cluster.merge(&format!("{V1BETA1}/a"), json!({"hostPort": "h:2"})).await.ok(200);
    assert_eq!(patched["hostPort"], "h:2");
    cluster.merge(&format!("{V1}/a"), json!({"port": "3"})).await.ok(200);
    for i in 0..3 {
        cluster.post(V1, json!({"metadata": {"name": format!("b{i}")}, "host": "x", "port": "1"})).await.ok(201);
    }
    let list = cluster.get(V1BETA1).await.ok(200);
    let all: Vec<&Value> = list["items"].as_array().expect("items").iter().map(|item| &item["hostPort"]).collect();
    assert_eq!(all, ["h:3", "x:1", "x:1", "x:1"]);
    let last = hook.asked().pop().expect("asked");
    assert_eq!(last["request"]["objects"].as_array().map(Vec::len), Some(4), "a list is converted in one go");
    let heard = cluster.post("/kubus/v1/kinds/example.com/v1beta1/hosts", new).await.ok(200);
    assert_eq!(heard["hostPort"], "h:1");
}

#[tokio::test]
async fn a_conversion_that_fails_is_told() {
    let cluster = cluster().await;
    let conversion = json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"],
        "clientConfig": {"service": {"namespace": "default", "name": "convert"}}}});
    cluster.post(DEFINITIONS, hosts(conversion)).await.ok(201);
    cluster.post(V1, json!({"metadata": {"name": "a"}, "host": "h", "port": "1"})).await.ok(201);
    assert_eq!(
        cluster.get(&format!("{V1BETA1}/a")).await.fails(500),
        "conversion webhook for example.com/v1, Kind=Host failed: Post \"https://convert.default.svc:443/?timeout=30s\": \
         service \"convert\" not found"
    );
    assert_eq!(cluster.get(&format!("{V1}/a")).await.code, 200, "what needs no conversion is served");
}
