//! Ownership as a Kubernetes apiserver keeps it, on objects of its own types and of custom kinds.

use super::*;
use crate::behaviour;
use kubus_proto::KindRow;
use kubus_proto::kinds::{config_map, deployment, event, node, pod};
use serde_json::json;

const NOW: &str = "2024-01-01T00:00:00Z";
const LATER: &str = "2024-01-02T00:00:00Z";

fn types(row: &KindRow) -> Types {
    Types::of_schema((behaviour::of(row).schema)())
}

fn writer<'a>(manager: &'a str, api_version: &'a str, time: &'a str) -> Writer<'a> {
    Writer { manager, api_version, subresource: "", time }
}

/// `manager operation subresource` and what it owns, of every entry.
fn owners(managed: &Value) -> Vec<(String, Value)> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let entries = managed.as_array().into_iter().flatten();
    entries
        .map(|e| {
            let name = format!("{} {} {}", text(&e["manager"]), text(&e["operation"]), text(&e["subresource"]));
            (name.trim().to_owned(), e["fieldsV1"].clone())
        })
        .collect()
}

fn web() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}},
            "template": {"metadata": {"labels": {"app": "web"}},
                "spec": {"restartPolicy": "Always", "containers": [{"name": "c", "image": "nginx:1", "resources": {},
                    "ports": [{"containerPort": 80, "protocol": "TCP"}], "command": ["a", "b"]}]}}},
        "status": {}})
}

#[test]
fn a_creator_owns_what_it_sent_as_in_kubernetes() {
    let managed =
        created(&types(&deployment::ROW), Scope::NotStatus, &web(), &Value::Null, &writer("m", "apps/v1", NOW));
    let fields = json!({
        "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
        "f:spec": {
            "f:replicas": {}, "f:selector": {},
            "f:strategy": {"f:type": {}, "f:rollingUpdate": {".": {}, "f:maxSurge": {}}},
            "f:template": {
                "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                "f:spec": {"f:restartPolicy": {}, "f:containers": {"k:{\"name\":\"c\"}": {
                    ".": {}, "f:command": {}, "f:image": {}, "f:name": {}, "f:resources": {},
                    "f:ports": {".": {}, "k:{\"containerPort\":80,\"protocol\":\"TCP\"}":
                        {".": {}, "f:containerPort": {}, "f:protocol": {}}},
                }}},
            },
        },
    });
    assert_eq!(
        managed,
        Some(json!([{"manager": "m", "operation": "Update", "apiVersion": "apps/v1", "time": NOW,
            "fieldsType": "FieldsV1", "fieldsV1": fields}]))
    );
    for (row, object, expected) in [
        (
            &config_map::ROW,
            json!({"metadata": {"name": "a", "generateName": "a-"}, "data": {"k": "v"}}),
            json!({"f:metadata": {"f:generateName": {}}, "f:data": {".": {}, "f:k": {}}}),
        ),
        (
            &event::ROW,
            json!({"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod"}, "source": {"component": "x"},
                "reason": "r", "reportingComponent": "", "eventTime": null, "count": 1}),
            json!({"f:involvedObject": {}, "f:source": {"f:component": {}}, "f:reason": {}, "f:count": {},
                "f:eventTime": {}}),
        ),
        (
            &node::ROW,
            json!({"metadata": {"name": "n"}, "spec": {"podCIDRs": ["10.0.0.0/24"]}, "status": {"capacity": {"cpu": "1"}}}),
            json!({"f:spec": {"f:podCIDRs": {".": {}, "v:\"10.0.0.0/24\"": {}}}}),
        ),
    ] {
        let managed = created(&types(row), Scope::NotStatus, &object, &Value::Null, &writer("m", "v1", NOW));
        assert_eq!(managed.map(|m| m[0]["fieldsV1"].clone()), Some(expected), "{row:?}");
    }
}

