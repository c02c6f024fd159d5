//! One request from its head to its answer's head. Holds nothing but the connection to the bus.

use crate::answer::{self, Body};
use crate::caller::{self, Peer};
use crate::route::{self, Route};
use crate::{body, upgrade, watch};
use http::{HeaderMap, Request, Response, header};
use hyper::body::Incoming;
use kubus_client::{Bus, BusError};
use kubus_proto::user::OnBehalf;
use kubus_proto::{ApiError, ApiRequest, Reason};
use std::sync::{Arc, OnceLock};
use tokio_util::sync::CancellationToken;

/// When a client should try again while the bus is not there yet, in seconds.
const RETRY_AFTER_SECONDS: u32 = 1;
/// Longest `Audit-ID` of a client's own that is taken over, in bytes.
const AUDIT_ID_BYTES: usize = 64;
/// Name of the header that joins a request with the lines of the audit log.
const AUDIT_ID: header::HeaderName = header::HeaderName::from_static("audit-id");

/// Everything a request needs. Clones share it.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    bus: OnceLock<Bus>,
    stop: CancellationToken,
}

impl Gateway {
    /// A gateway that is not connected yet and ends with `stop`.
    pub fn new(stop: CancellationToken) -> Self {
        Self { inner: Arc::new(Inner { bus: OnceLock::new(), stop }) }
    }

    /// From now on requests go over `bus`.
    pub fn connected(&self, bus: Bus) {
        tracing::info!(identity = bus.identity(), servers = bus.servers(), "on the bus");
        // A second connection has no use; the first one lives as long as the process.
        let _ = self.inner.bus.set(bus);
    }

    /// Cancelled when the gateway stops: whatever has no end of its own ends then.
    pub fn stopping(&self) -> &CancellationToken {
        &self.inner.stop
    }

    /// The bus; 503 while there is none.
    pub fn bus(&self) -> Result<&Bus, ApiError> {
        self.inner.bus.get().ok_or_else(|| ApiError {
            retry_after_seconds: Some(RETRY_AFTER_SECONDS),
            ..ApiError::new(Reason::ServiceUnavailable, "the gateway has not reached the bus yet")
        })
    }

    /// Answers a request, whatever it is.
    pub async fn handle(&self, peer: &Peer, request: Request<Incoming>) -> Response<Body> {
        let audit_id = audit_id(request.headers());
        let mut response = match self.answer(peer, request).await {
            Ok(response) => response,
            Err(error) => answer::refusal(&error),
        };
        response.headers_mut().insert(AUDIT_ID, audit_id);
        response
    }

    async fn answer(&self, peer: &Peer, request: Request<Incoming>) -> Result<Response<Body>, ApiError> {
        let route = route::route(request.method(), request.uri())?;
        let on_behalf = caller::on_behalf(peer, request.headers())?;
        match route {
            Route::Upgrade => {
                peer.paced.set();
                upgrade::answer(self, on_behalf, request).await
            }
            Route::Watch { path, query } => watch::answer(self, on_behalf, &request, &path, &query).await,
            Route::Request => self.carry(on_behalf, request).await,
        }
    }

    /// One question, one answer.
    async fn carry(&self, on_behalf: OnBehalf, request: Request<Incoming>) -> Result<Response<Body>, ApiError> {
        let mut asked = asked(on_behalf, &request)?;
        let accept = answer::Form::of(&asked.accept)?;
        let (parts, content) = request.into_parts();
        let content = body::read(&parts.headers, content).await?;
        if !content.is_empty() {
            asked.body = body::decode(asked.method, &asked.content_type, content)?;
        }
        let response = self.bus()?.request(asked).await.map_err(bus_error)?;
        answer::of(response, accept)
    }
}

/// The request as the bus carries it, still without a body.
pub fn asked<B>(on_behalf: OnBehalf, request: &Request<B>) -> Result<ApiRequest, ApiError> {
    let mut asked = ApiRequest::new(route::method(request.method())?, request.uri().path());
    asked.query = request.uri().query().unwrap_or_default().to_owned();
    asked.content_type = text(request.headers(), header::CONTENT_TYPE);
    asked.accept = text(request.headers(), header::ACCEPT);
    asked.user_agent = text(request.headers(), header::USER_AGENT);
    asked.trace_id = rand::random();
    asked.on_behalf = Some(on_behalf);
    Ok(asked)
}

/// What a failure of the bus is to a client.
pub fn bus_error(error: BusError) -> ApiError {
    let retry = |reason: Reason, message: String| ApiError {
        retry_after_seconds: Some(RETRY_AFTER_SECONDS),
        ..ApiError::new(reason, message)
    };
    match error {
        BusError::Api(error) => error,
        BusError::Unreachable { .. } | BusError::Refused { .. } => retry(Reason::ServiceUnavailable, error.to_string()),
        BusError::NoLeader { .. } => retry(Reason::Timeout, error.to_string()),
        BusError::Codec(_) => ApiError::new(Reason::InternalError, format!("Internal error occurred: {error}")),
    }
}

/// A header's text, empty where there is none.
pub fn text(headers: &HeaderMap, name: header::HeaderName) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn audit_id(headers: &HeaderMap) -> header::HeaderValue {
    let own = headers.get(AUDIT_ID).filter(|id| !id.is_empty() && id.len() <= AUDIT_ID_BYTES).cloned();
    own.or_else(|| uuid::Uuid::new_v4().to_string().parse().ok())
        .unwrap_or_else(|| header::HeaderValue::from_static("none"))
}
