//! Paths that are no resources: what is served, version, health, the server's own state, and the batch of bindings.

use super::call::{PathCall, not_allowed, nothing_here};
use super::{Api, answer};
use crate::authenticate::service_accounts;
use crate::discovery::{self, Document};
use crate::openapi::Answer;
use crate::state::State;
use kubus_proto::binding::BINDINGS_PATH;
use kubus_proto::kinds::custom::DEFINITIONS_PATH;
use kubus_proto::request::Method;
use kubus_proto::server_status::STATUS_PATH;
use kubus_proto::{ApiError, ApiResponse, Reason, VERSION};
use serde_json::json;
use std::sync::Arc;

impl Api {
    /// Answers a request for a path that is no resource.
    pub(super) async fn path(&self, call: PathCall) -> Result<ApiResponse, ApiError> {
        let path = call.path.trim_end_matches('/').to_owned();
        if path == BINDINGS_PATH && call.method == Method::Post {
            return self.bind_batch(call).await;
        }
        self.authorized(|state| call.authorize(state)).await?;
        if call.method == Method::Post && path.starts_with(DEFINITIONS_PATH) {
            return self.convert_for(&path, &call.body).await;
        }
        if call.method != Method::Get {
            return Err(if path == BINDINGS_PATH { not_allowed() } else { nothing_here() });
        }
        match path.as_str() {
            "/version" => answer::value(200, &version()),
            "/livez" | "/healthz" => answer::value(200, "ok"),
            "/readyz" => self.ready(),
            "/.well-known/openid-configuration" => answer::value(200, &service_accounts::issuer_configuration()),
            "/openid/v1/jwks" => answer::value(200, &self.tokens.public_keys()),
            // A gateway that is asked for metrics asks here whether the user may see them; they are told elsewhere.
            path if path == "/metrics" || path.starts_with("/metrics/") => answer::value(200, "ok"),
            STATUS_PATH => answer::value(200, &self.store.status()),
            "" => answer::value(200, &discovery::index(discovery::kinds(&*self.served_state().await))),
            _ => {
                let state = self.served_state().await;
                if let Some(answer) = self.definitions(&path, &state) {
                    return answer;
                }
                if let Some(Answer { content_type, body }) = self.openapi.answer(&path, &call.accept, &state).await {
                    return Ok(ApiResponse { content_type: content_type.to_owned(), ..answer::bytes(200, body) });
                }
                let document = discovery::answer(&path, &call.accept, discovery::kinds(&state));
                document_answer(document.ok_or_else(nothing_here)?)
            }
        }
    }

    /// The state that says what is served: the newest, or without a quorum the last that is known here, since clients
    /// can do nothing without it.
    async fn served_state(&self) -> Arc<State> {
        if let Err(error) = self.store.barrier().await {
            tracing::debug!(%error, "discovery is answered from what is known here");
        }
        self.store.state()
    }

    /// Whether this apiserver can answer requests: it knows a leader.
    fn ready(&self) -> Result<ApiResponse, ApiError> {
        match self.store.status().leader {
            Some(_) => answer::value(200, "ok"),
            None => Err(ApiError::new(Reason::ServiceUnavailable, "readyz check failed: no leader is known")),
        }
    }
}

/// A document of discovery; one with a media type of its own goes out as the bytes of its JSON.
fn document_answer(document: Document) -> Result<ApiResponse, ApiError> {
    if document.content_type.is_empty() {
        return answer::value(200, &document.value);
    }
    let body = serde_json::to_vec(&document.value).map_err(|e| super::internal("an answer cannot be encoded", &e))?;
    Ok(ApiResponse { content_type: document.content_type.to_owned(), ..answer::bytes(200, body.into()) })
}

fn version() -> serde_json::Value {
    let mut numbers = VERSION.trim_start_matches('v').split('.');
    let mut number = || numbers.next().unwrap_or_default();
    json!({
        "major": number(), "minor": number(), "gitVersion": VERSION, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}
