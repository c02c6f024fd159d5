//! Lists whose items are told apart hold no item twice.

use super::{ListType, Structural};
use crate::behaviour::causes::duplicate;
use kubus_proto::status::Cause;
use serde_json::{Map, Value};
use std::collections::HashSet;

/// Checks every list in a value that stands at `path`.
pub fn check_lists(schema: &Structural, path: &str, value: &Value, causes: &mut Vec<Cause>) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                let Some(shape) = schema.field(name) else { continue };
                let step = if schema.properties.contains_key(name) {
                    if path.is_empty() { name.clone() } else { format!("{path}.{name}") }
                } else {
                    format!("{path}[{name}]")
                };
                check_lists(shape, &step, inner, causes);
            }
        }
        Value::Array(items) => {
            check_list(&schema.list, schema.items.as_deref(), path, items, causes);
            if let Some(shape) = &schema.items {
                for (i, item) in items.iter().enumerate() {
                    check_lists(shape, &format!("{path}[{i}]"), item, causes);
                }
            }
        }
        _ => {}
    }
}

fn check_list(list: &ListType, shape: Option<&Structural>, path: &str, items: &[Value], causes: &mut Vec<Cause>) {
    let mut seen = HashSet::new();
    for (i, item) in items.iter().enumerate() {
        let identity = match list {
            ListType::Atomic => return,
            ListType::Set => item.clone(),
            ListType::Map(keys) => identity(keys, shape, item),
        };
        if !seen.insert(identity.to_string()) {
            causes.push(duplicate(format!("{path}[{i}]"), identity));
        }
    }
}

/// The keys of an item; one that is left out and has a default counts as that.
fn identity(keys: &[String], shape: Option<&Structural>, item: &Value) -> Value {
    let mut found = Map::new();
    for key in keys {
        let default = || shape.and_then(|shape| shape.properties.get(key)?.default.clone());
        if let Some(value) = item.get(key).cloned().or_else(default) {
            found.insert(key.clone(), value);
        }
    }
    Value::Object(found)
}
