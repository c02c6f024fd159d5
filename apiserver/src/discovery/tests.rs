//! What is served agrees with what Kubernetes 1.36 serves, for every kind of the table.

use super::*;
use kubus_proto::kinds;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Columns: group, version, kind, plural, singular, short names, namespaced, verbs, categories, subresources.
static FACTS: &str = include_str!("../../tests/facts/kinds.tsv");

const V2: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const V2_BETA: &str = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";

fn ask(path: &str, accept: &str) -> Option<Document> {
    answer(path, accept, kinds(&State::default()))
}

/// Subresources that are still to come.
const MISSING: &[(&str, &str)] = &[
    ("nodes", "proxy"),
    ("pods", "ephemeralcontainers"),
    ("pods", "portforward"),
    ("pods", "proxy"),
    ("pods", "resize"),
    ("serviceaccounts", "token"),
    ("services", "proxy"),
];

/// The subresources that facts have of `plural`, without those that are still to come.
fn due(plural: &str, parts: &str, served: &str) -> String {
    let name = |part: &str| part.split_once('(').map_or(String::new(), |(name, _)| name.to_owned());
    let missing = |part: &str| MISSING.contains(&(plural, name(part).as_str())) && !served.contains(part);
    parts.split("; ").filter(|part| !missing(part)).collect::<Vec<_>>().join("; ")
}

/// `status(Deployment:get,patch,update)` as facts write it.
fn written(mut parts: Vec<String>) -> String {
    parts.sort();
    parts.join("; ")
}

fn words(value: &Value) -> String {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
}

/// One row of the facts out of a resource of the aggregated form.
fn row(group: &str, version: &str, resource: &Value) -> String {
    let parts = resource["subresources"].as_array().into_iter().flatten();
    let parts = parts.map(|part| {
        let name = part["subresource"].as_str().unwrap_or_default();
        format!("{name}({}:{})", part["responseKind"]["kind"].as_str().unwrap_or_default(), words(&part["verbs"]))
    });
    let text = |key: &str| resource[key].as_str().unwrap_or_default().to_owned();
    let columns = [
        group.to_owned(),
        version.to_owned(),
        resource["responseKind"]["kind"].as_str().unwrap_or_default().to_owned(),
        text("resource"),
        text("singularResource"),
        words(&resource["shortNames"]),
        if resource["scope"] == "Namespaced" { "yes" } else { "no" }.to_owned(),
        words(&resource["verbs"]),
        words(&resource["categories"]),
        written(parts.collect()),
    ];
    columns.join("\t")
}

fn aggregated_rows() -> BTreeMap<(String, String, String), String> {
    let mut rows = BTreeMap::new();
    for path in ["/api", "/apis"] {
        let list = ask(path, V2).expect(path).value;
        for group in list["items"].as_array().expect("items") {
            let name = group["metadata"]["name"].as_str().unwrap_or_default();
            for version in group["versions"].as_array().expect("versions") {
                let version_name = version["version"].as_str().expect("a name");
                for resource in version["resources"].as_array().expect("resources") {
                    let plural = resource["resource"].as_str().expect("a plural").to_owned();
                    let key = (name.to_owned(), version_name.to_owned(), plural);
                    rows.insert(key, row(name, version_name, resource));
                }
            }
        }
    }
    rows
}

