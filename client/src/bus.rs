//! One connection to the bus under one identity: request/reply with deadlines and retries under the same request id.

mod dial;
mod link;
mod replies;
mod request;
mod retry;
mod trust;

use crate::Credentials;
use bytes::Bytes;
use kubus_proto::binding::{BINDINGS_PATH, BindingBatch, BindingResults};
use kubus_proto::request::{Method, REQUEST_TIMEOUT_MS};
use kubus_proto::{ApiError, ApiRequest, ApiResponse, codec};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use link::Link;

/// The bus did not carry a request to its answer.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// No server of the bus can be reached.
    #[error("cannot reach the bus at {servers}: {reason}")]
    Unreachable {
        /// Where it was looked for.
        servers: String,
        /// What the last attempt said.
        reason: String,
    },
    /// The server refuses the key.
    #[error("the bus refuses the credentials of {identity:?}")]
    Refused {
        /// Whose key.
        identity: String,
    },
    /// The apiservers have no leader, or none is running.
    #[error("no apiserver leader answered within {waited_ms} ms")]
    NoLeader {
        /// How long it was asked.
        waited_ms: u64,
    },
    /// An answer that is not one.
    #[error(transparent)]
    Codec(#[from] kubus_proto::codec::CodecError),
    /// The apiserver refused the request.
    #[error(transparent)]
    Api(#[from] ApiError),
}

/// A connection; clones share it.
#[derive(Clone)]
pub struct Bus {
    inner: Arc<dial::Connection>,
    deadline: Duration,
}

impl Bus {
    /// Connects, or says within 5 s why not.
    pub async fn connect(credentials: &Credentials) -> Result<Self, BusError> {
        Ok(Self::over(dial::connect(credentials).await?))
    }

    /// Connects, however long it takes: for daemons, which start before their servers or outlive them.
    pub async fn connect_patiently(credentials: &Credentials) -> Self {
        Self::over(dial::connect_patiently(credentials).await)
    }

    fn over(connection: dial::Connection) -> Self {
        Self { inner: Arc::new(connection), deadline: Duration::from_millis(REQUEST_TIMEOUT_MS) }
    }

    /// The same connection with another deadline for whole requests, retries included. The default is
    /// [`REQUEST_TIMEOUT_MS`]; someone who waits at a terminal wants less.
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { inner: self.inner.clone(), deadline }
    }

    /// The identity of the connection.
    pub fn identity(&self) -> &str {
        &self.inner.identity
    }

    /// The servers it was given, as errors name them.
    pub fn servers(&self) -> &str {
        &self.inner.servers
    }

    /// The connection itself, for typed messages beside the API.
    pub fn nats(&self) -> &async_nats::Client {
        &self.inner.nats
    }

    /// Whether the connection stands.
    pub fn is_connected(&self) -> bool {
        self.inner.link.borrow().connected
    }

    /// Whether the connection stands, and a count that goes up whenever messages may have been lost.
    pub(crate) fn link(&self) -> tokio::sync::watch::Receiver<Link> {
        self.inner.link.subscribe()
    }

    /// Bookmarks of all resources, shared by every watch of this process.
    pub(crate) async fn bookmarks(&self) -> Result<crate::watch::Bookmarks, BusError> {
        self.inner.bookmarks(self).await
    }

    /// Changes that watches of this process follow.
    pub(crate) fn hubs(&self) -> &crate::watch::Hubs {
        &self.inner.hubs
    }

    /// Hands a message to the connection; one that is down keeps it until it stands again.
    pub(crate) async fn publish(&self, subject: String, payload: Bytes) -> Result<(), BusError> {
        self.inner.nats.publish(subject, payload).await.map_err(|error| self.closed(error.to_string()))
    }

    /// Subscribes, over reconnects too.
    pub(crate) async fn subscribe(&self, subject: String) -> Result<async_nats::Subscriber, BusError> {
        self.inner.nats.subscribe(subject).await.map_err(|error| self.closed(error.to_string()))
    }

    pub(crate) fn closed(&self, reason: String) -> BusError {
        BusError::Unreachable { servers: self.inner.servers.clone(), reason }
    }

    /// Sends a request and waits for its whole answer, whatever its code; retries until the deadline under the same id.
    pub async fn request(&self, request: ApiRequest) -> Result<ApiResponse, BusError> {
        request::send(&self.inner, request, self.deadline).await
    }

    /// Like [`Bus::request`], but an answer of 400 or more is the [`ApiError`] it carries.
    pub async fn request_ok(&self, request: ApiRequest) -> Result<Bytes, BusError> {
        let response = self.request(request).await?;
        if response.code < 400 {
            return Ok(response.body);
        }
        Err(BusError::Api(api_error(&response)))
    }

    /// A client of kube-rs over this connection; call it inside a tokio runtime.
    pub fn kube(&self) -> kube::Client {
        kube::Client::new(crate::kube_service::KubeService::new(self.clone()), "default")
    }

    /// Binds many pods in one request.
    pub async fn bind(&self, batch: BindingBatch) -> Result<BindingResults, BusError> {
        let mut request = ApiRequest::new(Method::Post, BINDINGS_PATH);
        request.body = codec::encode(&batch)?.into();
        Ok(codec::decode(&self.request_ok(request).await?)?)
    }
}

/// The error in an answer of 400 or more. A body that is no `Status` still gives an error with that code's reason.
pub(crate) fn api_error(response: &ApiResponse) -> ApiError {
    match codec::decode::<serde_json::Value>(&response.body) {
        Ok(status) if status["kind"] == "Status" => ApiError::from_status(&status),
        _ => {
            let message = format!("the server answered with code {} and no reason", response.code);
            ApiError::new(retry::reason_of(response.code), message)
        }
    }
}
