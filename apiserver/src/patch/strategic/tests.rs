//! Directives one by one, and random edits told as patches.

use super::*;
use kubus_proto::kinds::{deployment, pod, service_account};
use proptest::prelude::*;
use serde_json::json;

fn schema_of(row: &kubus_proto::KindRow) -> &'static Schema {
    (crate::behaviour::of(row).schema)()
}

#[test]
fn directives_do_what_they_say() {
    let container = |name: &str, image: &str| json!({"name": name, "image": image});
    let pod = |spec: Value| json!({"spec": spec});
    let two = || pod(json!({"containers": [container("a", "x"), container("b", "y")]}));
    for (original, patch, expected) in [
        // Lists merge by key, in place; new items come in.
        (
            two(),
            pod(json!({"containers": [{"name": "b", "image": "z"}]})),
            pod(json!({"containers": [container("a", "x"), container("b", "z")]})),
        ),
        (
            two(),
            pod(json!({"containers": [{"name": "a", "$patch": "delete"}]})),
            pod(json!({"containers": [container("b", "y")]})),
        ),
        (
            two(),
            pod(json!({"containers": [{"$patch": "replace"}, container("c", "w")]})),
            pod(json!({"containers": [container("c", "w")]})),
        ),
        (
            two(),
            pod(json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]})),
            pod(json!({"containers": [container("b", "y"), container("a", "x")]})),
        ),
        (
            two(),
            pod(json!({"$setElementOrder/containers": [{"name": "c"}, {"name": "b"}],
                "containers": [container("c", "z"), {"name": "a", "$patch": "delete"}]})),
            pod(json!({"containers": [container("c", "z"), container("b", "y")]})),
        ),
        // Lists without a key are replaced.
        (
            pod(json!({"containers": [{"name": "a", "command": ["x", "y"]}]})),
            pod(json!({"containers": [{"name": "a", "command": ["z"]}]})),
            pod(json!({"containers": [{"name": "a", "command": ["z"]}]})),
        ),
        // Lists in lists.
        (
            pod(
                json!({"containers": [{"name": "a", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}]}),
            ),
            pod(json!({"containers": [{"name": "a", "env": [{"name": "B", "value": "3"}]}]})),
            pod(
                json!({"containers": [{"name": "a", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}]}]}),
            ),
        ),
        // Plain lists.
        (
            json!({"metadata": {"finalizers": ["a", "b"]}}),
            json!({"metadata": {"finalizers": ["c", "a"]}}),
            json!({"metadata": {"finalizers": ["c", "a", "b"]}}),
        ),
        (
            json!({"metadata": {"finalizers": ["a", "b"]}}),
            json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}),
            json!({"metadata": {"finalizers": ["b"]}}),
        ),
        (
            json!({"metadata": {"finalizers": ["a", "b"]}}),
            json!({"metadata": {"$setElementOrder/finalizers": ["c", "b"], "finalizers": ["c"],
                "$deleteFromPrimitiveList/finalizers": ["a"]}}),
            json!({"metadata": {"finalizers": ["c", "b"]}}),
        ),
        // Maps.
        (
            json!({"metadata": {"labels": {"a": "1", "b": "2"}}}),
            json!({"metadata": {"labels": {"a": null, "c": "3"}}}),
            json!({"metadata": {"labels": {"b": "2", "c": "3"}}}),
        ),
        (
            json!({"metadata": {"labels": {"a": "1"}}}),
            json!({"metadata": {"labels": {"$patch": "replace", "b": "2"}}}),
            json!({"metadata": {"labels": {"b": "2"}}}),
        ),
        (
            json!({"metadata": {"labels": {"a": "1"}}}),
            json!({"metadata": {"labels": {"$patch": "delete"}}}),
            json!({"metadata": {"labels": {}}}),
        ),
        // One source of a volume takes the place of another.
        (
            pod(json!({"volumes": [{"name": "v", "emptyDir": {}}]})),
            pod(json!({"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]})),
            pod(json!({"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]})),
        ),
        // What was not there comes without directives and nulls.
        (
            json!({}),
            pod(
                json!({"containers": [{"name": "a", "image": null, "$patch": "merge"}, {"name": "b", "$patch": "delete"}],
                "nodeSelector": {"x": null}, "$setElementOrder/tolerations": []}),
            ),
            pod(json!({"containers": [{"name": "a"}], "nodeSelector": {}})),
        ),
    ] {
        let result = apply(schema_of(&pod::ROW), &original, &patch);
        assert_eq!(result, Ok(expected), "{patch}");
    }
}

#[test]
fn rules_hold_through_templates_and_for_other_kinds() {
    let original = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
        "template": {"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}}}});
    let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"},
        "template": {"spec": {"containers": [{"name": "a", "image": "z"}]}}}});
    let expected = json!({"spec": {"strategy": {"type": "Recreate"},
        "template": {"spec": {"containers": [{"name": "a", "image": "z"}, {"name": "b", "image": "y"}]}}}});
    assert_eq!(apply(schema_of(&deployment::ROW), &original, &patch), Ok(expected));
    let original = json!({"secrets": [{"name": "a"}]});
    let patch = json!({"secrets": [{"name": "b"}]});
    let expected = json!({"secrets": [{"name": "b"}, {"name": "a"}]});
    assert_eq!(apply(schema_of(&service_account::ROW), &original, &patch), Ok(expected));
}

#[test]
fn wrong_patches_are_refused() {
    let original = json!({"metadata": {}, "spec": {"containers": [{"name": "a"}], "volumes": [{"name": "v"}]}});
    for (patch, reason, text) in [
        (json!([]), Reason::BadRequest, "json: cannot unmarshal array into Go value of type map[string]interface {}"),
        (json!({"$patch": "twist"}), Reason::Invalid, "unknown patch type: twist"),
        (
            json!({"spec": {"containers": [{"image": "x"}]}}),
            Reason::Invalid,
            "map: {\"image\":\"x\"} does not contain declared merge key: name",
        ),
        (json!({"spec": {"$retainKeys": "x"}}), Reason::BadRequest, "invalid patch format of retainKeys"),
        (
            json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}, "$retainKeys": ["name"]}]}}),
            Reason::Invalid,
            "patch content doesn't match retainKeys list",
        ),
        (
            json!({"spec": {"$setElementOrder/containers": [{"name": "b"}], "containers": [{"name": "a"}]}}),
            Reason::BadRequest,
            "invalid patch format of setElementOrder list",
        ),
        (
            json!({"metadata": {"$deleteFromPrimitiveList/finalizers": "x"}}),
            Reason::BadRequest,
            "invalid patch format of primitive list",
        ),
    ] {
        let error = apply(schema_of(&pod::ROW), &original, &patch).expect_err(text);
        assert_eq!(error.reason, reason, "{patch}");
        assert!(error.message.ends_with(text), "{}", error.message);
    }
}

