//! Commands know the kinds that the server says it serves, and explain them.

use crate::fake::{FakeServer, Outcome};
use serde_json::{Value, json};
use std::sync::Arc;

fn resource(plural: &str, kind: &str, scope: &str, more: Value) -> Value {
    let mut resource = json!({"resource": plural, "singularResource": kind.to_lowercase(),
        "responseKind": {"kind": kind}, "scope": scope, "verbs": ["create", "get", "list"]});
    for (key, value) in more.as_object().into_iter().flatten() {
        resource[key] = value.clone();
    }
    resource
}

fn list(groups: &[(&str, &str, Vec<Value>)]) -> Value {
    let group = |(name, version, resources): &(&str, &str, Vec<Value>)| {
        json!({"metadata": {"name": name},
        "versions": [{"version": version, "resources": resources}]})
    };
    json!({"kind": "APIGroupDiscoveryList", "items": groups.iter().map(group).collect::<Vec<_>>()})
}

/// A server with a custom kind.
fn server() -> Arc<FakeServer> {
    let server = FakeServer::with(&[]);
    let cron_tab = resource("crontabs", "CronTab", "Namespaced", json!({"shortNames": ["ct"], "categories": ["all"]}));
    let core = list(&[("", "v1", vec![resource("nodes", "Node", "Cluster", json!({"shortNames": ["no"]}))])]);
    let others = list(&[
        ("apps", "v1", vec![resource("deployments", "Deployment", "Namespaced", json!({"categories": ["all"]}))]),
        ("stable.example.com", "v1", vec![cron_tab]),
    ]);
    let object = json!({"apiVersion": "stable.example.com/v1", "kind": "CronTab", "metadata": {"name": "a"}});
    let own = "/apis/stable.example.com/v1/namespaces/default/crontabs";
    let mut answers = server.answers.lock().expect("answers");
    answers.insert(("GET", "/api".to_owned()), core);
    answers.insert(("GET", "/apis".to_owned()), others);
    answers.insert(("GET", format!("{own}/a")), object.clone());
    answers.insert(("POST", own.to_owned()), object);
    drop(answers);
    server
}

fn said(outcome: &Outcome) -> (&str, &str, i32) {
    (&outcome.out, &outcome.err, outcome.code)
}

#[tokio::test]
async fn kinds_and_versions_are_those_of_the_server() {
    let server = server();
    for (line, expected) in [
        (
            "api-resources",
            "NAME          SHORTNAMES   APIVERSION              NAMESPACED   KIND\n\
             nodes         no           v1                      false        Node\n\
             deployments                apps/v1                 true         Deployment\n\
             crontabs      ct           stable.example.com/v1   true         CronTab\n",
        ),
        ("api-resources -o name --sort-by=name", "crontabs.stable.example.com\ndeployments.apps\nnodes\n"),
        ("api-resources -o name --sort-by kind", "crontabs.stable.example.com\ndeployments.apps\nnodes\n"),
        ("api-resources -o name --namespaced=false", "nodes\n"),
        ("api-resources -o name --api-group=apps", "deployments.apps\n"),
        ("api-resources -o name --categories=all", "deployments.apps\ncrontabs.stable.example.com\n"),
        ("api-resources -o name --verbs=list,get --categories all --api-group=apps", "deployments.apps\n"),
        ("api-resources -o name --verbs=delete", ""),
        (
            "api-resources -o wide --api-group=apps --no-headers",
            "deployments         apps/v1   true   Deployment   create,get,list   all\n",
        ),
        ("api-versions", "apps/v1\nstable.example.com/v1\nv1\n"),
    ] {
        let outcome = server.run(line).await;
        let squeezed = |text: &str| text.split(' ').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        assert_eq!((squeezed(&outcome.out), outcome.code), (squeezed(expected), 0), "{line}: {}", outcome.err);
    }
    let wrong = server.run("api-resources --sort-by=foo").await;
    assert_eq!(said(&wrong), ("", "error: --sort-by accepts only name or kind\n", 1));
    let wrong = server.run("api-resources -o json").await;
    assert_eq!(said(&wrong), ("", "error: --output json is not available\n", 1));
}

#[tokio::test]
async fn custom_kinds_are_found_by_every_name() {
    let server = server();
    for name in ["ct", "crontab", "CronTab", "crontabs.stable.example.com", "crontabs.v1.stable.example.com"] {
        let outcome = server.run(&format!("get {name} a -o name")).await;
        assert_eq!(said(&outcome), ("crontab.stable.example.com/a\n", "", 0), "{name}");
    }
    let manifest = "{apiVersion: stable.example.com/v1, kind: CronTab, metadata: {name: a}}";
    let outcome = server.run_with_input(&["create", "-f", "-"], manifest).await;
    assert_eq!(said(&outcome), ("crontab.stable.example.com/a created\n", "", 0));
    let outcome = server.run("get crontbas").await;
    let expected = "error: the server doesn't have a resource type \"crontbas\"\nDid you mean \"crontabs\"?\n";
    assert_eq!(said(&outcome), ("", expected, 1));
    let manifest = "{apiVersion: stable.example.com/v1, kind: ChronTab, metadata: {name: a}}";
    let outcome = server.run_with_input(&["create", "-f", "-"], manifest).await;
    assert!(outcome.err.contains("did you mean \"CronTab\"?"), "{outcome:?}");
}

#[tokio::test]
async fn built_in_kinds_need_no_discovery() {
    let server = server();
    server.run("get deployments").await;
    assert!(server.requests().iter().all(|request| !request.starts_with("GET /apis?")), "{:?}", server.requests());
    assert!(!server.requests().contains(&"GET /api".to_owned()), "{:?}", server.requests());
}

