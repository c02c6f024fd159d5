//! get: one object.

use super::answer::{self, Accept};
use super::call::Call;
use super::options::Freshness;
use super::{Api, RETRY_AFTER_SECONDS, store_error, table};
use crate::state::State;
use jiff::Timestamp;
use kubus_proto::status::Cause;
use kubus_proto::{ApiError, ApiResponse, Reason};
use serde_json::json;
use std::sync::Arc;

impl Api {
    /// Answers with one object in the form that was asked for.
    pub(super) async fn get(&self, call: &Call) -> Result<ApiResponse, ApiError> {
        let state = self.state(Freshness::of_get(&call.query)?).await?;
        call.authorize(&state)?;
        let object = state.get(&call.key()).ok_or_else(|| call.not_found())?;
        let items = self.shown(call, vec![object.bytes.clone()], object.revision).await?;
        let Some(bytes) = items.first() else { return Err(call.not_found()) };
        match call.accept {
            Accept::Objects | Accept::Stream => Ok(answer::bytes(200, bytes.clone())),
            Accept::Metadata => table::partial_one(bytes),
            Accept::Table(include) => {
                let metadata = json!({"resourceVersion": object.revision.to_string()});
                table::table(call.row(), &items, &metadata, include, Timestamp::now())
            }
        }
    }

    /// The state a read is answered from. 504 for a revision that nobody has reached yet.
    pub(super) async fn state(&self, freshness: Freshness) -> Result<Arc<State>, ApiError> {
        let wanted = match freshness {
            Freshness::Any => 0,
            Freshness::Newest => u64::MAX,
            Freshness::NotOlderThan(revision) | Freshness::Exact(revision) => revision,
        };
        let state = self.store.state();
        if state.revision() >= wanted {
            return Ok(state);
        }
        self.store.barrier().await.map_err(store_error)?;
        let state = self.store.state();
        if freshness == Freshness::Newest || state.revision() >= wanted {
            return Ok(state);
        }
        let message = format!("Too large resource version: {wanted}, current: {}", state.revision());
        let cause = Cause {
            reason: "ResourceVersionTooLarge".to_owned(),
            message: "Too large resource version".to_owned(),
            field: String::new(),
        };
        Err(ApiError {
            causes: vec![cause],
            retry_after_seconds: Some(RETRY_AFTER_SECONDS),
            ..ApiError::new(Reason::Timeout, message)
        })
    }
}
