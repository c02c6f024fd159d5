//! Definitions as people write them: the documented one, and everything that can be wrong with it.

use super::*;
use crate::state::State;
use jiff::Timestamp;

fn crontab() -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "crontabs.stable.example.com"},
        "spec": {"group": "stable.example.com", "scope": "Namespaced",
            "names": {"plural": "crontabs", "kind": "CronTab", "shortNames": ["ct"]},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object",
                "properties": {"spec": {"type": "object", "properties": {
                    "cronSpec": {"type": "string"}, "replicas": {"type": "integer"}}}}}}}]}})
}

fn with(pointer: &str, value: Value) -> Value {
    let mut definition = crontab();
    default(&mut definition);
    let (holder, key) = pointer.rsplit_once('/').expect("pointer");
    match definition.pointer_mut(holder).expect(pointer) {
        Value::Array(items) => items[key.parse::<usize>().expect("index")] = value,
        holder => holder[key] = value,
    }
    definition
}

fn said(definition: &Value) -> Vec<String> {
    let mut causes = Vec::new();
    check(definition, &mut causes);
    causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
}

#[test]
fn defaults_are_those_of_kubernetes() {
    let mut definition = crontab();
    default(&mut definition);
    assert_eq!(definition["spec"]["names"]["singular"], "crontab");
    assert_eq!(definition["spec"]["names"]["listKind"], "CronTabList");
    assert_eq!(definition["spec"]["conversion"], json!({"strategy": "None"}));
    assert_eq!(said(&definition), Vec::<String>::new());
}

#[test]
fn wrong_definitions_are_told() {
    let no_schema = json!([{"name": "v1", "served": true, "storage": true}]);
    let column = |column: Value| {
        let mut version = crontab()["spec"]["versions"][0].clone();
        version["additionalPrinterColumns"] = json!([column]);
        json!([version])
    };
    let scale = |scale: Value| {
        let mut version = crontab()["spec"]["versions"][0].clone();
        version["subresources"] = json!({"scale": scale});
        json!([version])
    };
    for (pointer, value, expected) in [
        (
            "/metadata/name",
            json!("crontab.stable.example.com"),
            "metadata.name: Invalid value: \"crontab.stable.example.com\": must be spec.names.plural+\".\"+spec.group",
        ),
        (
            "/spec/group",
            json!("stable"),
            "spec.group: Invalid value: \"stable\": should be a domain with at least one dot",
        ),
        (
            "/spec/scope",
            json!("Everywhere"),
            "spec.scope: Unsupported value: \"Everywhere\": supported values: \"Cluster\", \"Namespaced\"",
        ),
        ("/spec/names/kind", json!(""), "spec.names.kind: Required value"),
        (
            "/spec/names/plural",
            json!("Cron Tabs"),
            "spec.names.plural: Invalid value: \"Cron Tabs\": a DNS-1035 label must consist",
        ),
        (
            "/spec/names/listKind",
            json!("CronTab"),
            "spec.names.listKind: Invalid value: \"CronTab\": kind and listKind may not be the same",
        ),
        (
            "/spec/names/shortNames/0",
            json!("C_T"),
            "spec.names.shortNames[0]: Invalid value: \"C_T\": a DNS-1035 label",
        ),
        (
            "/spec/versions",
            json!([]),
            "spec.versions: Invalid value: []: must have exactly one version marked as storage version",
        ),
        ("/spec/versions", no_schema, "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required"),
        (
            "/spec/versions/0/schema/openAPIV3Schema",
            json!({"properties": {}}),
            "spec.versions[0].schema.openAPIV3Schema.type: Required value: must not be empty at the root",
        ),
        (
            "/spec/versions/0/schema/openAPIV3Schema/x-kubernetes-validations",
            json!([{"rule": "self.spec.nothing == 1"}]),
            "spec.versions[0].schema.openAPIV3Schema.x-kubernetes-validations[0].rule: Invalid value: \
             \"self.spec.nothing == 1\": compilation failed: ERROR: <input>:1:10: undefined field 'nothing'",
        ),
        (
            "/spec/versions",
            column(json!({"name": "A", "type": "text", "jsonPath": ".a"})),
            "spec.versions[0].additionalPrinterColumns[0].type: Invalid value: \"text\": must be one of \
             boolean,date,integer,number,string",
        ),
        (
            "/spec/versions",
            column(json!({"name": "A", "type": "string", "jsonPath": ".a[("})),
            "spec.versions[0].additionalPrinterColumns[0].jsonPath: Invalid value: \".a[(\": is an invalid jsonPath",
        ),
        (
            "/spec/versions",
            scale(json!({"specReplicasPath": ".status.n", "statusReplicasPath": ".status.n"})),
            "spec.versions[0].subresources.scale.specReplicasPath: Invalid value: \".status.n\": should be a json path \
             under .spec",
        ),
        (
            "/spec/conversion",
            json!({"strategy": "Webhook"}),
            "spec.conversion.webhook.clientConfig: Required value: required when strategy is set to Webhook",
        ),
        (
            "/spec/conversion",
            json!({"strategy": "Webhook", "webhook": {"clientConfig": {"url": "http://x"}}}),
            "spec.conversion.webhook.conversionReviewVersions: Required value",
        ),
        (
            "/spec/preserveUnknownFields",
            json!(true),
            "spec.preserveUnknownFields: Invalid value: true: cannot set to true",
        ),
    ] {
        let found = said(&with(pointer, value));
        assert!(found.iter().any(|told| told.starts_with(expected)), "{expected}: {found:?}");
    }
    let mut protected = with("/spec/group", json!("stable.k8s.io"));
    protected["metadata"]["name"] = json!("crontabs.stable.k8s.io");
    assert!(said(&protected)[0].starts_with("metadata.annotations[api-approved.kubernetes.io]: Required value"));
    protected["metadata"]["annotations"] = json!({"api-approved.kubernetes.io": "unapproved, an experiment"});
    assert_eq!(said(&protected), Vec::<String>::new());
}

