//! From client-side to server-side apply: kubectl may take over what it applied itself, and the annotation it compares with
//! stays true. <https://kubernetes.io/docs/reference/using-api/server-side-apply/#upgrading-from-client-side-apply-to-server-side-apply>

use super::compare::compare;
use super::describe::describe;
use super::scope::Scope;
use super::set::FieldSet;
use super::types::Type;
use serde_json::{Value, json};

/// Where client-side apply keeps what it applied.
const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The field manager of kubectl's server-side apply; only for it the annotation counts.
const KUBECTL: &str = "kubectl";
/// The longest annotation that is kept in bytes, as all annotations of an object together may be.
const ANNOTATION_LIMIT_BYTES: usize = 256 * 1024;

/// What `manager` owns by the annotation: what was applied and still is so.
pub(super) fn owned(root: Type<'_>, scope: Scope, live: &Value, manager: &str) -> FieldSet {
    if manager != KUBECTL {
        return FieldSet::default();
    }
    let annotation = live["metadata"]["annotations"][ANNOTATION].as_str().unwrap_or_default();
    let Ok(last) = serde_json::from_str::<Value>(annotation) else { return FieldSet::default() };
    let mut owned = describe(root, scope, &last);
    let difference = compare(root, scope, live, &last);
    owned.subtract(&difference.changed);
    owned.subtract(&difference.removed);
    owned
}

/// Brings the annotation of an object that has one up to date with what kubectl applied now.
pub(super) fn renew(object: &mut Value, config: &Value, manager: &str) {
    if manager != KUBECTL || object["metadata"]["annotations"][ANNOTATION].as_str().is_none_or(str::is_empty) {
        return;
    }
    let mut applied = config.clone();
    if let Some(annotations) = applied["metadata"]["annotations"].as_object_mut() {
        annotations.remove(ANNOTATION);
    } else {
        applied["metadata"]["annotations"] = json!({});
    }
    let text = format!("{applied}\n");
    let Some(annotations) = object["metadata"]["annotations"].as_object_mut() else { return };
    if text.len() > ANNOTATION_LIMIT_BYTES {
        annotations.remove(ANNOTATION);
    } else {
        annotations.insert(ANNOTATION.to_owned(), json!(text));
    }
}
