//! delete: one object, at once or in time.

use super::call::Call;
use super::commit::{Decision, Written};
use super::consult::Stop;
use super::create::{encode, tried};
use super::options::DeleteOptions;
use super::removal::{self, Removal};
use super::{Api, admission, answer, internal, metadata};
use crate::state::{Action, Key, Object, Op, RequestId, Require, State};
use jiff::Timestamp;
use kubus_proto::{ApiError, ApiResponse, KindRow};
use std::sync::Arc;

/// Kinds whose objects are answered when they are gone; others are answered with a Status.
const ANSWERED_WHEN_GONE: &[&str] = &["pods", "serviceaccounts"];

impl Api {
    /// Deletes an object. Answers with it while it stays, or as its kind does when it is gone.
    pub(super) async fn delete(&self, call: &Call) -> Result<ApiResponse, ApiError> {
        let options = DeleteOptions::parse(&call.query, &call.optional_value()?)?;
        let written = self.remove(call, call.request_id(), &options).await?;
        let gone = written.is_deletion();
        let row = call.row();
        if let Written::Changed(entry) = &written
            && gone
            && !ANSWERED_WHEN_GONE.contains(&row.plural)
        {
            let uid = entry.before.as_ref().map_or("", |object| object.uid.as_str());
            return answer::success(200, row, &call.path.name, uid);
        }
        Ok(answer::bytes(200, written.bytes()))
    }

    /// Deletes the object a call is about.
    pub(super) async fn remove(
        &self,
        call: &Call,
        id: RequestId,
        options: &DeleteOptions,
    ) -> Result<Written, ApiError> {
        let key = call.key();
        let decide = |state: &State| {
            call.authorize(state)?;
            let current = state.get(&key).ok_or_else(|| call.not_found())?;
            decide(call.row(), &key, current, options, Timestamp::now()).map_err(Stop::from)
        };
        self.commit(id, Some(&key), decide).await
    }
}

/// Decides a delete of one object as it is now.
pub(super) fn decide(
    row: &KindRow,
    key: &Key,
    current: &Arc<Object>,
    options: &DeleteOptions,
    now: Timestamp,
) -> Result<Decision, ApiError> {
    let old = current.decode().map_err(|e| internal("a stored object cannot be decoded", &e))?;
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