#[test]
fn ownership_moves_with_each_change() {
    let types = types(&deployment::ROW);
    let old = web();
    let first = created(&types, Scope::NotStatus, &old, &Value::Null, &writer("a", "apps/v1", NOW)).expect("managed");
    let write = |old: &Value, new: &Value, stored: &Value, sent: Option<Value>, manager: &str| {
        let writer = writer(manager, "apps/v1", LATER);
        updated(&types, Scope::NotStatus, (old, new), stored.clone(), sent, &writer)
    };
    assert_eq!(write(&old, &old, &first, None, "b"), Managed { fields: Some(first.clone()), changed: false });
    let mut new = old.clone();
    new["spec"]["replicas"] = json!(5);
    new["metadata"]["annotations"] = json!({"x": "y"});
    new["metadata"]["labels"] = json!({});
    new["spec"]["template"]["spec"]["containers"][0]["ports"] = json!([{"containerPort": 80, "protocol": "UDP"}]);
    let second = write(&old, &new, &first, Some(first.clone()), "b").fields.expect("managed");
    let b = json!({
        "f:metadata": {"f:annotations": {".": {}, "f:x": {}}},
        "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {"f:ports":
            {"k:{\"containerPort\":80,\"protocol\":\"UDP\"}": {".": {}, "f:containerPort": {}, "f:protocol": {}}}}}}}},
    });
    let found = owners(&second);
    assert_eq!(found[1], ("b Update".to_owned(), b));
    let a = &found[0].1;
    assert_eq!(a["f:spec"]["f:replicas"], Value::Null);
    assert_eq!(a["f:metadata"], json!({"f:labels": {}}), "the empty map is left");
    let ports = &a["f:spec"]["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"c\"}"]["f:ports"];
    assert_eq!(ports, &json!({}));
    assert_eq!((&second[0]["time"], &second[1]["time"]), (&json!(NOW), &json!(LATER)));
    // Back to the first, who is the one that changed it last.
    let third = write(&new, &old, &second, None, "a").fields.expect("managed");
    let only: Vec<String> = owners(&third).into_iter().map(|(name, _)| name).collect();
    assert_eq!(only, ["a Update"]);
    assert_eq!(owners(&third)[0].1, owners(&first)[0].1);
}