/// A pod out of few names, so that edits collide.
fn some_pod() -> impl Strategy<Value = Value> {
    let text = || prop::sample::select(vec!["x", "y", "z"]);
    let names = |n: usize| prop::sample::subsequence(vec!["a", "b", "c", "d"], 0..=n).prop_shuffle();
    let map = || prop::collection::btree_map(text(), text(), 0..3);
    let env = || {
        (names(3), text()).prop_map(|(names, value)| {
            names.into_iter().map(|n| json!({"name": n, "value": value})).collect::<Vec<_>>()
        })
    };
    let container = (text(), env(), prop::collection::vec(text(), 0..3));
    let containers = (names(4), prop::collection::vec(container, 4)).prop_map(|(names, bodies)| {
        let make = |(name, (image, env, command)): (&str, (&str, Vec<Value>, Vec<&str>))| {
            json!({"name": name, "image": image, "env": env, "command": command})
        };
        names.into_iter().zip(bodies).map(make).collect::<Vec<_>>()
    });
    (map(), names(4), containers).prop_map(|(labels, finalizers, containers)| {
        json!({"metadata": {"labels": labels, "finalizers": finalizers}, "spec": {"containers": containers}})
    })
}

/// The patch that makes `new` out of `old`, as a client writes it.
fn difference(
    schema: &Schema,
    shape: &Shape,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
) -> Map<String, Value> {
    let mut patch = Map::new();
    for (key, _) in old.iter().filter(|(key, _)| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in new.iter().filter(|(key, value)| old.get(*key) != Some(*value)) {
        let (inner, rule) = field_of(schema, shape, key);
        match (old.get(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => {
                patch.insert(key.clone(), Value::Object(difference(schema, &inner, old, new)));
            }
            (Some(Value::Array(old)), Value::Array(new)) if rule.merge => {
                let Some(merge_key) = rule.key else {
                    let gone: Vec<&Value> = old.iter().filter(|v| !new.contains(v)).collect();
                    let added: Vec<&Value> = new.iter().filter(|v| !old.contains(v)).collect();
                    patch.insert(format!("{DELETE_FROM_LIST}{key}"), json!(gone));
                    patch.insert(format!("{SET_ELEMENT_ORDER}{key}"), json!(new));
                    patch.insert(key.clone(), json!(added));
                    continue;
                };
                let Shape::List(item) = &inner else { panic!("{key} is a list") };
                let like = |list: &[Value], v: &Value| list.iter().find(|o| o[merge_key] == v[merge_key]).cloned();
                let mut items = Vec::new();
                for value in new {
                    match like(old, value) {
                        None => items.push(value.clone()),
                        Some(before) if before != *value => {
                            let (before, after) =
                                (before.as_object().expect("a map"), value.as_object().expect("a map"));
                            let mut inner = difference(schema, item, before, after);
                            inner.insert(merge_key.to_owned(), value[merge_key].clone());
                            items.push(Value::Object(inner));
                        }
                        Some(_) => {}
                    }
                }
                for value in old.iter().filter(|v| like(new, v).is_none()) {
                    items.push(json!({merge_key: value[merge_key], PATCH: "delete"}));
                }
                let order: Vec<Value> = new.iter().map(|v| json!({merge_key: v[merge_key]})).collect();
                patch.insert(format!("{SET_ELEMENT_ORDER}{key}"), json!(order));
                patch.insert(key.clone(), json!(items));
            }
            _ => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    patch
}

proptest! {
    #[test]
    fn a_difference_applied_gives_the_new_object(old in some_pod(), new in some_pod()) {
        let schema = schema_of(&pod::ROW);
        let (before, after) = (old.as_object().expect("a map"), new.as_object().expect("a map"));
        let patch = Value::Object(difference(schema, &Shape::Struct("Pod"), before, after));
        prop_assert_eq!(apply(schema, &old, &patch), Ok(new), "{}", patch);
    }

    #[test]
    fn a_patch_applied_twice_is_applied_once(old in some_pod(), patch in some_pod()) {
        let schema = schema_of(&pod::ROW);
        let once = apply(schema, &old, &patch).expect("applies");
        prop_assert_eq!(apply(schema, &once, &patch), Ok(once));
    }

    #[test]
    fn no_item_is_lost_or_doubled(old in some_pod(), patch in some_pod()) {
        let merged = apply(schema_of(&pod::ROW), &old, &patch).expect("applies");
        let names = |pod: &Value| -> std::collections::BTreeSet<String> {
            pod["spec"]["containers"].as_array().into_iter().flatten().map(|c| c["name"].to_string()).collect()
        };
        let union: Vec<String> = names(&old).union(&names(&patch)).cloned().collect();
        prop_assert_eq!(names(&merged).into_iter().collect::<Vec<_>>(), union.clone());
        prop_assert_eq!(merged["spec"]["containers"].as_array().map_or(0, Vec::len), union.len());
    }
}
