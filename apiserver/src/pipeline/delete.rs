//! delete: one object, at once or in time.

use super::call::Call;
use super::commit::{Decision, Written};
use super::create::{encode, tried};
use super::custom_kinds::{definitions_line, is_definition};
use super::options::DeleteOptions;
use super::removal::{self, Removal};
use super::{Api, admission, answer, internal, metadata};
use crate::custom::definition::hold_for_objects;
use crate::state::{Action, Key, Object, Op, RequestId, Require, State};
use jiff::Timestamp;
use kubus_proto::kinds::{
    mutating_webhook_configuration, validating_admission_policy_binding, validating_webhook_configuration,
};
use kubus_proto::{ApiError, ApiResponse, KindRow};
use serde_json::Value;
use std::sync::Arc;

/// Kinds that have a say in what may be deleted.
static WATCHERS: [&KindRow; 3] = [
    &mutating_webhook_configuration::ROW,
    &validating_webhook_configuration::ROW,
    &validating_admission_policy_binding::ROW,
];
/// Kinds whose objects are answered when they are gone; others are answered with a Status.
const ANSWERED_WHEN_GONE: &[&str] = &["pods", "serviceaccounts"];

impl Api {
    /// Deletes an object. Answers with it while it stays, or as its kind does when it is gone.
    pub(super) async fn delete(&self, call: &Call) -> Result<ApiResponse, ApiError> {
        let options = DeleteOptions::parse(&call.query, &call.optional_value()?)?;
        let (written, warnings) = self.remove(call, call.request_id(), &options).await?;
        let gone = written.is_deletion();
        let row = call.row();
        if let Written::Changed(entry) = &written
            && gone
            && !ANSWERED_WHEN_GONE.contains(&row.plural)
        {
            let uid = entry.before.as_ref().map_or("", |object| object.uid.as_str());
            return Ok(ApiResponse { warnings, ..answer::success(200, row, &call.path.name, uid)? });
        }
        Ok(ApiResponse { warnings, ..answer::bytes(200, written.bytes()) })
    }

    /// Deletes the object a call is about.
    pub(super) async fn remove(
        &self,
        call: &Call,
        id: RequestId,
        options: &DeleteOptions,
    ) -> Result<(Written, Vec<String>), ApiError> {
        let key = call.key();
        let mut warnings = Vec::new();
        let decide = |state: &State| {
            call.authorize(state)?;
            let current = state.get(&key).ok_or_else(|| call.not_found())?;
            if is_watched_over(state) {
                let old = call.seen(stored(current)?)?;
                warnings = call.review_deletion(&old, options.dry_run, state)?;
            }
            Ok(decide(call.row(), &key, current, options, Timestamp::now())?)
        };
        let line = if is_definition(call.row()) { definitions_line() } else { key.clone() };
        let written = self.commit(id, Some(&line), decide).await?;
        Ok((written, warnings))
    }
}

pub(super) fn stored(object: &Object) -> Result<Value, ApiError> {
    object.decode().map_err(|e| internal("a stored object cannot be decoded", &e))
}

/// Whether users have said anything about what may be deleted.
pub(super) fn is_watched_over(state: &State) -> bool {
    WATCHERS.iter().any(|row| state.list(&row.resource_key(), None, None).next().is_some())
}

/// Decides a delete of one object as it is now.
pub(super) fn decide(
    row: &KindRow,
    key: &Key,
    current: &Arc<Object>,
    options: &DeleteOptions,
    now: Timestamp,
) -> Result<Decision, ApiError> {
    let mut old = stored(current)?;
    if is_definition(row) {
        hold_for_objects(&mut old, now);
    }
    let asked = |text: &Option<String>| text.clone().unwrap_or_default();
    metadata::preconditions(row, &key.name, &asked(&options.uid), &asked(&options.resource_version), &old)?;
    if row.plural == "namespaces" && admission::IMMORTAL_NAMESPACES.contains(&key.name.as_str()) {
        return Err(ApiError::forbidden("", "namespaces", &key.name, "this namespace may not be deleted"));
    }
    let action = match removal::remove(row, &old, options, now) {
        Removal::Pending => return Ok(Decision::Keep(current.clone())),
        Removal::Now if options.dry_run => return Ok(Decision::Keep(current.clone())),
        Removal::Marked(new) if options.dry_run => return Ok(Decision::Tried(tried(&new)?)),
        Removal::Now => Action::Delete,
        Removal::Marked(new) => Action::Put(encode(row, &new)?),
    };
    Ok(Decision::Write(vec![Op { key: key.clone(), require: Require::revision(current.revision), action }]))
}
