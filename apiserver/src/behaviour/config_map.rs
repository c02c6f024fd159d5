//! ConfigMap on its way into the store.
//! <https://kubernetes.io/docs/concepts/configuration/configmap/>

use super::causes::{forbidden, invalid, too_long};
use super::metadata::check;
use super::names::config_key;
use super::path::FieldPath;
use super::{Behaviour, PLAIN, schema_of};
use k8s_openapi::api::core::v1::ConfigMap;
use kubus_proto::status::Cause;
use serde_json::Value;

/// Behaviour of ConfigMap.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::config_map::ROW,
    schema: schema_of!(ConfigMap),
    rules: |map, causes| check(map, causes, validate_data),
    update_rules: |new, old, causes| validate_frozen(new, old, &["data", "binaryData"], causes),
    ..PLAIN
};

/// Most bytes the data of a ConfigMap or a Secret may hold.
pub const DATA_LIMIT_BYTES: usize = 1024 * 1024;

fn validate_data(map: &ConfigMap, causes: &mut Vec<Cause>) {
    let (text, binary) = (FieldPath::root("data"), FieldPath::root("binaryData"));
    let mut total_bytes = 0;
    for (key, value) in map.data.iter().flatten() {
        causes.extend(config_key(key).iter().map(|problem| invalid(text.key(key), key.as_str(), problem)));
        if map.binary_data.as_ref().is_some_and(|binary| binary.contains_key(key)) {
            causes.push(invalid(text.key(key), key.as_str(), "duplicate of key present in binaryData"));
        }
        total_bytes += value.len();
    }
    for (key, value) in map.binary_data.iter().flatten() {
        causes.extend(config_key(key).iter().map(|problem| invalid(binary.key(key), key.as_str(), problem)));
        total_bytes += value.0.len();
    }
    if total_bytes > DATA_LIMIT_BYTES {
        // The object as a whole is meant; Kubernetes writes its path so.
        causes.push(too_long("[]", DATA_LIMIT_BYTES));
    }
}

/// Once `immutable` is true, neither it nor these fields may change.
pub fn validate_frozen(new: &Value, old: &Value, fields: &[&str], causes: &mut Vec<Cause>) {
    if old["immutable"] != true {
        return;
    }
    let empty = |value: &Value| value.is_null() || value.as_object().is_some_and(|map| map.is_empty());
    let detail = "field is immutable when `immutable` is set";
    if new["immutable"] != true {
        causes.push(forbidden("immutable", detail));
    }
    for field in fields {
        let (new, old) = (&new[*field], &old[*field]);
        if new != old && !(empty(new) && empty(old)) {
            causes.push(forbidden(*field, detail));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(causes: &[Cause]) -> Vec<String> {
        causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
    }

    #[test]
    fn keys_and_sizes_have_limits() {
        let metadata = json!({"name": "a", "namespace": "b"});
        let big = "x".repeat(DATA_LIMIT_BYTES + 1);
        for (data, fields) in [
            (json!({"a.B_c-1": "x"}), vec![]),
            (json!({"bad/key": "x", "..": "y"}), vec!["data[..]", "data[bad/key]"]),
            (json!({"both": "x"}), vec!["data[both]"]),
            (json!({"a": big}), vec!["[]"]),
        ] {
            let map = json!({"metadata": metadata, "data": data, "binaryData": {"both": "eA=="}});
            let found: Vec<String> = BEHAVIOUR.validate(&map).into_iter().map(|cause| cause.field).collect();
            assert_eq!(found, fields);
        }
    }

    #[test]
    fn an_immutable_map_stays_as_it_is() {
        let old = json!({"metadata": {"name": "a", "namespace": "b"}, "data": {"k": "v"}, "immutable": true});
        let mut new = old.clone();
        new["metadata"]["labels"] = json!({"x": "y"});
        assert_eq!(BEHAVIOUR.validate_update(&new, &old), Vec::new());
        new["data"]["k"] = json!("w");
        new["immutable"] = json!(false);
        let detail = "Forbidden: field is immutable when `immutable` is set";
        assert_eq!(
            said(&BEHAVIOUR.validate_update(&new, &old)),
            [format!("immutable: {detail}"), format!("data: {detail}")]
        );
    }
}
