//! Streams over HTTP: logs, and connections that change their protocol (exec, attach, port-forward, proxy). The bytes go
//! between the client and the node; the apiserver only says whether they may.

mod channel_ports;
pub mod channels;
mod handshake;
mod log;
mod port_forward;
mod process;
mod proxy;
pub mod spdy;
mod spdy_process;
mod tunnel;
mod web_socket;

use crate::Gateway;
use crate::answer::{self, Body};
use crate::gateway::bus_error;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use kubus_client::stream::{self, StreamError, StreamReceiver, StreamSender};
use kubus_client::{Bus, BusError};
use kubus_proto::proxy::ProxyPath;
use kubus_proto::user::OnBehalf;
use kubus_proto::{ApiError, ApiRequest, Reason};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Most connections that have changed their protocol, at a time.
const UPGRADED_LIMIT: usize = 4_096;

/// Places for them.
static SLOTS: Semaphore = Semaphore::const_new(UPGRADED_LIMIT);

/// Answers a request for a stream.
pub async fn answer(
    gateway: &Gateway,
    on_behalf: OnBehalf,
    request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let path = request.uri().path();
    if ProxyPath::cut(path).is_some() {
        return proxy::answer(gateway, on_behalf, request).await;
    }
    match path.rsplit('/').next().unwrap_or_default() {
        "log" => log::answer(gateway, on_behalf, request).await,
        "portforward" => port_forward::answer(gateway, on_behalf, request).await,
        "exec" | "attach" => process::answer(gateway, on_behalf, request).await,
        _ => Err(ApiError::new(Reason::NotFound, "the server could not find the requested resource")),
    }
}

/// A place for a connection that changes its protocol.
fn slot() -> Result<SemaphorePermit<'static>, ApiError> {
    SLOTS.try_acquire().map_err(|_| {
        let error = ApiError::new(Reason::TooManyRequests, "too many streams are open; please try again");
        ApiError { retry_after_seconds: Some(1), ..error }
    })
}

/// Serves a connection that has changed its protocol, until it ends or the gateway stops.
fn spawn(gateway: &Gateway, slot: SemaphorePermit<'static>, serving: impl Future<Output = ()> + Send + 'static) {
    let stop = gateway.stopping().clone();
    tokio::spawn(async move {
        let _slot = slot;
        tokio::select! {
            () = serving => {}
            () = stop.cancelled() => {}
        }
    });
}

/// Opens streams on the bus for one request of a client.
struct Opener {
    bus: Bus,
    asked: ApiRequest,
}

impl Opener {
    fn new(gateway: &Gateway, asked: ApiRequest) -> Result<Self, ApiError> {
        Ok(Self { bus: gateway.bus()?.clone(), asked })
    }

    /// The stream that the request asks for.
    async fn open(&self) -> Result<(StreamSender, StreamReceiver), StreamError> {
        stream::open(&self.bus, self.asked.clone()).await
    }

    /// Whether the client may forward ports at all.
    async fn check(&self) -> Result<(), BusError> {
        stream::check(&self.bus, ApiRequest { query: String::new(), ..self.asked.clone() }).await
    }

    /// One connection to a port of the pod.
    async fn port(&self, port: u16) -> Result<(StreamSender, StreamReceiver), StreamError> {
        let (id, query) = (uuid::Uuid::new_v4(), format!("ports={port}"));
        stream::open(&self.bus, ApiRequest { id, query, ..self.asked.clone() }).await
    }

    /// Name of the pod.
    fn pod(&self) -> &str {
        self.asked.path.rsplit('/').nth(1).unwrap_or_default()
    }
}

/// Why there is no stream, as an API error.
fn stream_error(error: StreamError) -> ApiError {
    match error {
        StreamError::Bus(error) => bus_error(error),
        StreamError::Silent => ApiError::new(
            Reason::InternalError,
            "Internal error occurred: error dialing backend: the agent of the pod's node does not answer",
        ),
        other => ApiError::new(Reason::InternalError, format!("Internal error occurred: {other}")),
    }
}

/// Why a protocol cannot be changed: what the node says goes out as bare text, as a kubelet's words do, since kubectl puts
/// its own before them.
fn failure(error: StreamError) -> Result<Response<Body>, ApiError> {
    let StreamError::Remote(text) = error else { return Err(stream_error(error)) };
    let mut out = Response::new(answer::full(text));
    *out.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    answer::set_type(&mut out, "text/plain; charset=utf-8");
    Ok(out)
}
