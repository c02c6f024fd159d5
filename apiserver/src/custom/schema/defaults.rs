//! Fills in what was left out, and drops nulls that stand for "not given".
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting-and-nullable>

use super::{Additional, Structural};
use serde_json::Value;

/// Whether a value counts as not given: a null where none may be, but a default is.
fn is_absent(value: &Value, shape: &Structural) -> bool {
    value.is_null() && !shape.nullable && shape.default.is_some()
}

/// Drops nulls that may not be and have no default, then fills in every default.
pub fn fill_in(schema: &Structural, value: &mut Value) {
    drop_nulls(schema, value);
    fill(schema, value);
}

fn fill(schema: &Structural, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, shape) in &schema.properties {
                let Some(default) = &shape.default else { continue };
                if map.get(name).is_none_or(|value| is_absent(value, shape)) {
                    map.insert(name.clone(), default.clone());
                }
            }
            for (name, inner) in map.iter_mut() {
                match (schema.properties.get(name), &schema.additional) {
                    (Some(shape), _) => fill(shape, inner),
                    (None, Some(Additional::Schema(shape))) => fill_entry(shape, inner),
                    (None, Some(Additional::Any) | None) => {}
                }
            }
        }
        Value::Array(items) => {
            if let Some(shape) = &schema.items {
                items.iter_mut().for_each(|item| fill_entry(shape, item));
            }
        }
        _ => {}
    }
}

fn fill_entry(shape: &Structural, value: &mut Value) {
    if is_absent(value, shape)
        && let Some(default) = &shape.default
    {
        value.clone_from(default);
    }
    fill(shape, value);
}

fn drop_nulls(schema: &Structural, value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|name, value| {
                let shape = schema.properties.get(name).or(match &schema.additional {
                    Some(Additional::Schema(shape)) => Some(shape),
                    Some(Additional::Any) | None => None,
                });
                let superfluous = |shape: &Structural| !shape.nullable && shape.default.is_none();
                !(value.is_null() && shape.is_some_and(superfluous))
            });
            for (name, inner) in map.iter_mut() {
                if let Some(shape) = schema.field(name) {
                    drop_nulls(shape, inner);
                }
            }
        }
        Value::Array(items) => {
            if let Some(shape) = &schema.items {
                items.iter_mut().for_each(|item| drop_nulls(shape, item));
            }
        }
        _ => {}
    }
}
