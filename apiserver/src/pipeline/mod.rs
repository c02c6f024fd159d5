//! The way of a request: who asks, what for, may they, on which state, and what is answered. One file a verb.

mod admission;
mod admit;
pub mod allocation;
mod answer;
mod apply;
mod bind;
mod call;
mod commit;
mod component_status;
mod conduct;
mod connect;
pub mod consult;
mod continuation;
mod create;
mod custom_kinds;
mod delete;
mod delete_collection;
mod eviction;
mod get;
mod lines;
mod list;
mod metadata;
mod options;
mod ownership;
mod patch;
mod paths;
mod references;
mod removal;
mod reviews;
mod revise;
mod scale;
mod sender;
mod surroundings;
mod table;
mod token;
mod token_secret;
mod update;
mod watch;

pub use connect::OpenStreams;

use crate::authenticate::tokens::Tokens;
use crate::authorize::Access;
use crate::convert;
use crate::openapi::OpenApi;
use crate::state::State;
use crate::store::{Consensus, StoreError};
use crate::webhook::Webhooks;
use call::{Call, Wanted};
use kubus_proto::kinds::review;
use kubus_proto::{ApiError, ApiRequest, ApiResponse, KindRow, Reason, Verb};
use lines::Lines;
use revise::Part;
use std::sync::Arc;

/// When a client should try again after an error that will pass, in seconds.
const RETRY_AFTER_SECONDS: u32 = 1;

/// Everything a request needs. Clones share it.
#[derive(Clone)]
pub struct Api {
    store: Arc<dyn Consensus>,
    lines: Arc<Lines>,
    streams: Arc<dyn OpenStreams>,
    webhooks: Webhooks,
    openapi: OpenApi,
    access: Arc<Access>,
    tokens: Arc<Tokens>,
}

impl Api {
    /// A pipeline in front of `store` that opens logs and terminals through `streams`.
    pub fn new(store: Arc<dyn Consensus>, streams: Arc<dyn OpenStreams>) -> Self {
        let (access, tokens) = (Arc::default(), Arc::new(Tokens::ephemeral()));
        Self {
            store,
            lines: Arc::default(),
            streams,
            webhooks: Webhooks::default(),
            openapi: OpenApi::default(),
            access,
            tokens,
        }
    }

    /// The same with the cluster's own key for tokens, which all its apiservers have.
    pub fn with_tokens(self, tokens: Tokens) -> Self {
        Self { tokens: Arc::new(tokens), ..self }
    }

    /// The newest state known here.
    pub fn current(&self) -> Arc<State> {
        self.store.state()
    }

    /// Answers a request of `identity`, which the bus vouches for. Every failure becomes a `Status`.
    pub async fn handle(&self, identity: &str, request: ApiRequest) -> ApiResponse {
        match self.route(identity, request).await {
            Ok(response) => response,
            Err(error) => answer::error(&error),
        }
    }

    async fn route(&self, identity: &str, request: ApiRequest) -> Result<ApiResponse, ApiError> {
        let caller = self.sender(identity, request.on_behalf.as_ref()).await?;
        let state = self.state_with(&request.path).await;
        let call = match Call::read(caller, self.access.clone(), request, &state)? {
            Wanted::Resource(call) => call,
            Wanted::Path(path) => return self.path(*path).await,
        };
        drop(state);
        let response = self.carry_out(&call).await;
        let response = match response {
            Ok(response) => self.answered(&call, response).await,
            Err(error) => Err(error),
        };
        let mut answer = convert::answer(&call.path, call.verb, response)?;
        answer.warnings.extend(call.duplicate_warnings());
        Ok(answer)
    }

    async fn carry_out(&self, call: &Call) -> Result<ApiResponse, ApiError> {
        match (call.path.subresource.as_str(), call.verb) {
            ("", Verb::Get | Verb::List) if is_computed(call.row()) => self.component_statuses(call).await,
            ("" | "status" | "approval", Verb::Get) => self.get(call).await,
            ("ephemeralcontainers" | "resize", Verb::Get) => self.get(call).await,
            ("", Verb::List) => self.list(call).await,
            ("", Verb::Watch) => self.watch(call).await,
            ("", Verb::Create) if is_binding(call.row()) => self.bind_named(call).await,
            ("", Verb::Create) if review::is_one(call.row()) => self.review(call).await,
            ("", Verb::Create) => self.create(call).await,
            ("", Verb::Update) => self.update(call, Part::Whole).await,
            ("", Verb::Patch) => self.patch(call, Part::Whole).await,
            ("", Verb::Delete) => self.delete(call).await,
            ("", Verb::DeleteCollection) => self.delete_collection(call).await,
            ("status", Verb::Update) => self.update(call, Part::Status).await,
            ("status", Verb::Patch) => self.patch(call, Part::Status).await,
            ("approval", Verb::Update) => self.update(call, Part::Approval).await,
            ("approval", Verb::Patch) => self.patch(call, Part::Approval).await,
            ("ephemeralcontainers", Verb::Update) => self.update(call, Part::EphemeralContainers).await,
            ("ephemeralcontainers", Verb::Patch) => self.patch(call, Part::EphemeralContainers).await,
            ("resize", Verb::Update) => self.update(call, Part::Resize).await,
            ("resize", Verb::Patch) => self.patch(call, Part::Resize).await,
            ("finalize", Verb::Update) => self.update(call, Part::Finalizers).await,
            ("scale", Verb::Get) => self.get_scale(call).await,
            ("scale", Verb::Update) => self.update_scale(call).await,
            ("scale", Verb::Patch) => self.patch_scale(call).await,
            ("binding", Verb::Create) => self.bind_one(call).await,
            ("token", Verb::Create) => self.request_token(call).await,
            ("eviction", Verb::Create) => self.evict(call).await,
            ("log", Verb::Get) | ("exec" | "attach" | "portforward", Verb::Get | Verb::Create) | ("proxy", _) => {
                self.connect(call).await
            }
            _ => Err(call::not_allowed()),
        }
    }
}

/// ComponentStatuses are made when they are asked for.
fn is_computed(row: &KindRow) -> bool {
    row.group.is_empty() && row.plural == "componentstatuses"
}

/// Bindings change their pods and are not stored.
fn is_binding(row: &KindRow) -> bool {
    row.group.is_empty() && row.plural == "bindings"
}

/// What a failure of the store is to a client.
fn store_error(error: StoreError) -> ApiError {
    let retry = |reason| ApiError {
        retry_after_seconds: Some(RETRY_AFTER_SECONDS),
        ..ApiError::new(reason, error.to_string())
    };
    match error {
        StoreError::NotLeader { .. } | StoreError::Unavailable(_) => retry(Reason::ServiceUnavailable),
        StoreError::Timeout => retry(Reason::Timeout),
        StoreError::Full(_) => ApiError::new(Reason::InsufficientStorage, error.to_string()),
    }
}

/// A fault of this program, told to the log and, without details, to the client.
fn internal(what: &str, error: &dyn std::fmt::Display) -> ApiError {
    tracing::error!(%error, "{what}");
    ApiError::new(Reason::InternalError, format!("Internal error occurred: {what}"))
}