#[tokio::test]
async fn shells_complete_kinds() {
    for shell in ["bash", "zsh", "fish"] {
        let outcome = server().run(&format!("completion {shell}")).await;
        assert!(outcome.out.contains("deployments"), "{shell}");
    }
}

#[test]
fn kinds_are_kept_for_a_while() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("cache").join("kinds.json");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    let discoveries = |server: &FakeServer| server.requests().iter().filter(|request| *request == "GET /apis").count();
    let ask = |server: &Arc<FakeServer>, name: &str| {
        let kinds = crate::known_kinds::KnownKinds::kept_in(file.clone());
        let context = server.context();
        runtime.block_on(kinds.by_name(name, &context)).expect("an answer").map(|row| row.plural)
    };
    let server = server();
    assert_eq!((ask(&server, "ct"), discoveries(&server)), (Some("crontabs"), 1));
    assert_eq!((ask(&server, "ct"), discoveries(&server)), (Some("crontabs"), 1), "kept");
    assert_eq!((ask(&server, "unknown"), discoveries(&server)), (None, 2), "asked again");
    let kinds = crate::known_kinds::KnownKinds::kept_in(file.clone());
    assert!(kinds.plurals_known_here().contains(&"crontabs".to_owned()));
    let mut kept: Value = serde_json::from_slice(&std::fs::read(&file).expect("a file")).expect("JSON");
    kept["at_ms"] = json!(1);
    std::fs::write(&file, kept.to_string()).expect("written");
    assert_eq!((ask(&server, "ct"), discoveries(&server)), (Some("crontabs"), 3), "too old");
}

fn with_document(server: &FakeServer) {
    let schema = json!({
        "type": "object",
        "description": "CronTab runs jobs.",
        "required": ["spec"],
        "x-kubernetes-group-version-kind": [{"group": "stable.example.com", "version": "v1", "kind": "CronTab"}],
        "properties": {
            "spec": {"description": "What is wanted.", "allOf": [{"$ref": "#/components/schemas/a.Spec"}]},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    });
    let spec = json!({
        "type": "object",
        "description": "Spec of a CronTab.",
        "properties": {
            "policy": {"type": "string", "enum": ["", "b", "c", "d", "e"], "description": "What to do."},
            "steps": {"type": "array", "items": {"$ref": "#/components/schemas/a.Spec"}},
        },
    });
    let mut answers = server.answers.lock().expect("answers");
    let url = "/openapi/v3/apis/stable.example.com/v1";
    let index = json!({"paths": {"apis/stable.example.com/v1": {"serverRelativeURL": format!("{url}?hash=1")}}});
    answers.insert(("GET", "/openapi/v3".to_owned()), index);
    let schemas = json!({"a.CronTab": schema, "a.Spec": spec});
    answers.insert(("GET", url.to_owned()), json!({"components": {"schemas": schemas}}));
}

#[tokio::test]
async fn fields_are_explained() {
    let server = server();
    with_document(&server);
    let head = "GROUP:      stable.example.com\nKIND:       CronTab\nVERSION:    v1\n\n";
    let old_head = "KIND:     CronTab\nVERSION:  stable.example.com/v1\n\n";
    for (line, expected) in [
        (
            "ct",
            format!(
                "{head}DESCRIPTION:\n    CronTab runs jobs.\n    \nFIELDS:\n  labels\t<map[string]string>\n    \
                 <no description>\n\n  spec\t<Spec> -required-\n    What is wanted.\n\n\n"
            ),
        ),
        (
            "crontabs.spec.policy",
            format!(
                "{head}FIELD: policy <string>\nENUM:\n    \"\"\n    b\n    c\n    d\n    e\n\nDESCRIPTION:\n    \
                 What to do.\n    \n\n"
            ),
        ),
        (
            "crontabs.stable.example.com.spec --recursive",
            format!(
                "{head}FIELD: spec <Spec>\n\n\nDESCRIPTION:\n    What is wanted.\n    Spec of a CronTab.\n    \n\
                 FIELDS:\n  policy\t<string>\n  enum: \"\", b, c, d, ....\n  steps\t<[]Spec>\n\n"
            ),
        ),
        ("ct.labels", format!("{head}FIELD: labels <map[string]string>\n\n\nDESCRIPTION:\n    <empty>\n\n")),
        (
            "ct.spec -o plaintext-openapiv2",
            format!(
                "{old_head}RESOURCE: spec <Object>\n\nDESCRIPTION:\n     What is wanted.\n\n     Spec of a CronTab.\n\n\
                 FIELDS:\n   policy\t<string>\n     What to do.\n\n   steps\t<[]Object>\n     <no description>\n\n"
            ),
        ),
    ] {
        let outcome = server.run(&format!("explain {line}")).await;
        assert_eq!((outcome.out.as_str(), outcome.code), (expected.as_str(), 0), "{line}: {}", outcome.err);
    }
    for (line, expected) in [
        ("foo", "the server doesn't have a resource type \"foo\"\n"),
        ("ct.spec.x", "error: field \"x\" does not exist\n"),
        ("ct --api-version=v2", "error: couldn't find resource for \"/v2, Resource=crontabs\"\n"),
        ("ct --output=html", "error: unrecognized format: html\n"),
        ("a b", "error: We accept only this format: explain RESOURCE\n"),
    ] {
        let outcome = server.run(&format!("explain {line}")).await;
        assert_eq!((outcome.err.as_str(), outcome.code), (expected, 1), "{line}");
    }
}
