//! The manifests of the documents Kubus comes from: stored, or refused, as a Kubernetes 1.36 apiserver did. What admission
//! adds to a pod is set aside here; the replay through the whole pipeline looks at that.

use super::*;
use kubus_proto::kinds::by_kind;
use serde_json::json;

fn facts() -> Vec<Value> {
    let lines = include_str!("../../tests/facts/seeds.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).expect("a line of facts")).collect()
}

fn row_of(object: &Value) -> &'static KindRow {
    let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
    by_kind(&text("apiVersion"), &text("kind")).expect("a kind of ours")
}

/// Without what the server sets in metadata, which the facts leave out, and what admission puts into a pod.
fn comparable(mut pod: Value) -> Value {
    if let Some(metadata) = pod["metadata"].as_object_mut() {
        for key in ["uid", "creationTimestamp", "resourceVersion", "selfLink"] {
            metadata.remove(key);
        }
    }
    let is_token = |name: &Value| name.as_str().is_some_and(|name| name.starts_with("kube-api-access-"));
    if pod["kind"] != "Pod" {
        return pod;
    }
    let Some(spec) = pod["spec"].as_object_mut() else { return pod };
    for key in ["serviceAccount", "serviceAccountName", "priority", "preemptionPolicy", "tolerations"] {
        spec.remove(key);
    }
    for (list, inner) in [("volumes", ""), ("containers", "volumeMounts"), ("initContainers", "volumeMounts")] {
        let Some(items) = spec.get_mut(list).and_then(Value::as_array_mut) else { continue };
        if inner.is_empty() {
            items.retain(|item| !is_token(&item["name"]));
        }
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            if let Some(mounts) = item.get_mut(inner).and_then(Value::as_array_mut) {
                mounts.retain(|mount| !is_token(&mount["name"]));
                if mounts.is_empty() {
                    item.remove(inner);
                }
            }
        }
        if items.is_empty() {
            spec.remove(list);
        }
    }
    pod
}

#[test]
fn manifests_of_the_documents_are_stored_or_refused_as_they_were() {
    for fact in facts() {
        let (mut object, id) = (fact["sent"].clone(), &fact["manifest"]);
        let row = row_of(&object);
        let behaviour = of(row);
        if row.namespaced
            && let Some(metadata) = object.as_object_mut()
        {
            let metadata = metadata.entry("metadata").or_insert_with(|| json!({}));
            metadata["namespace"] = json!("default");
        }
        let decoded = decode(row, &object, FieldValidation::Strict);
        if fact["status"] == 400 {
            assert!(decoded.is_err(), "{id}");
            continue;
        }
        assert_eq!(decoded, Ok(Vec::new()), "{id}");
        behaviour.default(&mut object);
        (behaviour.prepare_create)(&mut object);
        let causes: Vec<Value> = behaviour.validate(&object).iter().map(|c| json!([c.reason, c.field])).collect();
        if fact["status"] == 422 {
            assert_eq!(json!(causes), fact["causes"], "{id}");
            continue;
        }
        assert_eq!(causes, Vec::<Value>::new(), "{id}");
        assert_eq!(comparable(object), comparable(fact["stored"].clone()), "{id}");
    }
}

#[test]
fn what_is_stored_is_read_and_written_again_unchanged() {
    for fact in facts().into_iter().filter(|fact| fact["status"] == 201) {
        let stored = &fact["stored"];
        let row = row_of(stored);
        let mut again = stored.clone();
        assert_eq!(decode(row, &again, FieldValidation::Strict), Ok(Vec::new()));
        of(row).default(&mut again);
        (of(row).prepare_update)(&mut again, stored);
        assert_eq!(of(row).validate_update(&again, stored), Vec::new());
        assert_eq!(again, *stored, "{}", fact["manifest"]);
        assert!(!(of(row).spec_changed)(&again, stored));
    }
}
