//! What a webhook's answer comes to.
//! <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#response>

use super::configuration::Hook;
use crate::dynamic::Remarks;
use crate::patch::{PatchKind, apply_patch};
use crate::webhook::Question;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kubus_proto::kinds::config_map;
use kubus_proto::{ApiError, Reason};
use serde_json::{Value, json};

/// An answer that could be read.
#[derive(Debug)]
pub(super) struct Verdict {
    refusal: Option<Value>,
    /// The object as the webhook wants it, in the version it was shown; none where it changes nothing.
    pub(super) changed: Option<Value>,
    warnings: Vec<String>,
    annotations: Vec<(String, String)>,
}

/// 500 for a webhook that gave no answer that counts.
pub(super) fn failed(webhook: &str, why: &str) -> ApiError {
    let text = format!("Internal error occurred: failed calling webhook {webhook:?}: {why}");
    ApiError::new(Reason::InternalError, text)
}

/// Reads an answer to `question`; `object` is what was sent.
pub(super) fn interpret(hook: &Hook, question: &Question, body: &Value, object: &Value) -> Result<Verdict, String> {
    let wrong = |why: String| format!("received invalid webhook response: {why}");
    let sent = &question.body;
    let version = body["apiVersion"].as_str().unwrap_or_default();
    let kind = body["kind"].as_str().unwrap_or_default();
    if (kind, version) != ("AdmissionReview", sent["apiVersion"].as_str().unwrap_or_default()) {
        let expected = sent["apiVersion"].as_str().unwrap_or_default();
        let found = format!("{version}, Kind={kind}");
        return Err(wrong(format!("expected webhook response of {expected}, Kind=AdmissionReview, got {found}")));
    }
    let response = &body["response"];
    if !response.is_object() {
        return Err("webhook response was absent".to_owned());
    }
    let expected = &sent["request"]["uid"];
    if response["uid"] != *expected {
        let found = response["uid"].as_str().unwrap_or_default();
        let expected = expected.as_str().unwrap_or_default();
        return Err(wrong(format!("expected response.uid={expected:?}, got {found:?}")));
    }
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let annotations = response["auditAnnotations"].as_object().into_iter().flatten();
    let annotations = annotations.map(|(key, value)| {
        let text = value.as_str().unwrap_or_default().to_owned();
        (format!("{}/{key}", hook.name), text)
    });
    let allowed = response["allowed"] == true;
    Ok(Verdict {
        refusal: (!allowed).then(|| response["status"].clone()),
        changed: if allowed { changed(response, sent, object).map_err(wrong)? } else { None },
        warnings: texts(&response["warnings"]),
        annotations: annotations.collect(),
    })
}

/// The object with the webhook's patch.
fn changed(response: &Value, sent: &Value, object: &Value) -> Result<Option<Value>, String> {
    let patch = response["patch"].as_str().unwrap_or_default();
    if patch.is_empty() {
        return Ok(None);
    }
    match response["patchType"].as_str() {
        Some("JSONPatch") => {}
        Some(other) => return Err(format!("invalid response.patchType {other:?}, expected \"JSONPatch\"")),
        None => return Err("response.patchType must be set when response.patch is set".to_owned()),
    }
    let bytes = STANDARD.decode(patch).map_err(|error| format!("response.patch is no base64: {error}"))?;
    let patch: Value = serde_json::from_slice(&bytes).map_err(|error| format!("invalid JSON Patch: {error}"))?;
    if patch.as_array().is_some_and(Vec::is_empty) {
        return Ok(None);
    }
    let shown = &sent["request"]["object"];
    let shown = if shown.is_null() { object } else { shown };
    // A JSON patch knows no kinds; any row will do.
    apply_patch(PatchKind::Json, &config_map::ROW, shown, &patch).map(Some).map_err(|error| error.message)
}

impl Verdict {
    /// Notes what was said beside yes or no.
    pub(super) fn remarks(&self, remarks: &mut Remarks) {
        self.warnings.iter().for_each(|warning| remarks.warn(warning));
        remarks.annotations.extend(self.annotations.iter().cloned());
    }

    /// The refusal, with the webhook's own status, if it refused.
    pub(super) fn allowed(&self, hook: &Hook) -> Result<(), ApiError> {
        let Some(status) = &self.refusal else { return Ok(()) };
        let denied = format!("admission webhook {:?} denied the request", hook.name);
        let told =
            ["message", "reason"].into_iter().find_map(|key| status[key].as_str().filter(|text| !text.is_empty()));
        let message = told.map_or_else(|| format!("{denied} without explanation"), |told| format!("{denied}: {told}"));
        let mut status = if status.is_object() { status.clone() } else { json!({}) };
        const BAD_REQUEST: u64 = 400;
        if status["code"].as_u64().is_none_or(|code| !(BAD_REQUEST..=599).contains(&code)) {
            status["code"] = json!(BAD_REQUEST);
        }
        for (key, value) in [("kind", "Status"), ("apiVersion", "v1"), ("status", "Failure"), ("message", &message)] {
            status[key] = json!(value);
        }
        if !status["metadata"].is_object() {
            status["metadata"] = json!({});
        }
        Err(ApiError::verbatim(status))
    }
}
