//! What documents say about the fields of the Kubernetes types beyond what the types themselves say.

use super::enums;
use crate::schema::{is_atomic, key_default};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Columns: type, field, patch strategy, patch merge key, list type, list map keys, map type.
static MERGES: &str = include_str!("../schema/merge_keys.tsv");

static RULES: LazyLock<BTreeMap<(&'static str, &'static str), [&'static str; 5]>> = LazyLock::new(|| {
    let rows = MERGES.lines().filter(|line| !line.starts_with('#')).skip(1);
    let row = |line: &'static str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [type_name, field, strategy, merge_key, list, keys, map] = columns.as_slice() else { return None };
        Some(((*type_name, *field), [*strategy, *merge_key, *list, *keys, *map]))
    };
    rows.filter_map(row).collect()
});

/// Adds to the schema of a type (`io.k8s.api.core.v1.PodSpec`) and of its fields how they merge and which values they
/// know.
pub fn extend(name: &str, schema: &mut Value) {
    let short = short_name(name);
    let type_name = short.rsplit('.').next().unwrap_or_default();
    if is_atomic(type_name) && schema["type"] == "object" {
        schema["x-kubernetes-map-type"] = json!("atomic");
    }
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (field, schema) in properties {
        if let Some([strategy, merge_key, list, keys, map]) = RULES.get(&(short, field.as_str())) {
            for (key, value) in [
                ("x-kubernetes-patch-strategy", strategy),
                ("x-kubernetes-patch-merge-key", merge_key),
                ("x-kubernetes-list-type", list),
                ("x-kubernetes-map-type", map),
            ] {
                if !value.is_empty() {
                    schema[key] = json!(value);
                }
            }
            if !keys.is_empty() {
                schema["x-kubernetes-list-map-keys"] = json!(keys.split(',').collect::<Vec<_>>());
            }
        }
        if let Some(values) = enums::values(short, field) {
            schema["enum"] = json!(values);
        }
        if type_name.ends_with("Port")
            && let Some(default) = key_default(field)
        {
            schema["default"] = json!(default);
        }
    }
}

/// `core.v1.PodSpec` of `io.k8s.api.core.v1.PodSpec`.
fn short_name(name: &str) -> &str {
    name.rmatch_indices('.').nth(2).map_or(name, |(dot, _)| &name[dot + 1..])
}

/// Every field this page knows something of, for tests.
#[cfg(test)]
pub fn fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    RULES.keys().copied().chain(enums::fields())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_say_how_they_merge() {
        let mut container = json!({"type": "object", "properties": {"ports": {}, "imagePullPolicy": {}, "name": {}}});
        extend("io.k8s.api.core.v1.Container", &mut container);
        let expected = json!({"type": "object", "properties": {"name": {},
            "imagePullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
            "ports": {"x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": "containerPort",
                "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["containerPort", "protocol"]}}});
        assert_eq!(container, expected);
        let mut selector = json!({"type": "object", "properties": {}});
        extend("io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector", &mut selector);
        assert_eq!(selector["x-kubernetes-map-type"], "atomic");
    }
}
