//! JSON patch (RFC 6902), with its failures told as Kubernetes tells them.

use super::unfit;
use json_patch::PatchOperation;
use kubus_proto::{ApiError, Reason};
use serde_json::Value;

/// Most operations of one patch, as in Kubernetes.
const OPERATIONS_LIMIT: usize = 10_000;

/// `original` with every operation of `patch` applied in order, or none.
pub fn apply(original: &Value, patch: &Value) -> Result<Value, ApiError> {
    let Value::Array(items) = patch else {
        let message = "json: cannot unmarshal object into Go value of type jsonpatch.Patch";
        return Err(ApiError::new(Reason::BadRequest, message));
    };
    if items.len() > OPERATIONS_LIMIT {
        let found = items.len();
        let message = format!("The allowed maximum operations in a JSON patch is {OPERATIONS_LIMIT}, got {found}");
        return Err(ApiError::new(Reason::RequestEntityTooLarge, message));
    }
    let mut operations = Vec::with_capacity(items.len());
    for item in items {
        match item["op"].as_str() {
            Some("add" | "remove" | "replace" | "move" | "copy" | "test") => {}
            kind => return Err(unfit(format!("Unexpected kind: {}", kind.unwrap_or("unknown")))),
        }
        let operation: PatchOperation = serde_json::from_value(item.clone()).map_err(|error| {
            ApiError::new(Reason::BadRequest, format!("invalid JSON patch operation {item}: {error}"))
        })?;
        operations.push(operation);
    }
    let mut object = original.clone();
    for operation in &operations {
        json_patch::patch_unsafe(&mut object, std::slice::from_ref(operation))
            .map_err(|error| unfit(explain(&object, operation, &error)))?;
    }
    Ok(object)
}

/// Why an operation failed on `object`.
fn explain(object: &Value, operation: &PatchOperation, error: &json_patch::PatchError) -> String {
    let path = operation.path().to_string();
    let has_parent = |pointer: &str| pointer.rsplit_once('/').is_some_and(|(up, _)| object.pointer(up).is_some());
    let verb = match operation {
        PatchOperation::Test(_) => return format!("testing value {path} failed: test failed"),
        PatchOperation::Add(_) => "add",
        PatchOperation::Remove(_) if has_parent(&path) => {
            let key = path.rsplit('/').next().unwrap_or_default();
            return format!(
                "error in remove for path: '{path}': Unable to remove nonexistent key: {key}: missing value"
            );
        }
        PatchOperation::Remove(_) => "remove",
        PatchOperation::Replace(_) if has_parent(&path) => {
            return format!("replace operation does not apply: doc is missing key: {path}: missing value");
        }
        PatchOperation::Replace(_) => "replace",
        PatchOperation::Move(_) | PatchOperation::Copy(_) => return error.kind.to_string(),
    };
    format!("{verb} operation does not apply: doc is missing path: {path:?}: missing value")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operations_apply_in_order() {
        let original = json!({"spec": {"replicas": 1, "list": ["a", "b"]}});
        let patch = json!([
            {"op": "test", "path": "/spec/replicas", "value": 1},
            {"op": "replace", "path": "/spec/replicas", "value": 3},
            {"op": "add", "path": "/spec/list/-", "value": "c"},
            {"op": "remove", "path": "/spec/list/0"},
            {"op": "add", "path": "/metadata", "value": {"labels": {"a/b": "c"}}},
            {"op": "copy", "from": "/metadata/labels/a~1b", "path": "/metadata/name"},
            {"op": "move", "from": "/metadata/name", "path": "/metadata/uid"},
        ]);
        let expected = json!({"spec": {"replicas": 3, "list": ["b", "c"]},
            "metadata": {"labels": {"a/b": "c"}, "uid": "c"}});
        assert_eq!(apply(&original, &patch), Ok(expected));
    }

    #[test]
    fn failures_are_told_as_kubernetes_tells_them() {
        let original = json!({"spec": {"replicas": 1}});
        let rejected = "the server rejected our request due to an error in our request: ";
        for (patch, expected) in [
            (
                json!([{"op": "test", "path": "/spec/replicas", "value": 2}]),
                "testing value /spec/replicas failed: test failed",
            ),
            (
                json!([{"op": "remove", "path": "/spec/x"}]),
                "error in remove for path: '/spec/x': Unable to remove nonexistent key: x: missing value",
            ),
            (
                json!([{"op": "replace", "path": "/spec/x", "value": 1}]),
                "replace operation does not apply: doc is missing key: /spec/x: missing value",
            ),
            (
                json!([{"op": "add", "path": "/metadata/labels", "value": {}}]),
                "add operation does not apply: doc is missing path: \"/metadata/labels\": missing value",
            ),
            (json!([{"op": "twist", "path": "/spec"}]), "Unexpected kind: twist"),
        ] {
            let error = apply(&original, &patch).expect_err(expected);
            assert_eq!((error.reason, error.message), (Reason::Invalid, format!("{rejected}{expected}")));
        }
        assert_eq!(apply(&original, &json!({})).expect_err("an object").reason, Reason::BadRequest);
        assert_eq!(apply(&original, &json!([{"op": "add"}])).expect_err("no path").reason, Reason::BadRequest);
        let many = vec![json!({"op": "test", "path": "/spec/replicas", "value": 1}); OPERATIONS_LIMIT + 1];
        assert_eq!(apply(&original, &json!(many)).expect_err("too many").reason, Reason::RequestEntityTooLarge);
    }
}
