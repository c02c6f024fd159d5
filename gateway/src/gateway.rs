//! One request from its head to its answer's head. Holds nothing but the connection to the bus.

use crate::answer::{self, Body};
use crate::caller::{self, Peer};
use crate::metrics::{self, Metrics};
use crate::route::{self, Route};
use crate::tls::serving::Serving;
use crate::{body, health, upgrade, watch};
use http::{HeaderMap, Request, Response, header};
use hyper::body::Incoming;
use kubus_client::metrics::Subject;
use kubus_client::{Bus, BusError};
use kubus_proto::request::Method;
use kubus_proto::user::OnBehalf;
use kubus_proto::{ApiError, ApiRequest, Reason};
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Most requests in work at a time that are no watches or streams; what comes beyond them is told to come again.
const IN_WORK_LIMIT: usize = 2_048;
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
    certificate: OnceLock<Arc<Serving>>,
    metrics: Metrics,
    in_work: Semaphore,
    stop: CancellationToken,
}

impl Gateway {
    /// A gateway that is not connected yet and ends with `stop`.
    pub fn new(stop: CancellationToken) -> Self {
        Self {
            inner: Arc::new(Inner {
                bus: OnceLock::new(),
                certificate: OnceLock::new(),
                metrics: Metrics::new(),
                in_work: Semaphore::new(IN_WORK_LIMIT),
                stop,
            }),
        }
    }

    /// The same with the certificate that is shown, for its health.
    pub fn showing(self, certificate: Arc<Serving>) -> Self {
        let _ = self.inner.certificate.set(certificate);
        self
    }

    /// Whether the certificate that is shown is good at this moment.
    pub fn certificate_is_good(&self) -> bool {
        self.inner.certificate.get().is_none_or(|certificate| certificate.is_good())
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
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
        let method = route::method(request.method())?;
        let route = route::route(request.method(), request.uri())?;
        let path = request.uri().path();
        if let (Route::Request, Method::Get) = (&route, method)
            && let Some(health) = health::answer(self, path, request.uri().query().unwrap_or_default()).await
        {
            return Ok(health);
        }
        let requests = &self.metrics().requests;
        match route {
            Route::Upgrade => {
                let subject = Subject::of(method, path, false, true);
                peer.paced.set();
                let lasting = requests.begin_long(&subject);
                let answer = match caller::on_behalf(peer, request.headers()) {
                    Ok(on_behalf) => upgrade::answer(self, on_behalf, request).await,
                    Err(error) => Err(error),
                };
                requests.end(&subject, None, code(&answer));
                answer.map(|answer| answer::counted(answer, lasting))
            }
            Route::Watch { path, query } => {
                let subject = Subject::of(method, &path, true, false);
                let lasting = requests.begin_long(&subject);
                let answer = match caller::on_behalf(peer, request.headers()) {
                    Ok(on_behalf) => watch::answer(self, on_behalf, &request, &path, &query).await,
                    Err(error) => Err(error),
                };
                requests.end(&subject, None, code(&answer));
                answer.map(|answer| answer::counted(answer, lasting))
            }
            Route::Request => {
                let subject = Subject::of(method, path, false, false);
                let in_work = requests.begin(method);
                let answer = match self.inner.in_work.try_acquire() {
                    Ok(_permit) => self.carry(peer, request).await,
                    Err(_) => Err(busy()),
                };
                requests.end(&subject, Some(in_work), code(&answer));
                answer
            }
        }
    }

    /// One question, one answer.
    async fn carry(&self, peer: &Peer, request: Request<Incoming>) -> Result<Response<Body>, ApiError> {
        let on_behalf = caller::on_behalf(peer, request.headers())?;
        let mut asked = asked(on_behalf, &request)?;
        let form = answer::Form::of(&asked.accept, &asked.path)?;
        let (parts, content) = request.into_parts();
        let content = body::read(content).await?;
        if !content.is_empty() {
            (asked.body, asked.duplicate_fields) = body::decode(asked.method, &asked.content_type, content)?;
        }
        if asked.method == Method::Get && is_metrics(&asked.path) {
            return metrics::answer(self, asked).await;
        }
        let tagged = asked.method == Method::Get && is_document(&asked.path);
        let response = self.bus()?.request(asked).await.map_err(bus_error)?;
        answer::of(response, form, &parts.headers, tagged).await
    }
}

/// Whether a path leads to what is served, which clients keep and ask for again.
fn is_document(path: &str) -> bool {
    path.starts_with("/openapi/") || matches!(path.trim_end_matches('/'), "/api" | "/apis")
}

fn is_metrics(path: &str) -> bool {
    path.strip_prefix(metrics::PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn code(answer: &Result<Response<Body>, ApiError>) -> u16 {
    match answer {
        Ok(answer) => answer.status().as_u16(),
        Err(error) => error.reason.code(),
    }
}

/// 429 of a gateway that has all the work it takes.
fn busy() -> ApiError {
    ApiError {
        retry_after_seconds: Some(RETRY_AFTER_SECONDS),
        ..ApiError::new(Reason::TooManyRequests, "too many requests in work, please try again later")
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
