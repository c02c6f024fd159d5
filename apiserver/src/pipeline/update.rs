//! update: the whole object, its status, or a namespace's finalizers, replaced by what is sent.

use super::call::Call;
use super::commit::Decision;
use super::consult::Stop;
use super::custom_kinds::{definitions_line, is_definition, settle_decision};
use super::ownership::New;
use super::revise::{Part, Revision};
use super::{Api, allocation, answer, internal};
use crate::behaviour::FieldValidation;
use crate::managed_fields;
use crate::state::{Object, State};
use kubus_proto::{ApiError, ApiResponse};
use serde_json::Value;
use std::sync::Arc;

impl Api {
    /// Replaces a part of an object and answers with the object.
    pub(super) async fn update(&self, call: &Call, part: Part) -> Result<ApiResponse, ApiError> {
        let new = New::sent(call.value()?);
        let revision = call.revision(part, false)?;
        let (written, warnings) = self.revise(call, &revision, |_, _| Ok(new.clone())).await?;
        Ok(ApiResponse { warnings, ..answer::bytes(200, written) })
    }

    /// Writes what `make` makes of the object a call is about and of its managed fields, as far as `revision` lets it;
    /// gives its bytes afterwards, and warnings.
    pub(super) async fn revise(
        &self,
        call: &Call,
        revision: &Revision<'_>,
        mut make: impl FnMut(&Value, &Value) -> Result<New, Stop> + Send,
    ) -> Result<(bytes::Bytes, Vec<String>), ApiError> {
        let mut warnings = Vec::new();
        let written = self
            .change(call, |state, current, old| {
                let stored = managed_fields::take(old);
                let new = make(old, &stored)?;
                revision.decide(state, current, (old, stored), new, &mut warnings)
            })
            .await?;
        Ok((written, warnings))
    }

    /// Writes what `decide` makes of the object a call is about, which must be there; gives its bytes afterwards.
    pub(super) async fn change(
        &self,
        call: &Call,
        mut decide: impl FnMut(&State, &Arc<Object>, &mut Value) -> Result<Decision, Stop> + Send,
    ) -> Result<bytes::Bytes, ApiError> {
        let key = call.key();
        let decide = |state: &State| {
            call.authorize(state)?;
            call.refuse_duplicates()?;
            let current = state.get(&key).ok_or_else(|| call.not_found())?;
            let old = current.decode().map_err(|e| internal("a stored object cannot be decoded", &e))?;
            let mut old = call.seen(old)?;
            let decision = decide(state, current, &mut old)?;
            let decision = settle_decision(call.row(), state, current, decision)?;
            call.guard_decision(state, &old, &decision)?;
            Ok(allocation::allocate(call.row(), state, self.fill_decision(call.row(), state, decision)?)?)
        };
        let line = if is_definition(call.row()) { definitions_line() } else { key.clone() };
        Ok(self.commit(call.request_id(), Some(&line), decide).await?.bytes())
    }
}

impl Call {
    /// The change a call asks for.
    pub(super) fn revision(&self, part: Part, is_apply: bool) -> Result<Revision<'_>, ApiError> {
        Ok(Revision {
            call: self,
            path: &self.path,
            verb: self.verb,
            part,
            validation: match part {
                Part::Finalizers => FieldValidation::Ignore,
                Part::Whole | Part::Status | Part::Approval | Part::EphemeralContainers | Part::Resize => {
                    self.query.field_validation()?
                }
            },
            dry_run: self.query.dry_run(self.options_kind())?,
            ownership: self.ownership(part, is_apply)?,
        })
    }
}
