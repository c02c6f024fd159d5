//! `metadata.managedFields`: who owns which fields since when, read and written.
//! <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/>

use super::set::{FieldSet, SetError};
use serde_json::{Map, Value, json};

/// The only way of writing a set of fields there is.
const FIELDS_TYPE: &str = "FieldsV1";

/// How a manager came to own its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    /// By server-side apply.
    Apply,
    /// By anything else.
    Update,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        }
    }
}

/// One manager with what it owns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub manager: String,
    pub operation: Operation,
    /// The version the set is written in.
    pub api_version: String,
    /// The subresource it was written through, empty for the object itself.
    pub subresource: String,
    /// When it was last written, RFC 3339; empty where that is not known.
    pub time: String,
    pub fields: FieldSet,
}

/// Managed fields that are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EntryError {
    #[error("metadata.managedFields is not a list of maps")]
    NotAList,
    #[error("operation must be `Apply` or `Update`")]
    Operation,
    #[error("apiVersion must not be empty")]
    ApiVersion,
    #[error("missing fieldsType in managed fields entry {0}")]
    NoFieldsType(usize),
    #[error("invalid fieldsType {found:?} in managed fields entry {place}")]
    FieldsType { found: String, place: usize },
    #[error("error decoding manager in managed fields entry {place}: {error}")]
    Fields { error: SetError, place: usize },
}

/// Whether a client asks that nobody owns anything: with an empty list, or one empty entry.
pub(super) fn is_reset(sent: &Value) -> bool {
    match sent.as_array().map(Vec::as_slice) {
        Some([]) => true,
        Some([one]) => one.as_object().is_some_and(|entry| entry.values().all(Value::is_null)),
        _ => false,
    }
}

/// Reads what a client sent.
pub(super) fn read(sent: &Value) -> Result<Vec<Entry>, EntryError> {
    let list = match sent {
        Value::Null => return Ok(Vec::new()),
        Value::Array(list) => list,
        _ => return Err(EntryError::NotAList),
    };
    list.iter().enumerate().map(|(place, entry)| read_one(place, entry)).collect()
}

fn read_one(place: usize, entry: &Value) -> Result<Entry, EntryError> {
    if !entry.is_object() {
        return Err(EntryError::NotAList);
    }
    let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let operation = match entry["operation"].as_str() {
        Some("Apply") => Operation::Apply,
        Some("Update") => Operation::Update,
        _ => return Err(EntryError::Operation),
    };
    let api_version = text("apiVersion");
    if api_version.is_empty() {
        return Err(EntryError::ApiVersion);
    }
    match text("fieldsType") {
        kind if kind == FIELDS_TYPE => {}
        kind if kind.is_empty() => return Err(EntryError::NoFieldsType(place)),
        found => return Err(EntryError::FieldsType { found, place }),
    }
    let fields = match &entry["fieldsV1"] {
        Value::Null => FieldSet::default(),
        set => FieldSet::read(set).map_err(|error| EntryError::Fields { error, place })?,
    };
    let (manager, subresource, time) = (text("manager"), text("subresource"), text("time"));
    Ok(Entry { manager, operation, api_version, subresource, time, fields })
}

/// Takes what this server stored apart, without looking twice.
pub(super) fn trusted(stored: Value) -> Vec<Entry> {
    let Value::Array(list) = stored else { return Vec::new() };
    list.into_iter()
        .map(|mut entry| {
            let mut text = |key: &str| match entry.get_mut(key).map(Value::take) {
                Some(Value::String(text)) => text,
                _ => String::new(),
            };
            let (manager, api_version, subresource, time) =
                (text("manager"), text("apiVersion"), text("subresource"), text("time"));
            let operation = if text("operation") == "Apply" { Operation::Apply } else { Operation::Update };
            let fields = FieldSet::trusted(entry.get_mut("fieldsV1").map(Value::take).unwrap_or_default());
            Entry { manager, operation, api_version, subresource, time, fields }
        })
        .collect()
}

/// The entries as they are stored: appliers first, then by time.
pub(super) fn write(mut entries: Vec<Entry>) -> Value {
    entries
        .sort_by(|a, b| (a.operation, &a.time).cmp(&(b.operation, &b.time)).then_with(|| by_name(a).cmp(&by_name(b))));
    entries.into_iter().map(written).collect()
}

/// Whether two lists of entries say the same of everybody, whenever it came about.
pub(super) fn same_but_for_times(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_array(), b.as_array()) else { return a == b };
    let timeless = |list: &[Value]| -> Vec<Entry> {
        let mut entries = trusted(Value::Array(list.to_vec()));
        entries.iter_mut().for_each(|entry| entry.time.clear());
        entries.sort_by(|a, b| by_name(a).cmp(&by_name(b)));
        entries
    };
    a.len() == b.len() && (a == b || timeless(a) == timeless(b))
}

fn by_name(entry: &Entry) -> (&str, Operation, &str, &str) {
    (&entry.manager, entry.operation, &entry.api_version, &entry.subresource)
}

fn written(entry: Entry) -> Value {
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
    put("apiVersion", json!(entry.api_version));
    put("fieldsType", json!(FIELDS_TYPE));
    put("fieldsV1", entry.fields.into_value());
    for (key, text) in [("manager", entry.manager), ("subresource", entry.subresource), ("time", entry.time)] {
        if !text.is_empty() {
            put(key, Value::String(text));
        }
    }
    put("operation", json!(entry.operation.as_str()));
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(extra: Value) -> Value {
        let mut entry = json!({"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:a": {}}}, "time": "2024-01-01T00:00:00Z"});
        json_patch::merge(&mut entry, &extra);
        entry
    }

    #[test]
    fn entries_survive_and_are_sorted() {
        let stored = json!([
            entry(json!({"manager": "late", "time": "2024-01-02T00:00:00Z"})),
            entry(json!({"manager": "early", "subresource": "status"})),
            entry(json!({"manager": "applier", "operation": "Apply", "time": "2024-01-03T00:00:00Z"})),
        ]);
        let sorted = json!([stored[2], stored[1], stored[0]]);
        assert_eq!(write(read(&stored).expect("entries")), sorted);
        assert_eq!(write(trusted(stored)), sorted);
    }

    #[test]
    fn wrong_entries_are_named() {
        for (extra, error) in [
            (json!({"operation": "Sing"}), EntryError::Operation),
            (json!({"apiVersion": null}), EntryError::ApiVersion),
            (json!({"fieldsType": null}), EntryError::NoFieldsType(0)),
            (json!({"fieldsType": "V9"}), EntryError::FieldsType { found: "V9".into(), place: 0 }),
            (json!({"fieldsV1": {"data": {}}}), EntryError::Fields { error: SetError::Step("data".into()), place: 0 }),
        ] {
            assert_eq!(read(&json!([entry(extra)])), Err(error));
        }
        assert_eq!(read(&json!("x")), Err(EntryError::NotAList));
        assert_eq!(read(&Value::Null), Ok(Vec::new()));
    }

    #[test]
    fn an_empty_list_or_entry_asks_for_a_reset() {
        for (sent, expected) in [
            (json!([]), true),
            (json!([{}]), true),
            (Value::Null, false),
            (json!([entry(json!({}))]), false),
            (json!([{}, {}]), false),
        ] {
            assert_eq!(is_reset(&sent), expected, "{sent}");
        }
    }
}
