//! The documents hold together: references lead somewhere, every kind is there, and what is known of fields is said.

use super::*;
use crate::state::{Action, Command, Draft, Key, Op, RequestId, Require, Transaction};
use kubus_proto::KIND_TABLE;
use std::collections::BTreeMap;

fn state() -> Arc<State> {
    Arc::new(State::default())
}

async fn document(path: &str, accept: &str) -> Value {
    let answer = OpenApi::default().answer(path, accept, &state()).await.expect(path);
    serde_json::from_slice(&answer.body).expect("JSON")
}

/// Every value of `$ref` below a value.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str() {
                    Some(reference) if key == "$ref" => drop(found.insert(reference.to_owned())),
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

fn assert_whole(document: &Value, prefix: &str, definitions: &Value) {
    let mut found = BTreeSet::new();
    references(document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let name = reference.strip_prefix(prefix).unwrap_or_else(|| panic!("{reference}"));
        assert!(definitions.get(name).is_some(), "{name} is missing");
    }
}

#[tokio::test]
async fn every_version_has_a_whole_document() {
    let index = document("/openapi/v3", "").await;
    let mut kinds = BTreeSet::new();
    for (name, entry) in index["paths"].as_object().expect("paths") {
        let url = entry["serverRelativeURL"].as_str().expect("a URL");
        let (path, hash) = url.split_once("?hash=").expect("a hash");
        assert_eq!((path, hash.len()), (format!("/openapi/v3/{name}").as_str(), 64));
        let document = document(path, "application/json").await;
        assert_whole(&document, "#/components/schemas/", &document["components"]["schemas"]);
        for (name, schema) in document["components"]["schemas"].as_object().expect("schemas") {
            for kind in schema[definitions::KIND_EXTENSION].as_array().into_iter().flatten() {
                let text = |key: &str| kind[key].as_str().unwrap_or_default().to_owned();
                assert!(!text("kind").is_empty(), "{name}");
                kinds.insert((text("group"), text("version"), text("kind")));
            }
        }
    }
    for row in KIND_TABLE {
        let key = |kind: String| (row.group.to_owned(), row.version.to_owned(), kind);
        assert!(kinds.contains(&key(row.kind.to_owned())), "{row:?}");
        if row.verbs.contains(&kubus_proto::Verb::List) {
            assert!(kinds.contains(&key(row.list_kind())), "list of {row:?}");
        }
    }
}

#[tokio::test]
async fn a_deployment_is_described() {
    let document = document("/openapi/v3/apis/apps/v1", "application/json").await;
    let schemas = &document["components"]["schemas"];
    let deployment = &schemas["io.k8s.api.apps.v1.Deployment"];
    assert_eq!(deployment["required"], Value::Null);
    let kind = json!([{"group": "apps", "version": "v1", "kind": "Deployment"}]);
    assert_eq!(deployment[definitions::KIND_EXTENSION], kind);
    let spec = &deployment["properties"]["spec"];
    assert_eq!(spec["allOf"], json!([{"$ref": "#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec"}]));
    assert!(spec["description"].is_string() && spec.get("$ref").is_none());
    assert_eq!(schemas["io.k8s.api.apps.v1.DeploymentSpec"]["required"], json!(["selector", "template"]));
    assert_eq!(schemas["io.k8s.api.core.v1.ConfigMapKeySelector"]["required"], json!(["key"]));
    let containers = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    assert_eq!(containers["x-kubernetes-list-map-keys"], json!(["name"]));
    let port = &schemas["io.k8s.api.core.v1.ContainerPort"]["properties"]["protocol"];
    assert_eq!((&port["default"], &port["enum"]), (&json!("TCP"), &json!(["SCTP", "TCP", "UDP"])));
    let any = &schemas["io.k8s.apimachinery.pkg.util.intstr.IntOrString"];
    assert_eq!((&any["format"], &any["oneOf"][0]["type"]), (&json!("int-or-string"), &json!("integer")));
    let item = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"];
    let patch = &item["patch"];
    assert_eq!(patch[definitions::KIND_EXTENSION], kind[0]);
    for name in ["dryRun", "fieldManager", "fieldValidation", "force"] {
        let found = patch["parameters"].as_array().expect("parameters").iter().any(|p| p["name"] == name);
        assert!(found, "{name}");
    }
    let content = patch["requestBody"]["content"].as_object().expect("content");
    assert!(content.contains_key("application/strategic-merge-patch+json"));
    assert_eq!(item["parameters"][0]["name"], "namespace");
}

