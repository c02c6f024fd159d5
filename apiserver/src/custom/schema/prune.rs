//! Drops the fields a schema does not name, and tells which they were.
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#field-pruning>

use super::{Additional, Structural};
use serde_json::Value;

/// What every whole object has, whether its schema says so or not.
const OBJECT_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Drops what `schema`, that of a whole object, does not name. Gives the paths of what is gone.
pub fn prune(schema: &Structural, object: &mut Value) -> Vec<String> {
    let mut gone = Vec::new();
    walk(schema, object, true, String::new(), &mut gone);
    gone
}

fn child(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn walk(schema: &Structural, value: &mut Value, whole: bool, path: String, gone: &mut Vec<String>) {
    let whole = whole || schema.embedded;
    match value {
        Value::Object(map) => map.retain(|name, inner| {
            if whole && OBJECT_FIELDS.contains(&name.as_str()) {
                return true;
            }
            match (schema.properties.get(name), &schema.additional) {
                (Some(shape), _) => walk(shape, inner, false, child(&path, name), gone),
                (None, Some(Additional::Schema(shape))) => walk(shape, inner, false, child(&path, name), gone),
                (None, Some(Additional::Any)) => {}
                (None, None) if schema.preserve_unknown => {}
                (None, None) => {
                    gone.push(child(&path, name));
                    return false;
                }
            }
            true
        }),
        Value::Array(items) => {
            if let Some(shape) = &schema.items {
                for (i, item) in items.iter_mut().enumerate() {
                    walk(shape, item, false, format!("{path}[{i}]"), gone);
                }
            }
        }
        _ => {}
    }
}
