//! Preparations that many kinds share.

use serde_json::{Value, json};

/// What an update cannot change in `metadata`, since it is the server's.
const SERVER_METADATA: [&str; 4] =
    ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"];

/// Nothing to prepare.
pub fn nothing(_: &mut Value) {}

/// A kind without generations never bumps one.
pub fn never(_: &Value, _: &Value) -> bool {
    false
}

/// Whether `spec` differs.
pub fn spec_differs(new: &Value, old: &Value) -> bool {
    new["spec"] != old["spec"]
}

/// `key` of `new` becomes what it is in `old`.
pub fn take_over(new: &mut Value, old: &Value, key: &str) {
    let Some(object) = new.as_object_mut() else { return };
    match old.get(key) {
        Some(value) => object.insert(key.to_owned(), value.clone()),
        None => object.remove(key),
    };
}

/// An update keeps what is the server's in `metadata`; a uid that was left out is filled in.
pub fn keep_metadata(new: &mut Value, old: &Value) {
    let (Some(metadata), before) = (new.get_mut("metadata"), &old["metadata"]) else { return };
    for key in SERVER_METADATA {
        take_over(metadata, before, key);
    }
    if metadata["uid"].as_str().unwrap_or_default().is_empty() {
        take_over(metadata, before, "uid");
    }
}

/// An update of the main resource does not touch the status.
pub fn keep_status(new: &mut Value, old: &Value) {
    keep_metadata(new, old);
    take_over(new, old, "status");
}

/// An update of the status touches nothing else. `metadata.resourceVersion` stays the one that was sent, none if none
/// was, since it is a precondition.
pub fn only_status(new: &mut Value, old: &Value) {
    let status = new.get_mut("status").map(Value::take);
    let version = new.get_mut("metadata").and_then(|m| m.get_mut("resourceVersion")).map(Value::take);
    new.clone_from(old);
    put_or_remove(new, "status", status);
    if let Some(metadata) = new.get_mut("metadata") {
        put_or_remove(metadata, "resourceVersion", version);
    }
}

/// A kind without a status has nothing an update of it could touch.
pub fn no_status(new: &mut Value, old: &Value) {
    new.clone_from(old);
}

fn put_or_remove(holder: &mut Value, key: &str, value: Option<Value>) {
    let Some(map) = holder.as_object_mut() else { return };
    match value {
        Some(value) => map.insert(key.to_owned(), value),
        None => map.remove(key),
    };
}

/// A new object's first generation, and a status that only the server writes.
pub fn first_generation(object: &mut Value, status: Value) {
    first_status(object, status);
    only_first_generation(object);
}

/// A new object's first generation, for a kind without a status.
pub fn only_first_generation(object: &mut Value) {
    if let Some(fields) = object.as_object_mut()
        && let Some(metadata) = fields.entry("metadata").or_insert_with(|| json!({})).as_object_mut()
    {
        metadata.insert("generation".to_owned(), json!(1));
    }
}

/// A status that only the server writes, of a kind without generations.
pub fn first_status(object: &mut Value, status: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert("status".to_owned(), status);
    }
}

/// A finalizer that holds a new object until whoever put it there takes it away.
pub fn add_finalizer(object: &mut Value, finalizer: &str) {
    let Some(fields) = object.as_object_mut() else { return };
    let metadata = fields.entry("metadata").or_insert_with(|| json!({})).as_object_mut();
    let list = metadata.and_then(|m| m.entry("finalizers").or_insert_with(|| json!([])).as_array_mut());
    if let Some(list) = list.filter(|list| !list.iter().any(|f| f == finalizer)) {
        list.push(json!(finalizer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_of_one_part_leaves_the_others() {
        let old = json!({"metadata": {"name": "a", "uid": "u", "generation": 3, "resourceVersion": "7"},
            "spec": {"x": 1}, "status": {"y": 1}});
        let sent = json!({"metadata": {"name": "a", "generation": 9, "labels": {"l": "m"}, "deletionTimestamp": "t"},
            "spec": {"x": 2}, "status": {"y": 2}});
        let mut main = sent.clone();
        keep_status(&mut main, &old);
        let metadata = json!({"name": "a", "uid": "u", "generation": 3, "labels": {"l": "m"}});
        assert_eq!(main, json!({"metadata": metadata, "spec": {"x": 2}, "status": {"y": 1}}));
        let mut status = sent;
        only_status(&mut status, &old);
        let metadata = json!({"name": "a", "uid": "u", "generation": 3});
        assert_eq!(status, json!({"metadata": metadata, "spec": {"x": 1}, "status": {"y": 2}}));
    }
}
