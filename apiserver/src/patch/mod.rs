//! Patches: JSON patch, merge patch and strategic merge patch.
//! <https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/>

mod json;
mod strategic;

use kubus_proto::{ApiError, KindRow, Reason};
use serde_json::Value;

/// How a patch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    /// RFC 6902, `application/json-patch+json`.
    Json,
    /// RFC 7386, `application/merge-patch+json`.
    Merge,
    /// `application/strategic-merge-patch+json`.
    Strategic,
}

/// `original` with `patch` applied. 400 for a patch that cannot be read, 422 for one that does not fit the object, 413 for
/// too many operations. What comes out has yet to be decoded, defaulted and validated.
pub fn apply_patch(kind: PatchKind, row: &KindRow, original: &Value, patch: &Value) -> Result<Value, ApiError> {
    match kind {
        PatchKind::Json => json::apply(original, patch),
        PatchKind::Merge if patch.is_object() => {
            let mut object = original.clone();
            json_patch::merge(&mut object, patch);
            Ok(object)
        }
        PatchKind::Merge => Err(ApiError::new(Reason::BadRequest, "Invalid JSON Patch")),
        PatchKind::Strategic => strategic::apply((crate::behaviour::of(row).schema)(), original, patch),
    }
}

/// 422 for a patch that does not fit: Kubernetes says no more than that the request was rejected; why is added.
fn unfit(why: impl std::fmt::Display) -> ApiError {
    let message = format!("the server rejected our request due to an error in our request: {why}");
    ApiError::new(Reason::Invalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubus_proto::kinds::config_map;
    use serde_json::json;

    #[test]
    fn merge_patches_follow_the_rfc() {
        for (original, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            assert_eq!(apply_patch(PatchKind::Merge, &config_map::ROW, &original, &patch), Ok(expected), "{patch}");
        }
        let error = apply_patch(PatchKind::Merge, &config_map::ROW, &json!({}), &json!([])).expect_err("a list");
        assert_eq!((error.reason, error.message.as_str()), (Reason::BadRequest, "Invalid JSON Patch"));
    }
}
