//! An object with what is applied to it, and an object without what was applied before.

use super::set::{Tree, at};
use super::step;
use super::types::{Key, Type, View};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, VecDeque};

/// `live` with all that `config` says.
pub(super) fn merge(root: Type<'_>, live: &Value, config: &Value) -> Value {
    values(root, Some(live), Some(config)).unwrap_or(Value::Null)
}

fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(fields)) => fields.is_empty(),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) => false,
    }
}

fn values(of: Type<'_>, live: Option<&Value>, config: Option<&Value>) -> Option<Value> {
    let either = || config.or(live).cloned();
    if is_empty(live) && is_empty(config) {
        return either();
    }
    // What is said last says what kind of value it is; nothing says nothing about it.
    let looked_at = config.filter(|config| !config.is_null()).or(live)?;
    match of.view(looked_at) {
        View::Leaf => either(),
        View::Map => Some(maps(of, live, config)),
        View::Set => Some(lists(of, &|item| step::of_value(item).ok(), live, config)),
        View::Keyed(keys, item) => Some(lists(item, &|value| of_keys(keys, value), live, config)),
    }
}

fn of_keys(keys: &[Key], item: &Value) -> Option<String> {
    step::of_keys(keys, item).ok()
}

fn maps(of: Type<'_>, live: Option<&Value>, config: Option<&Value>) -> Value {
    let nothing = Map::new();
    let fields = |value: Option<&'_ Value>| value.and_then(Value::as_object).cloned();
    let config = config.and_then(Value::as_object).unwrap_or(&nothing);
    let mut merged = fields(live).unwrap_or_default();
    for (name, said) in config {
        let inner = values(of.field_or_any(name), merged.get(name), Some(said));
        merged.insert(name.clone(), inner.unwrap_or(Value::Null));
    }
    Value::Object(merged)
}

/// Merges the items of two lists. The applied ones stand in the order in which they are applied; the others keep their
/// places among those they had around them.
fn lists(
    of: Type<'_>,
    step_of: &dyn Fn(&Value) -> Option<String>,
    live: Option<&Value>,
    config: Option<&Value>,
) -> Value {
    let steps = |value: Option<&'_ Value>| -> Vec<(String, Value)> {
        let items = value.and_then(Value::as_array).into_iter().flatten();
        items.filter_map(|item| Some((step_of(item)?, item.clone()))).collect()
    };
    let (live, config) = (steps(live), steps(config));
    let mut before: BTreeMap<&str, Option<&Value>> = BTreeMap::new();
    for (step, item) in &live {
        // Of items that cannot be told apart none is taken for the one that is applied.
        before.entry(step).and_modify(|known| *known = None).or_insert(Some(item));
    }
    let applied: BTreeMap<&str, &Value> = config.iter().map(|(step, item)| (step.as_str(), item)).collect();
    let mut shared: VecDeque<&str> =
        config.iter().map(|(step, _)| step.as_str()).filter(|step| before.contains_key(step)).collect();
    let mut next = shared.pop_front();
    let mut placed: BTreeMap<&str, ()> = BTreeMap::new();
    let mut merged = Vec::with_capacity(live.len().max(config.len()));
    let (mut l, mut c) = (0, 0);
    while l < live.len() || c < config.len() {
        if let (Some((step, _)), Some((wanted, item))) = (live.get(l), config.get(c)) {
            if step == wanted {
                placed.insert(step, ());
                merged.extend(values(of, before.get(step.as_str()).copied().flatten(), Some(item)));
                (l, c) = (l + 1, c + 1);
                next = shared.pop_front();
                continue;
            }
            if applied.contains_key(step.as_str()) && next.is_some_and(|next| next != step) {
                // It is applied, but further on.
                l += 1;
                continue;
            }
        }
        if let Some((step, item)) = live.get(l) {
            if !applied.contains_key(step.as_str()) {
                merged.push(item.clone());
                l += 1;
                continue;
            }
            if placed.contains_key(step.as_str()) {
                l += 1;
            }
        }
        if let Some((step, item)) = config.get(c) {
            placed.insert(step, ());
            merged.extend(values(of, before.get(step.as_str()).copied().flatten(), Some(item)));
            c += 1;
            if next == Some(step.as_str()) {
                next = shared.pop_front();
            }
        }
    }
    Value::Array(merged)
}

/// `object` without the fields and items of a set.
pub(super) fn remove(root: Type<'_>, object: &Value, set: &Tree) -> Value {
    without(root, object, set).unwrap_or_else(|| Value::Object(Map::new()))
}

/// None where nothing is left of a value that had something in it.
fn without(of: Type<'_>, value: &Value, set: &Tree) -> Option<Value> {
    match (of.view(value), value) {
        (View::Map, Value::Object(fields)) if !fields.is_empty() => {
            let mut left = Map::new();
            for (name, value) in fields {
                match at(set, &step::field(name)) {
                    None => {
                        left.insert(name.clone(), value.clone());
                    }
                    Some((true, _)) => {}
                    Some((false, below)) => {
                        if let Some(value) = without(of.field_or_any(name), value, below) {
                            left.insert(name.clone(), value);
                        }
                    }
                }
            }
            (!left.is_empty()).then_some(Value::Object(left))
        }
        (View::Set, Value::Array(items)) if !items.is_empty() => {
            items_without(of, items, set, &|item| step::of_value(item).ok())
        }
        (View::Keyed(keys, item_type), Value::Array(items)) if !items.is_empty() => {
            items_without(item_type, items, set, &|item| of_keys(keys, item))
        }
        _ => Some(value.clone()),
    }
}

fn items_without(
    of: Type<'_>,
    items: &[Value],
    set: &Tree,
    step_of: &dyn Fn(&Value) -> Option<String>,
) -> Option<Value> {
    let left: Vec<Value> = items
        .iter()
        .filter_map(|item| match step_of(item).and_then(|step| at(set, &step)) {
            None => Some(item.clone()),
            Some((true, _)) => None,
            Some((false, below)) => without(of, item, below),
        })
        .collect();
    (!left.is_empty()).then_some(Value::Array(left))
}