#[tokio::test]
async fn the_older_document_is_whole_in_both_forms() {
    let document = document("/openapi/v2", "application/json").await;
    assert_whole(&document, "#/definitions/", &document["definitions"]);
    let quantity = &document["definitions"]["io.k8s.apimachinery.pkg.api.resource.Quantity"];
    assert_eq!((&quantity["type"], quantity.get("oneOf")), (&json!("string"), None));
    let patch = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
    assert_eq!(patch[definitions::KIND_EXTENSION]["kind"], "Pod");
    let media = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let openapi = OpenApi::default();
    let answer = openapi.answer("/openapi/v2", &format!("{media};q=1, application/json"), &state()).await;
    let answer = answer.expect("a document");
    assert_eq!(answer.content_type, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
    let names = v2_protobuf::names(&answer.body);
    let paths: BTreeSet<&str> = document["paths"].as_object().expect("paths").keys().map(String::as_str).collect();
    let definitions = document["definitions"].as_object().expect("definitions").keys().map(String::as_str).collect();
    let both = |texts: &'_ [String]| -> BTreeSet<String> { texts.iter().cloned().collect() };
    assert_eq!(both(&names.0), paths.iter().map(|name| (*name).to_owned()).collect());
    let definitions: BTreeSet<&str> = definitions;
    assert_eq!(both(&names.1), definitions.iter().map(|name| (*name).to_owned()).collect());
}

#[tokio::test]
async fn documents_are_made_once_and_only_where_there_is_something() {
    let openapi = OpenApi::default();
    let state = state();
    let one = openapi.answer("/openapi/v3/api/v1", "", &state).await.expect("a document");
    let two = openapi.answer("/openapi/v3/api/v1", "", &state).await.expect("a document");
    assert_eq!(one.body.as_ptr(), two.body.as_ptr(), "the same bytes");
    for path in ["/openapi/v3/apis/nonsense/v1", "/openapi/v4", "/openapi/v2/x", "/openapi", "/openapi/v3x"] {
        assert!(openapi.answer(path, "", &state).await.is_none(), "{path}");
    }
}

/// What is known of fields is known of fields that there are.
#[tokio::test]
async fn extensions_belong_to_fields() {
    let document = document("/openapi/v2", "application/json").await;
    let mut types: BTreeMap<String, &Value> = BTreeMap::new();
    for (name, schema) in document["definitions"].as_object().expect("definitions") {
        let short: Vec<&str> = name.rsplitn(4, '.').take(3).collect();
        types.insert(short.into_iter().rev().collect::<Vec<_>>().join("."), schema);
    }
    for (type_name, field) in extensions::fields() {
        // A type of a kind that is not served is not there.
        let Some(schema) = types.get(type_name) else { continue };
        assert!(schema["properties"].get(field).is_some(), "{type_name} has no field {field}");
    }
}

/// A definition of CronTabs in two versions.
fn cron_tabs() -> Value {
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "description": "What is wanted.", "properties": {
            "cron": {"type": "string", "nullable": true},
            "image": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
            "pod": {"type": "object", "x-kubernetes-embedded-resource": true,
                "x-kubernetes-preserve-unknown-fields": true},
        }},
    }});
    let version = |name: &str, storage: bool| {
        json!({"name": name, "served": true, "storage": storage,
        "subresources": {"status": {}}, "schema": {"openAPIV3Schema": schema}})
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "crontabs.stable.example.com", "uid": "u"},
        "status": {"conditions": [{"type": "Established", "status": "True"}]},
        "spec": {
            "group": "stable.example.com",
            "scope": "Namespaced",
            "names": {"plural": "crontabs", "singular": "crontab", "kind": "CronTab", "shortNames": ["ct"]},
            "versions": [version("v1beta1", false), version("v1", true)],
        },
    })
}

