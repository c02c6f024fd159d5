//! Strategic merge patches as `apply`, `edit` and `set` compute them.
//! <https://kubernetes.io/docs/tasks/manage-kubernetes-objects/declarative-config/#how-apply-calculates-differences-and-merges-changes>

mod diff;

use diff::{Direction, diff_maps};
use kubus_proto::KindRow;
use kubus_proto::merge_keys;
use serde_json::Value;

/// The patch that brings `current` to `modified` where `modified` says something, and takes away what `original` said
/// and `modified` does not: what `apply` sends. An empty map says that nothing is to be done.
pub fn three_way(row: &KindRow, original: &Value, modified: &Value, current: &Value) -> Value {
    let kind = merge_keys::of_kind(row.group, row.kind);
    let mut patch = diff_maps(kind, current, modified, Direction::Additions);
    let deletions = diff_maps(kind, original, modified, Direction::Deletions);
    diff::combine(kind, &mut patch, deletions);
    Value::Object(patch)
}

/// The patch that turns `original` into `modified`. An empty map says that they are the same.
pub fn two_way(row: &KindRow, original: &Value, modified: &Value) -> Value {
    Value::Object(diff_maps(merge_keys::of_kind(row.group, row.kind), original, modified, Direction::Both))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubus_proto::kinds::{by_kind, deployment, pod};
    use serde_json::json;

    fn deployment_of(containers: Value) -> Value {
        json!({"spec": {"template": {"spec": {"containers": containers}}}})
    }

    #[test]
    fn patches_say_what_changed_and_nothing_else() {
        let row = &deployment::ROW;
        let cases: Vec<(&str, Value, Value, Value, Value)> = vec![
            ("nothing", json!({"a": 1}), json!({"a": 1}), json!({"a": 1, "status": {}}), json!({})),
            ("a value", json!({"a": 1}), json!({"a": 2}), json!({"a": 1}), json!({"a": 2})),
            ("drift is mended", json!({"a": 1}), json!({"a": 1}), json!({"a": 5}), json!({"a": 1})),
            ("a key taken out", json!({"a": 1, "b": 2}), json!({"a": 1}), json!({"a": 1, "b": 2}), json!({"b": null})),
            ("others' keys stay", json!({"a": 1}), json!({"a": 1}), json!({"a": 1, "b": 2}), json!({})),
            (
                "a nested key taken out",
                json!({"metadata": {"labels": {"x": "1", "y": "2"}}}),
                json!({"metadata": {"labels": {"x": "1"}}}),
                json!({"metadata": {"labels": {"x": "1", "y": "2"}}}),
                json!({"metadata": {"labels": {"y": null}}}),
            ),
            (
                "an item of a keyed list",
                deployment_of(json!([{"name": "c", "image": "a"}])),
                deployment_of(json!([{"name": "c", "image": "b"}])),
                deployment_of(json!([{"name": "c", "image": "a", "imagePullPolicy": "Always"}])),
                json!({"spec": {"template": {"spec": {
                    "$setElementOrder/containers": [{"name": "c"}],
                    "containers": [{"name": "c", "image": "b"}],
                }}}}),
            ),
            (
                "an item taken out, another added",
                deployment_of(json!([{"name": "old"}])),
                deployment_of(json!([{"name": "new", "image": "x"}])),
                deployment_of(json!([{"name": "old"}])),
                json!({"spec": {"template": {"spec": {
                    "$setElementOrder/containers": [{"name": "new"}],
                    "containers": [{"name": "new", "image": "x"}, {"$patch": "delete", "name": "old"}],
                }}}}),
            ),
            (
                "a nested keyed list",
                deployment_of(
                    json!([{"name": "c", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}]),
                ),
                deployment_of(json!([{"name": "c", "env": [{"name": "A", "value": "3"}]}])),
                deployment_of(
                    json!([{"name": "c", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}]),
                ),
                json!({"spec": {"template": {"spec": {
                    "$setElementOrder/containers": [{"name": "c"}],
                    "containers": [{
                        "$setElementOrder/env": [{"name": "A"}],
                        "env": [{"name": "A", "value": "3"}, {"$patch": "delete", "name": "B"}],
                        "name": "c",
                    }],
                }}}}),
            ),
            (
                "an atomic list",
                deployment_of(json!([{"name": "c", "command": ["a"]}])),
                deployment_of(json!([{"name": "c", "command": ["b", "c"]}])),
                deployment_of(json!([{"name": "c", "command": ["a"]}])),
                json!({"spec": {"template": {"spec": {
                    "$setElementOrder/containers": [{"name": "c"}],
                    "containers": [{"name": "c", "command": ["b", "c"]}],
                }}}}),
            ),
            (
                "a strategy whose fields must be those of the file",
                json!({"spec": {}}),
                json!({"spec": {"strategy": {"type": "Recreate"}}}),
                json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}}}}),
                json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
            ),
            (
                "a set",
                json!({"metadata": {"finalizers": ["a", "b"]}}),
                json!({"metadata": {"finalizers": ["b", "c"]}}),
                json!({"metadata": {"finalizers": ["a", "b", "z"]}}),
                json!({"metadata": {
                    "$setElementOrder/finalizers": ["b", "c"],
                    "$deleteFromPrimitiveList/finalizers": ["a"],
                    "finalizers": ["c"],
                }}),
            ),
        ];
        for (name, original, modified, current, expected) in cases {
            assert_eq!(three_way(row, &original, &modified, &current), expected, "{name}");
        }
    }

    #[test]
    fn edits_take_away_too() {
        let before =
            json!({"metadata": {"labels": {"a": "1"}}, "spec": {"containers": [{"name": "x"}, {"name": "y"}]}});
        let after = json!({"metadata": {"labels": {}}, "spec": {"containers": [{"name": "x", "image": "i"}]}});
        let patch = two_way(&pod::ROW, &before, &after);
        let expected = json!({
            "metadata": {"labels": {"a": null}},
            "spec": {
                "$setElementOrder/containers": [{"name": "x"}],
                "containers": [{"name": "x", "image": "i"}, {"$patch": "delete", "name": "y"}],
            },
        });
        assert_eq!(patch, expected);
        assert_eq!(two_way(&pod::ROW, &before, &before), json!({}));
        assert_eq!(by_kind("v1", "Pod").map(|row| row.kind), Some("Pod"));
    }
}