#[test]
fn what_is_established_stays() {
    let mut old = with("/spec/scope", json!("Namespaced"));
    settle(&mut old, &State::default(), Timestamp::UNIX_EPOCH);
    for (pointer, value, expected) in [
        (
            "/spec/group",
            json!("other.example.com"),
            Some("spec.group: Invalid value: \"other.example.com\": field is immutable"),
        ),
        ("/spec/scope", json!("Cluster"), Some("spec.scope: Invalid value: \"Cluster\": field is immutable")),
        ("/spec/names/kind", json!("Other"), Some("spec.names.kind: Invalid value: \"Other\": field is immutable")),
        ("/spec/names/shortNames", json!(["cr"]), None),
        (
            "/spec/versions/0/name",
            json!("v2"),
            Some("status.storedVersions[0]: Invalid value: \"v1\": missing from spec.versions"),
        ),
    ] {
        let mut new = old.clone();
        *new.pointer_mut(pointer).expect(pointer) = value;
        let mut causes = Vec::new();
        check_update(&new, &old, &mut causes);
        let found: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        match expected {
            Some(expected) => assert!(found.iter().any(|told| told.starts_with(expected)), "{expected}: {found:?}"),
            None => assert_eq!(found, Vec::<String>::new(), "{pointer}"),
        }
    }
}

#[test]
fn names_are_accepted_at_once() {
    let mut definition = with("/spec/scope", json!("Namespaced"));
    settle(&mut definition, &State::default(), Timestamp::UNIX_EPOCH);
    assert_eq!(definition["status"]["storedVersions"], json!(["v1"]));
    assert_eq!(definition["status"]["acceptedNames"], definition["spec"]["names"]);
    let types: Vec<&str> =
        definition["status"]["conditions"].as_array().expect("list").iter().map(|c| text(c, "type")).collect();
    assert_eq!(types, ["NamesAccepted", "Established"]);
    let once = definition.clone();
    settle(&mut definition, &State::default(), Timestamp::MAX);
    assert_eq!(definition, once, "settling again changes nothing");
}