#[test]
fn every_kind_is_served_as_kubernetes_serves_it() {
    let rows = aggregated_rows();
    let mut compared = BTreeSet::new();
    let mut wrong = Vec::new();
    for line in FACTS.lines().skip(1) {
        let mut columns: Vec<&str> = line.split('\t').collect();
        columns.resize(10, "");
        let key = (columns[0].to_owned(), columns[1].to_owned(), columns[3].to_owned());
        let Some(served) = rows.get(&key) else { continue };
        compared.insert((columns[0], columns[3]));
        let expected = format!("{}\t{}", columns[..9].join("\t"), due(columns[3], columns[9], served));
        if *served != expected {
            wrong.push(format!("served   {served}\nexpected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for row in KIND_TABLE.iter().filter(|row| row.group != "extensions") {
        assert!(compared.contains(&(row.group, row.plural)), "{row:?} is unknown to the facts");
    }
}

#[test]
fn both_forms_say_the_same() {
    let rows = aggregated_rows();
    let mut listed = 0;
    for group in served(kinds(&State::default())) {
        for version in &group.versions {
            let path = version_path(group.name, version.name);
            let list = ask(&path, "").expect(&path).value;
            assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("APIResourceList"), &json!("v1")));
            for resource in list["resources"].as_array().expect("resources") {
                let name = resource["name"].as_str().expect("a name");
                let (plural, part) = name.split_once('/').unwrap_or((name, ""));
                let row = &rows[&(group.name.to_owned(), version.name.to_owned(), plural.to_owned())];
                let kind = resource["kind"].as_str().expect("a kind");
                let verbs = words(&resource["verbs"]);
                if part.is_empty() {
                    listed += 1;
                    assert_eq!(resource["storageVersionHash"].is_null(), !verbs.contains("get"), "{name}");
                    assert!(row.contains(&format!("\t{kind}\t{plural}\t")) && row.contains(&verbs), "{name}: {row}");
                } else {
                    assert!(row.contains(&format!("{part}({kind}:{verbs})")), "{name}: {row}");
                }
            }
        }
    }
    assert_eq!(listed, rows.len());
}

#[test]
fn paths_lead_to_their_documents() {
    for (path, kind) in [
        ("/api", Some("APIVersions")),
        ("/apis", Some("APIGroupList")),
        ("/api/v1", Some("APIResourceList")),
        ("/apis/apps", Some("APIGroup")),
        ("/apis/apps/v1", Some("APIResourceList")),
        ("/api/v2", None),
        ("/apis/apps/v9", None),
        ("/apis/nonsense", None),
        ("/apis//v1", None),
        ("/apis/apps/v1/deployments", None),
        ("/version", None),
        ("", None),
    ] {
        let answer = ask(path, "application/json");
        assert_eq!(answer.as_ref().and_then(|document| document.value["kind"].as_str()), kind, "{path}");
        assert!(answer.is_none_or(|document| document.content_type.is_empty()));
    }
    let groups = ask("/apis", "").expect("groups").value;
    let expected = json!({"name": "apps", "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
        "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"}});
    let apps = groups["groups"].as_array().expect("groups").iter().find(|group| group["name"] == "apps");
    let apps = apps.expect("apps").clone();
    assert_eq!(apps["preferredVersion"], expected["preferredVersion"]);
    assert_eq!(apps["versions"][0], expected["versions"][0]);
    let scale = ask("/apis/apps/v1", "").expect("apps").value;
    let scale = scale["resources"].as_array().expect("resources").iter().find(|r| r["name"] == "deployments/scale");
    let expected = json!({"name": "deployments/scale", "singularName": "", "namespaced": true, "kind": "Scale",
        "group": "autoscaling", "version": "v1", "verbs": ["get", "patch", "update"]});
    assert_eq!(scale, Some(&expected));
    let index = index(kinds(&State::default()));
    assert!(index["paths"].as_array().expect("paths").contains(&json!("/apis/apps/v1")));
}

#[test]
fn the_form_is_the_first_that_is_known() {
    let kubectl = format!("{V2},{V2_BETA},application/json");
    for (accept, api_version, content_type) in [
        (kubectl.as_str(), "apidiscovery.k8s.io/v2", V2),
        (V2_BETA, "apidiscovery.k8s.io/v2beta1", V2_BETA),
        (
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList;profile=nopeer",
            "apidiscovery.k8s.io/v2",
            V2,
        ),
        (
            "application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io, application/json",
            "apidiscovery.k8s.io/v2",
            V2,
        ),
        ("application/json;g=apidiscovery.k8s.io;v=v3;as=APIGroupDiscoveryList,application/json", "v1", ""),
        ("application/json,application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", "v1", ""),
        ("application/vnd.kubernetes.protobuf", "v1", ""),
        ("*/*", "v1", ""),
        ("", "v1", ""),
    ] {
        let document = ask("/apis", accept).expect(accept);
        assert_eq!((document.value["apiVersion"].as_str(), document.content_type), (Some(api_version), content_type));
    }
    assert_eq!(kinds::pod::ROW.kind, "Pod");
}