/// A state in which CronTabs are defined.
fn with_cron_tabs() -> Arc<State> {
    let row = &kubus_proto::kinds::custom_resource_definition::ROW;
    let key = Key::new(row.resource_key(), "", "crontabs.stable.example.com");
    let put = Action::Put(Draft::encode(row, &cron_tabs()).expect("encodes"));
    let id = RequestId { request: uuid::Uuid::from_u128(1), part: 0 };
    let ops = vec![Op { key, require: Require::default(), action: put }];
    let mut state = State::default();
    state.apply(Command { transactions: vec![Transaction { id, ops }], now_ms: 0 });
    Arc::new(state)
}

#[tokio::test]
async fn custom_kinds_are_discovered_and_described() {
    let (without, with) = (state(), with_cron_tabs());
    let group = discovery::answer("/apis/stable.example.com", "", discovery::kinds(&with)).expect("a group").value;
    assert_eq!(group["preferredVersion"]["groupVersion"], "stable.example.com/v1");
    assert_eq!(group["versions"][1]["version"], "v1beta1");
    assert!(discovery::answer("/apis/stable.example.com", "", discovery::kinds(&without)).is_none());
    let list = discovery::answer("/apis/stable.example.com/v1", "", discovery::kinds(&with)).expect("a list").value;
    let names: Vec<&Value> = list["resources"].as_array().expect("resources").iter().map(|r| &r["name"]).collect();
    assert_eq!(names, ["crontabs", "crontabs/status"]);

    let openapi = OpenApi::default();
    let before = openapi.answer("/openapi/v2", "", &without).await.expect("a document").body;
    let older = openapi.answer("/openapi/v2", "", &with).await.expect("a document").body;
    assert_ne!(before, older, "made again");
    let older: Value = serde_json::from_slice(&older).expect("JSON");
    assert_whole(&older, "#/definitions/", &older["definitions"]);
    let spec = &older["definitions"]["com.example.stable.v1.CronTab"]["properties"]["spec"]["properties"];
    assert_eq!((spec["cron"].get("nullable"), spec["image"].get("anyOf")), (None, None));
    assert_eq!(spec["pod"].get("properties"), None, "what is unknown may not be refused");

    let document = openapi.answer("/openapi/v3/apis/stable.example.com/v1", "", &with).await.expect("a document").body;
    let document: Value = serde_json::from_slice(&document).expect("JSON");
    let schemas = &document["components"]["schemas"];
    assert_whole(&document, "#/components/schemas/", schemas);
    let kind = &schemas["com.example.stable.v1.CronTab"];
    assert_eq!(kind["x-kubernetes-group-version-kind"][0]["kind"], "CronTab");
    let metadata = &kind["properties"]["metadata"]["allOf"][0]["$ref"];
    assert_eq!(metadata, "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
    let spec = &kind["properties"]["spec"]["properties"];
    assert_eq!((&spec["cron"]["nullable"], &spec["image"]["anyOf"][0]["type"]), (&json!(true), &json!("integer")));
    assert_eq!(spec["pod"]["properties"]["kind"]["type"], "string");
    let items = &schemas["com.example.stable.v1.CronTabList"]["properties"]["items"]["items"];
    assert_eq!(items["$ref"], "#/components/schemas/com.example.stable.v1.CronTab");
    let path = "/apis/stable.example.com/v1/namespaces/{namespace}/crontabs/{name}";
    let content = &document["paths"][path]["patch"]["requestBody"]["content"];
    assert!(content["application/merge-patch+json"].is_object());
    assert!(content["application/strategic-merge-patch+json"].is_null(), "nobody knows how its lists merge");
}
