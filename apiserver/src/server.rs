//! Takes requests from the bus and answers them: reads always, writes only while this apiserver leads.

mod joined;

use crate::pipeline::{Api, OpenStreams};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt};
use joined::Joined;
use kubus_client::metrics::{Registry, RequestMetrics, Subject};
use kubus_proto::request::REQUEST_TIMEOUT_MS;
use kubus_proto::stream::{OpenStream, STREAM_ACCEPT};
use kubus_proto::subject::{self, APISERVER_QUEUE, Route};
use kubus_proto::{ApiError, ApiRequest, ApiResponse, Reason, chunk, codec};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// Most requests in work at a time; what comes beyond them is told to come again.
const IN_FLIGHT_LIMIT: usize = 4_096;
/// How long a subscription, and requests in work, may take to end, in milliseconds.
const DRAIN_MS: u64 = 2_000;
/// How long to wait before a subscription that failed is tried again, in milliseconds.
const SUBSCRIBE_RETRY_MS: u64 = 200;

/// Streams opened over the bus.
pub struct BusStreams(pub async_nats::Client);

impl OpenStreams for BusStreams {
    fn open(&self, stream: OpenStream) -> BoxFuture<'_, Result<(), ApiError>> {
        async move {
            let unavailable = |e: &dyn std::fmt::Display| ApiError::new(Reason::ServiceUnavailable, e.to_string());
            let message = codec::encode(&stream).map_err(|e| unavailable(&e))?;
            let subject = subject::open_stream(&stream.ticket.node);
            self.0.publish(subject, message.into()).await.map_err(|e| unavailable(&e))
        }
        .boxed()
    }
}

/// The bus' side of an apiserver.
#[derive(Clone)]
pub struct Server {
    nats: async_nats::Client,
    api: Api,
    in_flight: Arc<Semaphore>,
    joined: Joined,
    requests: RequestMetrics,
}

impl Server {
    /// A server that answers with `api` what comes over `nats`, and counts it in `registry`.
    pub fn new(nats: async_nats::Client, api: Api, registry: &mut Registry) -> Self {
        let requests = RequestMetrics::register(registry);
        Self { nats, api, in_flight: Arc::new(Semaphore::new(IN_FLIGHT_LIMIT)), joined: Joined::default(), requests }
    }

    /// Serves until `stop`: reads from now on, writes whenever `leadership` says so. Returns when the requests in work
    /// have ended.
    pub async fn serve(&self, leadership: watch::Receiver<bool>, stop: CancellationToken) {
        let (_always, reading) = watch::channel(true);
        tokio::join!(self.route(Route::Read, reading, &stop), self.route(Route::Write, leadership, &stop));
        let all = self.in_flight.acquire_many(u32::try_from(IN_FLIGHT_LIMIT).unwrap_or(u32::MAX));
        if tokio::time::timeout(Duration::from_millis(DRAIN_MS), all).await.is_err() {
            tracing::warn!("stopping with requests in work");
        }
    }

    /// Follows `wanted`: subscribed while it is true.
    async fn route(&self, route: Route, mut wanted: watch::Receiver<bool>, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = wanted.wait_for(|wanted| *wanted) => if changed.is_err() { return },
            }
            let subject = subject::api_all(route);
            let subscribed = match route {
                Route::Read => self.nats.queue_subscribe(subject, APISERVER_QUEUE.to_owned()).await,
                // Not in a group: were two in doubt about who leads, the one that does must hear of every write.
                Route::Write => self.nats.subscribe(subject).await,
            };
            let mut messages = match subscribed {
                Ok(messages) => messages,
                Err(error) => {
                    tracing::error!(%error, subject, "cannot subscribe");
                    tokio::time::sleep(Duration::from_millis(SUBSCRIBE_RETRY_MS)).await;
                    continue;
                }
            };
            tracing::info!(subject, "taking requests");
            loop {
                tokio::select! {
                    () = stop.cancelled() => break,
                    _ = wanted.wait_for(|wanted| !*wanted) => break,
                    message = messages.next() => match message {
                        Some(message) => self.accept(message, route),
                        None => break,
                    },
                }
            }
            tracing::info!(subject, "taking no more requests");
            // What has come already is answered, if only with a refusal. What crosses the bus' own farewell is lost, and its
            // sender asks again.
            if let Err(error) = messages.drain().await {
                tracing::warn!(%error, subject, "cannot unsubscribe");
            }
            let rest = async {
                while let Some(message) = messages.next().await {
                    self.accept(message, route);
                }
            };
            if tokio::time::timeout(Duration::from_millis(DRAIN_MS), rest).await.is_err() {
                tracing::warn!(subject, "a subscription did not end");
            }
        }
    }

    /// Hands a message to a task of its own, so that the next one need not wait.
    fn accept(&self, message: async_nats::Message, route: Route) {
        let Some(reply) = message.reply else { return };
        let Some(identity) = subject::api_identity(&message.subject) else { return };
        let permit = self.in_flight.clone().try_acquire_owned();
        let server = self.clone();
        tokio::spawn(async move {
            let response = match permit {
                Ok(permit) => server.answer(&identity, message.payload, route, permit).await,
                Err(_) => refuse(Reason::TooManyRequests, "the server is busy; please try again"),
            };
            server.send(reply, response).await;
        });
    }

    async fn answer(&self, identity: &str, payload: Bytes, route: Route, _permit: OwnedSemaphorePermit) -> ApiResponse {
        let request = match ApiRequest::decode(&payload) {
            Ok(request) => request,
            Err(error) => return refuse(Reason::BadRequest, format!("the request cannot be read: {error}")),
        };
        if route == Route::Read && request.method.is_write() {
            return refuse(Reason::BadRequest, "a write must be sent to the leader");
        }
        let (method, path, trace_id) = (request.method, request.path.clone(), request.trace_id);
        let connect = request.accept == STREAM_ACCEPT;
        let subject = Subject::of(method, &path, request.query.contains("watch=true"), connect);
        let in_work = self.requests.begin(method);
        let start = Instant::now();
        let limit = Duration::from_millis(REQUEST_TIMEOUT_MS);
        let (api, id, sender) = (self.api.clone(), request.id, identity.to_owned());
        let work = async move { api.handle(&sender, request).await };
        let response = if method.is_write() {
            tokio::time::timeout(limit, self.joined.answer(identity, id, work)).await
        } else {
            tokio::time::timeout(limit, work).await
        };
        let response = response.unwrap_or_else(|_| refuse(Reason::Timeout, "the request took too long"));
        self.requests.end(&subject, Some(in_work), response.code);
        let elapsed_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::debug!(identity, ?method, path, trace_id, code = response.code, elapsed_us, "answered");
        response
    }

    async fn send(&self, reply: async_nats::Subject, response: ApiResponse) {
        let messages = match chunk::split_response(&response) {
            Ok(messages) => messages,
            Err(error) => return tracing::error!(%error, "an answer cannot be encoded"),
        };
        for message in messages {
            // A client that gets no answer asks again.
            if let Err(error) = self.nats.publish(reply.clone(), message).await {
                return tracing::warn!(%error, "an answer cannot be sent");
            }
        }
    }
}

fn refuse(reason: Reason, message: impl Into<String>) -> ApiResponse {
    let error = ApiError { retry_after_seconds: reason.retryable().then_some(1), ..ApiError::new(reason, message) };
    let body = codec::encode(&error.to_status()).unwrap_or_default();
    ApiResponse { code: reason.code(), body: body.into(), ..ApiResponse::default() }
}
