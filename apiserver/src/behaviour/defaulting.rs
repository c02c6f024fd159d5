//! Filling in what was left out.

use serde_json::{Map, Value, json};

type Fields = Map<String, Value>;

/// Sets a field that is not there.
pub fn put(fields: &mut Fields, key: &str, value: impl Into<Value>) {
    fields.entry(key).or_insert_with(|| value.into());
}

/// Sets a text field that is not there or empty.
pub fn put_filled(fields: &mut Fields, key: &str, value: &str) {
    if fields.get(key).is_none_or(|old| old == "") {
        fields.insert(key.to_owned(), json!(value));
    }
}

/// Sets a struct field that is not there to an empty struct.
pub fn put_empty(fields: &mut Fields, key: &str) {
    put(fields, key, json!({}));
}

/// A struct field that is there.
pub fn object<'a>(fields: &'a mut Fields, key: &str) -> Option<&'a mut Fields> {
    fields.get_mut(key).and_then(Value::as_object_mut)
}

/// A struct field, made if it is not there; None only if something else is in its place.
pub fn object_or_new<'a>(fields: &'a mut Fields, key: &str) -> Option<&'a mut Fields> {
    fields.entry(key).or_insert_with(|| json!({})).as_object_mut()
}

/// The structs of a list that is there.
pub fn items<'a>(fields: &'a mut Fields, key: &str) -> impl Iterator<Item = &'a mut Fields> {
    fields.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}
