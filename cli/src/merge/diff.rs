//! The difference of two objects as a strategic merge patch, by the merge keys of the kind.

use kubus_proto::merge_keys::{MergeType, Rule};
use serde_json::{Map, Value, json};

/// Which half of a difference is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// What is new or other in the second object.
    Additions,
    /// What the second object has no longer.
    Deletions,
    /// All of it.
    Both,
}

impl Direction {
    fn additions(self) -> bool {
        self != Direction::Deletions
    }
    fn deletions(self) -> bool {
        self != Direction::Additions
    }
}

const ORDER: &str = "$setElementOrder/";
const REMOVE: &str = "$deleteFromPrimitiveList/";
const RETAIN: &str = "$retainKeys";

/// Difference of two maps; what is not a map counts as an empty one.
pub(super) fn diff_maps(kind: &MergeType, from: &Value, to: &Value, direction: Direction) -> Map<String, Value> {
    let empty = Map::new();
    let (from, to) = (from.as_object().unwrap_or(&empty), to.as_object().unwrap_or(&empty));
    let mut patch = Map::new();
    for (key, value) in to {
        match from.get(key) {
            None if direction.additions() && !value.is_null() => {
                patch.insert(key.clone(), value.clone());
            }
            Some(old) if old != value => diff_field(kind, key, old, value, direction, &mut patch),
            _ => {}
        }
    }
    if direction.deletions() {
        for key in from.keys().filter(|key| !to.contains_key(*key)) {
            patch.insert(key.clone(), Value::Null);
        }
    }
    patch
}

fn diff_field(
    kind: &MergeType,
    key: &str,
    old: &Value,
    new: &Value,
    direction: Direction,
    patch: &mut Map<String, Value>,
) {
    match (old, new, kind.rule(key, new.is_object())) {
        (Value::Object(_), Value::Object(_), Rule::Map(inner)) => {
            let inner = diff_maps(inner, old, new, direction);
            if !inner.is_empty() {
                patch.insert(key.to_owned(), Value::Object(inner));
            }
        }
        (Value::Object(_), Value::Object(fields), Rule::RetainedMap(inner)) => {
            let mut inner = diff_maps(inner, old, new, direction);
            if !inner.is_empty() {
                if direction.additions() {
                    inner.insert(RETAIN.to_owned(), json!(fields.keys().collect::<Vec<_>>()));
                }
                patch.insert(key.to_owned(), Value::Object(inner));
            }
        }
        (Value::Array(old), Value::Array(new), Rule::List { key: merge_key, item, retain_keys }) => {
            let items = diff_lists(merge_key, item, retain_keys, old, new, direction);
            let order =
                |items: &[Value]| -> Vec<Value> { items.iter().map(|i| json!({merge_key: i[merge_key]})).collect() };
            // The order is said only by those who say what the list holds, and where it is another than before.
            let ordered_differently = direction.additions() && {
                let kept: Vec<Value> = order(old).into_iter().filter(|i| order(new).contains(i)).collect();
                kept != order(new)
            };
            if !items.is_empty() || ordered_differently {
                patch.insert(format!("{ORDER}{key}"), json!(order(new)));
            }
            if !items.is_empty() {
                patch.insert(key.to_owned(), Value::Array(items));
            }
        }
        (Value::Array(old), Value::Array(new), Rule::Set) => {
            let missing = |from: &[Value], to: &[Value]| -> Vec<Value> {
                to.iter().filter(|value| !from.contains(value)).cloned().collect()
            };
            let added = if direction.additions() { missing(old, new) } else { Vec::new() };
            let removed = if direction.deletions() { missing(new, old) } else { Vec::new() };
            if added.is_empty() && removed.is_empty() {
                return;
            }
            patch.insert(format!("{ORDER}{key}"), json!(new));
            for (name, values) in [(key.to_owned(), added), (format!("{REMOVE}{key}"), removed)] {
                if !values.is_empty() {
                    patch.insert(name, Value::Array(values));
                }
            }
        }
        _ if direction.additions() => {
            patch.insert(key.to_owned(), new.clone());
        }
        _ => {}
    }
}

fn diff_lists(
    merge_key: &str,
    item: &MergeType,
    retain_keys: bool,
    from: &[Value],
    to: &[Value],
    direction: Direction,
) -> Vec<Value> {
    let find = |list: &'_ [Value], id: &Value| list.iter().position(|i| i[merge_key] == *id);
    let mut patch = Vec::new();
    for new in to {
        let id = &new[merge_key];
        match find(from, id) {
            None if direction.additions() => patch.push(new.clone()),
            Some(at) if from[at] != *new => {
                let mut inner = diff_maps(item, &from[at], new, direction);
                if !inner.is_empty() {
                    inner.insert(merge_key.to_owned(), id.clone());
                    if let (true, Value::Object(fields), true) = (retain_keys, new, direction.additions()) {
                        inner.insert(RETAIN.to_owned(), json!(fields.keys().collect::<Vec<_>>()));
                    }
                    patch.push(Value::Object(inner));
                }
            }
            _ => {}
        }
    }
    if direction.deletions() {
        for old in from.iter().filter(|old| find(to, &old[merge_key]).is_none()) {
            patch.push(json!({"$patch": "delete", merge_key: old[merge_key]}));
        }
    }
    patch
}

/// Adds the deletions to a patch of additions, item by item in keyed lists.
pub(super) fn combine(kind: &MergeType, patch: &mut Map<String, Value>, deletions: Map<String, Value>) {
    for (key, value) in deletions {
        match (patch.get_mut(&key), value) {
            (None, value) => {
                patch.insert(key, value);
            }
            (Some(Value::Object(mine)), Value::Object(theirs)) => match kind.rule(&key, true) {
                Rule::Map(inner) | Rule::RetainedMap(inner) => combine(inner, mine, theirs),
                _ => {}
            },
            (Some(Value::Array(mine)), Value::Array(theirs)) => {
                let Rule::List { key: merge_key, item, .. } = kind.rule(&key, false) else { continue };
                for deletion in theirs {
                    let same = mine.iter_mut().find(|i| i[merge_key] == deletion[merge_key]);
                    match (same, deletion) {
                        (Some(Value::Object(mine)), Value::Object(deletion)) => combine(item, mine, deletion),
                        (_, deletion) => mine.push(deletion),
                    }
                }
            }
            // Said by both: the addition knows better (a set's order, a value that was replaced).
            _ => {}
        }
    }
}
