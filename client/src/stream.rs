//! Both ends of a stream (logs, exec): frames with sequence numbers and credit, see `kubus_proto::stream`.

mod connection;
mod incoming;
mod pump;

pub use connection::Connection;

use crate::{Bus, BusError};
use bytes::Bytes;
use futures::StreamExt;
use incoming::{Allowance, Heard, Order};
use kubus_proto::stream::{FRAME_BYTES, Frame, KEEPALIVE_MS, OPEN_TIMEOUT_MS, OpenStream, STREAM_ACCEPT, StreamTicket};
use kubus_proto::{ApiRequest, codec, subject};
use pump::{Outlet, Pump, READY_LIMIT, Shared};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// A stream cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The other side said so.
    #[error("{0}")]
    Remote(String),
    /// Frames were lost on the bus.
    #[error("the stream lost data on the bus: expected frame {expected}, got {got}")]
    Lost {
        /// Next number.
        expected: u64,
        /// Number that came.
        got: u64,
    },
    /// Nothing was heard from the other side.
    #[error("the other side of the stream is silent")]
    Silent,
    /// The connection failed.
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// What comes out of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Data of a channel (`kubus_proto::stream::channel`).
    Data {
        /// Which channel.
        channel: u8,
        /// What it says.
        data: Bytes,
    },
    /// One channel is at its end.
    Close {
        /// Which channel.
        channel: u8,
    },
    /// The other side is done.
    End {
        /// Exit code of the process, where there was one.
        exit_code: Option<i32>,
    },
}

/// Sends data of one session; waits while the other side gives no credit. Not to be used by two tasks at once.
pub struct StreamSender {
    shared: Arc<Shared>,
    outlet: watch::Receiver<Outlet>,
}

impl StreamSender {
    /// Node's side, first of all: what was asked for has begun.
    pub async fn ready(&mut self) -> Result<(), StreamError> {
        self.put(|sequence| Frame::Ready { sequence }).await
    }

    /// Sends `data` in as many frames as it takes. Waits as long as the other side does not read.
    pub async fn send(&mut self, channel: u8, mut data: Bytes) -> Result<(), StreamError> {
        while !data.is_empty() {
            let part = data.split_to(data.len().min(FRAME_BYTES));
            self.put(|sequence| Frame::Data { sequence, channel, data: part }).await?;
        }
        Ok(())
    }

    /// Says that a channel is at its end.
    pub async fn close(&mut self, channel: u8) -> Result<(), StreamError> {
        self.put(|sequence| Frame::Close { sequence, channel }).await
    }

    /// Ends the session.
    pub async fn end(self, exit_code: Option<i32>, error: &str) -> Result<(), StreamError> {
        if self.shared.ended.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.shared.end(exit_code, error).await?;
        // A process that ends now must not take the last words with it.
        self.shared.bus.nats().flush().await.map_err(|error| self.shared.bus.closed(error.to_string()).into())
    }

    /// Tells whoever does not read at the moment that the stream is over.
    pub fn watcher(&self) -> StreamWatcher {
        StreamWatcher { outlet: self.outlet.clone() }
    }

    async fn put(&mut self, frame: impl FnOnce(u64) -> Frame) -> Result<(), StreamError> {
        let sequence = self.shared.sequence.load(Ordering::Acquire);
        let outlet = self
            .outlet
            .wait_for(|outlet| outlet.stopped.is_some() || sequence < outlet.up_to)
            .await
            .map_err(|_| StreamError::Silent)?
            .stopped
            .clone();
        if let Some(reason) = outlet {
            return Err(StreamError::Remote(reason));
        }
        self.shared.publish(&frame(sequence)).await?;
        self.shared.sequence.store(sequence + 1, Ordering::Release);
        Ok(())
    }
}

/// Sees a stream's end, while both halves are at work elsewhere.
pub struct StreamWatcher {
    outlet: watch::Receiver<Outlet>,
}

impl StreamWatcher {
    /// Ready when the other side has ended the stream, or the stream cannot go on. What came before may still be read.
    pub async fn over(&mut self) {
        // No one is left to tell: it is over too.
        let _ = self.outlet.wait_for(|outlet| outlet.stopped.is_some()).await;
    }
}

/// Receives data of one session; gives credit as it is read.
pub struct StreamReceiver {
    shared: Arc<Shared>,
    ready: mpsc::Receiver<Result<Received, StreamError>>,
    allowance: Allowance,
}

impl StreamReceiver {
    /// The next thing; after [`Received::End`] nothing more comes.
    pub async fn next(&mut self) -> Result<Received, StreamError> {
        let Some(item) = self.ready.recv().await else {
            return Err(StreamError::Remote("the stream is at its end".to_owned()));
        };
        let item = item?;
        if !matches!(item, Received::End { .. })
            && let Some(up_to) = self.allowance.read()
        {
            self.shared.allowed.store(up_to, Ordering::Release);
            self.shared.publish(&Frame::Credit { up_to }).await?;
        }
        Ok(item)
    }
}