#[test]
fn a_status_has_owners_of_its_own() {
    let types = types(&pod::ROW);
    let old = json!({"metadata": {"name": "p"}, "spec": {"containers": []}, "status": {"phase": "Pending"}});
    let stored = json!([{"manager": "creator", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:labels": {}}}, "time": NOW}]);
    let mut new = old.clone();
    new["status"] = json!({"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}],
        "conditions": [{"type": "Ready", "status": "True"}]});
    let kubelet = Writer { subresource: "status", ..writer("kubelet", "v1", LATER) };
    let managed = updated(&types, Scope::All, (&old, &new), stored.clone(), None, &kubelet).fields.expect("managed");
    let fields = json!({"f:status": {"f:phase": {},
        "f:podIPs": {".": {}, "k:{\"ip\":\"10.0.0.1\"}": {".": {}, "f:ip": {}}},
        "f:conditions": {".": {}, "k:{\"type\":\"Ready\"}": {".": {}, "f:type": {}, "f:status": {}}}}});
    assert_eq!(owners(&managed)[1], ("kubelet Update status".to_owned(), fields));
    let main = updated(&types, Scope::NotStatus, (&old, &new), stored, None, &kubelet);
    assert!(!main.changed, "the main resource does not write it");
}

#[test]
fn managed_fields_can_be_reset_and_written_but_not_broken() {
    let types = types(&config_map::ROW);
    let old = json!({"metadata": {"name": "a"}, "data": {"k": "v"}});
    let stored = created(&types, Scope::All, &old, &Value::Null, &writer("a", "v1", NOW)).expect("managed");
    let mut new = old.clone();
    new["data"]["k"] = json!("w");
    let write = |old: &Value, new: &Value, sent: Value| {
        updated(&types, Scope::All, (old, new), stored.clone(), Some(sent), &writer("b", "v1", LATER))
    };
    let nobody = Managed { fields: None, changed: true };
    for sent in [json!([]), json!([{}])] {
        assert_eq!(write(&old, &old, sent.clone()), nobody);
        assert_eq!(write(&old, &new, sent), nobody, "what nobody owns goes on like that");
    }
    let untracked = updated(&types, Scope::All, (&old, &new), Value::Null, None, &writer("b", "v1", LATER));
    assert_eq!(untracked, Managed { fields: None, changed: false });
    for broken in [Value::Null, json!("x"), json!([{"manager": "x"}])] {
        assert!(!write(&old, &old, broken).changed);
    }
    let own = json!([{"manager": "c", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "time": NOW,
        "fieldsV1": {"f:data": {"f:k": {".": {}}}}}]);
    let written = write(&old, &old, own).fields.expect("managed");
    assert_eq!(owners(&written), [("c Apply".to_owned(), json!({"f:data": {"f:k": {}}}))]);
}

fn apply(
    types: &Types,
    live: (&Value, &Value),
    config: &Value,
    force: bool,
    manager: &str,
) -> Result<Applied, ApplyError> {
    applied(types, Scope::NotStatus, live, config, force, &writer(manager, "apps/v1", LATER))
}

fn config(spec: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec})
}

#[test]
fn appliers_conflict_share_and_let_go() {
    let types = types(&deployment::ROW);
    let live = web();
    let stored =
        created(&types, Scope::NotStatus, &live, &Value::Null, &writer("kubectl-client-side-apply", "apps/v1", NOW));
    let stored = stored.expect("managed");
    let five = config(json!({"replicas": 5}));
    let error = apply(&types, (&live, &stored), &five, false, "other").expect_err("a conflict");
    assert_eq!(
        error.to_string(),
        "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using apps/v1: .spec.replicas"
    );
    let forced = apply(&types, (&live, &stored), &five, true, "other").expect("forced");
    assert_eq!(forced.object["spec"]["replicas"], 5);
    let managed = forced.managed.expect("managed");
    assert_eq!(owners(&managed)[0], ("other Apply".to_owned(), json!({"f:spec": {"f:replicas": {}}})));
    assert_eq!(owners(&managed)[1].1["f:spec"]["f:replicas"], Value::Null);
    // The same again changes nothing, the time included.
    let again = apply(&types, (&forced.object, &managed), &five, false, "other").expect("again");
    assert_eq!((&again.object, again.managed.as_ref()), (&forced.object, Some(&managed)));
    // A second applier of the same value shares it, and the first may let go without its being lost.
    let shared = apply(&types, (&forced.object, &managed), &five, false, "third").expect("shared");
    let shared_by = shared.managed.expect("managed");
    let mut nothing = config(json!({}));
    nothing.as_object_mut().expect("map").remove("spec");
    let left = apply(&types, (&shared.object, &shared_by), &nothing, false, "other").expect("let go");
    assert_eq!(left.object["spec"]["replicas"], 5);
    let left_by = left.managed.expect("managed");
    assert!(!owners(&left_by).iter().any(|(name, _)| name == "other Apply"));
    // The last one takes it along.
    let gone = apply(&types, (&left.object, &left_by), &nothing, false, "third").expect("let go");
    assert_eq!(gone.object["spec"].get("replicas"), None);
    assert!(gone.object["spec"].get("selector").is_some());
}

#[test]
fn items_of_lists_are_applied_one_by_one() {
    let types = types(&deployment::ROW);
    let container = |fields: Value| config(json!({"template": {"spec": {"containers": [fields]}}}));
    let live = web();
    let stored = json!([]);
    let sidecar = container(json!({"name": "s", "image": "side:1", "env": [{"name": "A", "value": "1"}]}));
    let added = apply(&types, (&live, &stored), &sidecar, false, "mesh").expect("added");
    let names = |object: &Value| -> Vec<Value> {
        let containers = object["spec"]["template"]["spec"]["containers"].as_array().expect("containers");
        containers.iter().map(|c| c["name"].clone()).collect()
    };
    assert_eq!(names(&added.object), ["c", "s"]);
    let managed = added.managed.expect("managed");
    assert_eq!(owners(&managed)[1].0, "before-first-apply Update");
    let other = container(json!({"name": "t", "image": "side:1"}));
    let replaced = apply(&types, (&added.object, &managed), &other, false, "mesh").expect("replaced");
    assert_eq!(names(&replaced.object), ["c", "t"]);
    let both = json!({"containers": [{"name": "z", "image": "z"}, {"name": "c", "image": "nginx:1"}]});
    let ordered = apply(&types, (&live, &stored), &config(json!({"template": {"spec": both}})), false, "mesh");
    assert_eq!(names(&ordered.expect("applied").object), ["z", "c"]);
}

#[test]
fn what_does_not_fit_is_refused_with_its_place() {
    let types = types(&deployment::ROW);
    let live = web();
    for (config, expected) in [
        (config(json!({"replica": 1})), ".spec.replica: field not declared in schema"),
        (config(json!({"replicas": "3"})), ".spec.replicas: expected numeric (int or float), got string"),
        (config(json!({"template": []})), ".spec.template: expected map, got []"),
        (
            config(json!({"template": {"spec": {"containers": [{"image": "x"}]}}})),
            ".spec.template.spec.containers: element 0: associative list with keys has an element that omits all key \
             fields [\"name\"] (and doesn't have default values for any key fields)",
        ),
        (
            config(json!({"template": {"spec": {"containers": [{"name": "x"}, {"name": "x"}]}}})),
            ".spec.template.spec.containers: duplicate entries for key [name=\"x\"]",
        ),
        (
            config(json!({"a": 1, "b": 2})),
            "errors:\n  .spec.a: field not declared in schema\n  .spec.b: field not declared in schema",
        ),
    ] {
        let error = apply(&types, (&live, &Value::Null), &config, false, "m").expect_err(expected);
        assert_eq!(error.to_string(), expected);
    }
    let mut own = config(json!({}));
    own["metadata"]["managedFields"] = json!([]);
    assert_eq!(apply(&types, (&live, &Value::Null), &own, false, "m").expect_err("own"), ApplyError::ManagedFields);
}

#[test]
fn kubectl_takes_over_what_it_applied_on_its_side() {
    let types = types(&deployment::ROW);
    let mut live = web();
    let last = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "c", "image": "nginx:0"}]}}}});
    live["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": last.to_string()});
    let by = writer("kubectl-client-side-apply", "apps/v1", NOW);
    let stored = created(&types, Scope::NotStatus, &live, &Value::Null, &by).expect("managed");
    let five = config(json!({"replicas": 5}));
    assert!(apply(&types, (&live, &stored), &five, false, "other").is_err());
    let done = apply(&types, (&live, &stored), &five, false, "kubectl").expect("kubectl's own");
    let annotation = &done.object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"];
    assert!(annotation.as_str().expect("annotation").contains("\"replicas\":5"));
    // The image was changed by someone since: it is not kubectl's any more.
    let image =
        config(json!({"replicas": 5, "template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}}));
    let error = apply(&types, (&live, &stored), &image, false, "kubectl").expect_err("a conflict");
    assert_eq!(
        error.to_string(),
        "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using apps/v1: \
         .spec.template.spec.containers[name=\"c\"].image"
    );
}

#[test]
fn custom_kinds_are_owned_as_their_schemas_say() {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "size": {"type": "integer"},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"],
            "items": {"type": "object", "properties": {"port": {"type": "integer"},
                "protocol": {"type": "string", "default": "TCP"}, "name": {"type": "string"}}}},
        "plain": {"type": "array", "items": {"type": "string"}},
        "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"a": {"type": "string"}}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    }}}});
    let types = Types::of_json_schema(&schema);
    let object = json!({"apiVersion": "x.example/v1", "kind": "Thing",
        "metadata": {"name": "t", "labels": {"a": "b"}, "finalizers": ["x.example/f"]},
        "spec": {"size": 1, "tags": ["x"], "ports": [{"port": 80, "name": "web"}], "plain": ["a"], "whole": {"a": "b"},
            "free": {"deep": {"list": [1], "x": 1}}, "labels": {"k": "v"}}});
    let managed = created(&types, Scope::NotStatus, &object, &Value::Null, &writer("m", "x.example/v1", NOW));
    assert_eq!(
        managed.expect("managed")[0]["fieldsV1"],
        json!({
            "f:metadata": {"f:labels": {".": {}, "f:a": {}}, "f:finalizers": {".": {}, "v:\"x.example/f\"": {}}},
            "f:spec": {".": {}, "f:size": {}, "f:tags": {".": {}, "v:\"x\"": {}}, "f:plain": {}, "f:whole": {},
                "f:ports": {".": {}, "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}, "f:name": {}}},
                "f:free": {".": {}, "f:deep": {".": {}, "f:list": {}, "f:x": {}}}, "f:labels": {".": {}, "f:k": {}}},
        })
    );
    let apply = |config: Value| {
        applied(&types, Scope::NotStatus, (&json!({}), &Value::Null), &config, false, &writer("m", "x.example/v1", NOW))
    };
    let done = apply(object).expect("applied");
    assert_eq!(
        done.managed.expect("managed")[0]["fieldsV1"]["f:spec"]["f:ports"],
        json!({"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}, "f:name": {}}})
    );
    let wrong = apply(json!({"spec": {"sise": 1}})).expect_err("a misspelt field");
    assert_eq!(wrong.to_string(), ".spec.sise: field not declared in schema");
}
