//! Objects inside objects (`x-kubernetes-embedded-resource`) have apiVersion, kind and good metadata.

use super::Structural;
use crate::behaviour::causes::{invalid, required};
use crate::behaviour::{NameRule, check_metadata};
use kubus_proto::status::Cause;
use serde_json::Value;

/// Checks every embedded object in a value that stands at `path`.
pub fn check_embedded(schema: &Structural, path: &str, value: &Value, causes: &mut Vec<Cause>) {
    if schema.embedded && value.is_object() {
        check_one(path, value, causes);
    }
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                let Some(shape) = schema.field(name) else { continue };
                let step = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                check_embedded(shape, &step, inner, causes);
            }
        }
        Value::Array(items) => {
            if let Some(shape) = &schema.items {
                for (i, item) in items.iter().enumerate() {
                    check_embedded(shape, &format!("{path}[{i}]"), item, causes);
                }
            }
        }
        _ => {}
    }
}

fn check_one(path: &str, object: &Value, causes: &mut Vec<Cause>) {
    for key in ["apiVersion", "kind"] {
        match &object[key] {
            Value::Null => causes.push(required(format!("{path}.{key}"), "must not be empty")),
            Value::String(text) if text.is_empty() => {
                causes.push(required(format!("{path}.{key}"), "must not be empty"));
            }
            Value::String(_) => {}
            other => causes.push(invalid(format!("{path}.{key}"), other.clone(), "must be a string")),
        }
    }
    let metadata = &object["metadata"];
    if metadata.is_null() {
        return;
    }
    let namespaced = metadata["namespace"].as_str().is_some_and(|namespace| !namespace.is_empty());
    for found in check_metadata(metadata, namespaced, NameRule::PathSegment) {
        causes.push(Cause { field: format!("{path}.{}", found.field), ..found });
    }
}