/// Client's side: asks an apiserver for a stream (`GET …/log?…`, `POST …/exec?…`) and enters it; ready when the node
/// has begun what was asked for.
pub async fn open(bus: &Bus, mut request: ApiRequest) -> Result<(StreamSender, StreamReceiver), StreamError> {
    request.accept = STREAM_ACCEPT.to_owned();
    let body = bus.request_ok(request).await?;
    let ticket: StreamTicket = codec::decode(&body).map_err(BusError::from)?;
    connect(bus, &ticket).await
}

/// Client's side: asks an apiserver whether a stream would be opened, where the request names nothing to open yet.
pub async fn check(bus: &Bus, mut request: ApiRequest) -> Result<(), BusError> {
    request.accept = STREAM_ACCEPT.to_owned();
    bus.request_ok(request).await.map(drop)
}

/// Client's side: enters the session of a ticket; ready when the node has begun what was asked for.
pub async fn connect(bus: &Bus, ticket: &StreamTicket) -> Result<(StreamSender, StreamReceiver), StreamError> {
    let (up, down) = subjects(ticket);
    let frames = bus.subscribe(down).await?;
    let (shared, outlet) = (shared(bus, up), Outlet::default());
    shared.publish(&Frame::Credit { up_to: shared.allowed.load(Ordering::Acquire) }).await?;
    let keepalive = Duration::from_millis(KEEPALIVE_MS);
    let (mut sender, mut receiver) = halves(shared, frames, Order::default(), outlet, false, keepalive);
    let begun = sender.outlet.wait_for(|outlet| outlet.ready || outlet.stopped.is_some()).await;
    if begun.is_ok_and(|outlet| outlet.ready) {
        // The word that it has begun was numbered too.
        receiver.allowance.read();
        return Ok((sender, receiver));
    }
    match receiver.next().await {
        Err(error) => Err(error),
        Ok(_) => Err(StreamError::Remote("the node ended the stream before it began".to_owned())),
    }
}

/// Node's side: requests to open streams, as they come.
pub async fn listen(
    bus: &Bus,
    node: &str,
) -> Result<impl futures::Stream<Item = OpenStream> + Send + Unpin + use<>, StreamError> {
    let messages = bus.subscribe(subject::open_stream(node)).await?;
    Ok(messages.filter_map(|message| {
        let open = codec::decode::<OpenStream>(&message.payload);
        if let Err(error) = &open {
            tracing::warn!(%error, "a request to open a stream is damaged");
        }
        std::future::ready(open.ok())
    }))
}

/// Node's side: enters a session; ready when the client has given its first credit, an error when it does not in time.
pub async fn accept(bus: &Bus, open: &OpenStream) -> Result<(StreamSender, StreamReceiver), StreamError> {
    let (up, down) = subjects(&open.ticket);
    let mut frames = bus.subscribe(up).await?;
    let (mut order, mut outlet) = (Order::default(), Outlet::default());
    let first = tokio::time::timeout(Duration::from_millis(OPEN_TIMEOUT_MS), frames.next()).await;
    let Ok(Some(message)) = first else { return Err(StreamError::Silent) };
    match order.take(codec::decode(&message.payload).map_err(BusError::from)?)? {
        Heard::Credit(up_to) => outlet.up_to = up_to,
        Heard::Item(Received::End { .. }) => return Err(StreamError::Remote("the client has gone away".to_owned())),
        Heard::Item(_) | Heard::Ready | Heard::Nothing => {
            return Err(StreamError::Remote("the client sent before it was allowed to".to_owned()));
        }
    }
    let keepalive = Duration::from_millis(KEEPALIVE_MS);
    Ok(halves(shared(bus, down), frames, order, outlet, true, keepalive))
}

fn subjects(ticket: &StreamTicket) -> (String, String) {
    (
        subject::stream_up(&ticket.node, &ticket.identity, &ticket.session),
        subject::stream_down(&ticket.node, &ticket.identity, &ticket.session),
    )
}

fn shared(bus: &Bus, subject: String) -> Arc<Shared> {
    Arc::new(Shared {
        bus: bus.clone(),
        subject,
        sequence: AtomicU64::new(0),
        allowed: AtomicU64::new(Allowance::new().up_to()),
        ended: AtomicBool::new(false),
    })
}

fn halves(
    shared: Arc<Shared>,
    frames: async_nats::Subscriber,
    order: Order,
    outlet: Outlet,
    heard: bool,
    keepalive: Duration,
) -> (StreamSender, StreamReceiver) {
    let (ready_sender, ready) = mpsc::channel(READY_LIMIT);
    let (outlet_sender, outlet) = watch::channel(outlet);
    let pump =
        Pump { shared: shared.clone(), frames, ready: ready_sender, outlet: outlet_sender, order, heard, keepalive };
    tokio::spawn(pump.run());
    let sender = StreamSender { shared: shared.clone(), outlet };
    (sender, StreamReceiver { shared, ready, allowance: Allowance::new() })
}
