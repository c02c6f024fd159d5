//! What commands ask: the apiserver behind the bus, or a fake of it in tests.

use crate::error::{CliError, Result};
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use kube::core::WatchEvent;
use kubus_client::stream::{Received, StreamReceiver, StreamSender};
use kubus_client::{Bus, Credentials};
use kubus_proto::event::ChangeType;
use kubus_proto::stream::StreamTicket;
use kubus_proto::{ApiError, ApiRequest, ApiResponse};
use serde_json::Value;
use std::time::Duration;
use tokio::sync::OnceCell;

/// How long someone at a terminal waits for one answer: a new leader is there within two seconds.
pub const REQUEST_TIMEOUT: Duration = Duration::from_millis(4_500);

/// One change of what is watched.
#[derive(Clone, Debug)]
pub struct WatchedChange {
    /// What happened.
    pub change: ChangeType,
    /// The object now, or as it was last.
    pub object: Value,
}

/// Changes as they come.
pub type Changes = BoxStream<'static, Result<WatchedChange>>;

/// Sends into a stream of logs or exec.
pub trait StreamWriter: Send {
    /// Sends data of a channel; waits while the other side gives no credit.
    fn send(&mut self, channel: u8, data: Bytes) -> BoxFuture<'_, Result<()>>;
    /// Says that a channel is at its end.
    fn close(&mut self, channel: u8) -> BoxFuture<'_, Result<()>>;
    /// Ends the stream and waits until that is said: who leaves otherwise is missed only after a while.
    fn end(self: Box<Self>) -> BoxFuture<'static, Result<()>>;
}

/// Receives from a stream of logs or exec.
pub trait StreamReader: Send {
    /// The next thing; nothing comes after the end.
    fn next(&mut self) -> BoxFuture<'_, Result<Received>>;
}

/// Both ends of a stream.
pub type Duplex = (Box<dyn StreamWriter>, Box<dyn StreamReader>);

/// What a command can ask of a cluster.
pub trait Server: Send + Sync {
    /// Carries one request to its answer, whatever its code.
    fn request(&self, request: ApiRequest) -> BoxFuture<'_, Result<ApiResponse>>;
    /// Watches a collection; `query` holds selectors and the resourceVersion to start from.
    fn watch(&self, path: String, query: String) -> BoxFuture<'_, Result<Changes>>;
    /// Enters the session of a ticket.
    fn stream(&self, ticket: StreamTicket) -> BoxFuture<'_, Result<Duplex>>;
}

/// Credentials or the reason why there are none, told when the first request needs them.
type CredentialsSource = Box<dyn Fn() -> Result<Credentials> + Send + Sync>;

/// The cluster behind the bus; connects with the first request, so that `completion` and `--help` need no cluster.
pub struct BusServer {
    credentials: CredentialsSource,
    timeout: Duration,
    bus: OnceCell<Bus>,
}

impl BusServer {
    /// A cluster that is connected to when needed; `timeout` is for whole requests.
    pub fn new(
        credentials: impl Fn() -> Result<Credentials> + Send + Sync + 'static,
        timeout: Option<Duration>,
    ) -> Self {
        Self { credentials: Box::new(credentials), timeout: timeout.unwrap_or(REQUEST_TIMEOUT), bus: OnceCell::new() }
    }

    async fn bus(&self) -> Result<&Bus> {
        self.bus
            .get_or_try_init(|| async {
                let credentials = (self.credentials)()?;
                Ok(Bus::connect(&credentials).await?.with_deadline(self.timeout))
            })
            .await
    }
}

impl Server for BusServer {
    fn request(&self, request: ApiRequest) -> BoxFuture<'_, Result<ApiResponse>> {
        Box::pin(async move { Ok(self.bus().await?.request(request).await?) })
    }

    fn watch(&self, path: String, query: String) -> BoxFuture<'_, Result<Changes>> {
        Box::pin(async move {
            let request = http::Request::get(format!("{path}?{query}"))
                .body(Vec::new())
                .map_err(|e| CliError::message(format!("cannot watch {path}: {e}")))?;
            let events = self.bus().await?.kube().request_events::<Value>(request).await.map_err(kube_error)?;
            let changes = events.filter_map(|event| async move { changed(event.map_err(kube_error)).transpose() });
            Ok(changes.boxed())
        })
    }

    fn stream(&self, ticket: StreamTicket) -> BoxFuture<'_, Result<Duplex>> {
        Box::pin(async move {
            let (sender, receiver) =
                kubus_client::stream::connect(self.bus().await?, &ticket).await.map_err(stream_error)?;
            Ok((Box::new(BusWriter(sender)) as Box<dyn StreamWriter>, Box::new(BusReader(receiver)) as _))
        })
    }
}

fn changed(event: Result<WatchEvent<Value>>) -> Result<Option<WatchedChange>> {
    Ok(match event? {
        WatchEvent::Added(object) => Some(WatchedChange { change: ChangeType::Added, object }),
        WatchEvent::Modified(object) => Some(WatchedChange { change: ChangeType::Modified, object }),
        WatchEvent::Deleted(object) => Some(WatchedChange { change: ChangeType::Deleted, object }),
        WatchEvent::Bookmark(_) => None,
        WatchEvent::Error(status) => {
            let status = serde_json::to_value(&*status).unwrap_or_default();
            return Err(CliError::Api(ApiError::from_status(&status)));
        }
    })
}

fn kube_error(error: kube::Error) -> CliError {
    match error {
        kube::Error::Api(status) => {
            CliError::Api(ApiError::from_status(&serde_json::to_value(&*status).unwrap_or_default()))
        }
        other => CliError::message(other.to_string()),
    }
}

fn stream_error(error: kubus_client::stream::StreamError) -> CliError {
    match error {
        kubus_client::stream::StreamError::Bus(error) => error.into(),
        other => CliError::message(other.to_string()),
    }
}

struct BusWriter(StreamSender);

impl StreamWriter for BusWriter {
    fn send(&mut self, channel: u8, data: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.0.send(channel, data).await.map_err(stream_error) })
    }
    fn close(&mut self, channel: u8) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.0.close(channel).await.map_err(stream_error) })
    }
    fn end(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move { self.0.end(None, "").await.map_err(stream_error) })
    }
}

struct BusReader(StreamReceiver);

impl StreamReader for BusReader {
    fn next(&mut self) -> BoxFuture<'_, Result<Received>> {
        Box::pin(async move { self.0.next().await.map_err(stream_error) })
    }
}
