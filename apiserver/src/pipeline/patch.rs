//! patch: a change of the object as it is, in one of the patch languages.

use super::call::Call;
use super::ownership::New;
use super::revise::Part;
use super::{Api, answer};
use crate::managed_fields;
use crate::patch::{PatchKind, apply_patch};
use kubus_proto::kinds::custom;
use kubus_proto::{ApiError, ApiResponse, Reason};
use serde_json::Value;

/// What the body of a patch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// A change.
    Patch(PatchKind),
    /// What its applier wants, for server-side apply.
    Apply,
}

/// The languages, by content type.
const LANGUAGES: &[(&str, Language)] = &[
    ("application/json-patch+json", Language::Patch(PatchKind::Json)),
    ("application/merge-patch+json", Language::Patch(PatchKind::Merge)),
    ("application/strategic-merge-patch+json", Language::Patch(PatchKind::Strategic)),
    ("application/apply-patch+yaml", Language::Apply),
];

/// The language of a call's patch; 415 for one that is not spoken. Custom kinds have no strategic merge patch, since
/// nobody says how their lists merge in one.
pub(super) fn language(call: &Call) -> Result<Language, ApiError> {
    let content_type = call.content_type.split(';').next().unwrap_or_default().trim();
    let is_custom = custom::of(call.row()).is_some();
    let spoken = || LANGUAGES.iter().filter(|(_, l)| !is_custom || *l != Language::Patch(PatchKind::Strategic));
    spoken().find(|(name, _)| *name == content_type).map(|(_, language)| *language).ok_or_else(|| {
        let known: Vec<&str> = spoken().map(|(name, _)| *name).collect();
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            known.join(", ")
        );
        ApiError::new(Reason::UnsupportedMediaType, message)
    })
}

impl Api {
    /// Patches a part of an object and answers with the object. A patch that names no resourceVersion is made again on
    /// the newer object when it comes too late.
    pub(super) async fn patch(&self, call: &Call, part: Part) -> Result<ApiResponse, ApiError> {
        let patch = call.value()?;
        let kind = match language(call)? {
            Language::Apply => return self.apply(call, part, patch).await,
            Language::Patch(kind) => kind,
        };
        let revision = call.revision(part, false)?;
        let about_owners = is_about_owners(kind, &patch);
        let make = |old: &Value, stored: &Value| {
            let patched = |old: &Value| apply_patch(kind, call.row(), &call.path.shown(old), &patch);
            if !about_owners {
                return Ok(New::made(patched(old)?));
            }
            let mut whole = old.clone();
            managed_fields::put(&mut whole, Some(stored.clone()));
            Ok(New::sent(patched(&whole)?))
        };
        let (written, warnings) = self.revise(call, &revision, make).await?;
        Ok(ApiResponse { warnings, ..answer::bytes(200, written) })
    }
}

/// Whether a patch looks at managed fields or writes them. Most do not, and are spared the sight of them.
fn is_about_owners(kind: PatchKind, patch: &Value) -> bool {
    match kind {
        PatchKind::Merge | PatchKind::Strategic => !patch["metadata"]["managedFields"].is_null(),
        PatchKind::Json => {
            let pointers =
                patch.as_array().into_iter().flatten().flat_map(|operation| [&operation["path"], &operation["from"]]);
            let mut pointers = pointers.filter_map(Value::as_str);
            pointers
                .any(|pointer| matches!(pointer, "" | "/metadata") || pointer.starts_with("/metadata/managedFields"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn patches_of_managed_fields_are_told_from_others() {
        for (kind, patch, expected) in [
            (PatchKind::Merge, json!({"metadata": {"managedFields": [{}]}}), true),
            (PatchKind::Merge, json!({"metadata": {"labels": {}}}), false),
            (PatchKind::Strategic, json!([]), false),
            (PatchKind::Json, json!([{"op": "replace", "path": "/metadata/managedFields", "value": []}]), true),
            (PatchKind::Json, json!([{"op": "test", "path": "/metadata/managedFields/0/manager"}]), true),
            (PatchKind::Json, json!([{"op": "move", "from": "/metadata", "path": "/x"}]), true),
            (PatchKind::Json, json!([{"op": "add", "path": "/metadata/labels/a", "value": "b"}]), false),
        ] {
            assert_eq!(is_about_owners(kind, &patch), expected, "{patch}");
        }
    }
}
