//! patch: a change of the object as it is, in one of the patch languages.

use super::call::Call;
use super::revise::Part;
use super::{Api, answer};
use crate::patch::{PatchKind, apply_patch};
use kubus_proto::{ApiError, ApiResponse, Reason};

/// The languages, by content type.
const LANGUAGES: &[(&str, PatchKind)] = &[
    ("application/json-patch+json", PatchKind::Json),
    ("application/merge-patch+json", PatchKind::Merge),
    ("application/strategic-merge-patch+json", PatchKind::Strategic),
];

/// The language of a call's patch; 415 for one that is not spoken.
pub(super) fn language(call: &Call) -> Result<PatchKind, ApiError> {
    let content_type = call.content_type.split(';').next().unwrap_or_default().trim();
    LANGUAGES.iter().find(|(name, _)| *name == content_type).map(|(_, kind)| *kind).ok_or_else(|| {
        let known: Vec<&str> = LANGUAGES.iter().map(|(name, _)| *name).collect();
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
        let (kind, patch) = (language(call)?, call.value()?);
        let revision = call.revision(part)?;
        let mut warnings = Vec::new();
        let decide = |current: &_, old: &_| {
            let new = apply_patch(kind, call.row(), &call.path.shown(old), &patch)?;
            revision.decide(current, old, new, &mut warnings)
        };
        let written = self.change(call, decide).await?;
        Ok(ApiResponse { warnings, ..answer::bytes(200, written) })
    }
}
