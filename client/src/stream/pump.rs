//! The task behind a stream: hears the other side's frames, keeps it informed, and notices when it is gone.

use super::incoming::{Heard, Order};
use super::{Received, StreamError};
use crate::Bus;
use futures::StreamExt;
use kubus_proto::codec;
use kubus_proto::stream::{Frame, OPEN_TIMEOUT_MS, WINDOW_FRAMES};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Silence of this many keep-alive intervals ends a stream.
const SILENCE_INTERVALS: u32 = 3;
/// First pause before credit is repeated to a side that has not been heard yet, in milliseconds; it doubles.
const KNOCK_MS: u64 = 50;
/// What may wait for the reader: a window, and the end.
pub(super) const READY_LIMIT: usize = WINDOW_FRAMES as usize + 1;

/// What both halves and the task share.
pub(super) struct Shared {
    pub(super) bus: Bus,
    /// Where this side publishes.
    pub(super) subject: String,
    /// Number of the next frame. It is raised after the frame was handed to the connection, so that whatever names it
    /// comes after the frame.
    pub(super) sequence: AtomicU64,
    /// How far the other side may send.
    pub(super) allowed: AtomicU64,
    /// This side has said that it ends.
    pub(super) ended: AtomicBool,
}

impl Shared {
    pub(super) async fn publish(&self, frame: &Frame) -> Result<(), StreamError> {
        let payload = codec::encode(frame).map_err(crate::BusError::from)?;
        Ok(self.bus.publish(self.subject.clone(), payload.into()).await?)
    }

    pub(super) async fn end(&self, exit_code: Option<i32>, error: &str) -> Result<(), StreamError> {
        let sequence = self.sequence.load(Ordering::Acquire);
        self.publish(&Frame::End { sequence, exit_code, error: error.to_owned() }).await
    }

    fn keep_alive(&self) -> Frame {
        Frame::KeepAlive {
            sequence: self.sequence.load(Ordering::Acquire),
            up_to: self.allowed.load(Ordering::Acquire),
        }
    }
}

/// How far this side may send, or why it may not any more; and whether the other side has begun.
#[derive(Clone, Debug, Default)]
pub(super) struct Outlet {
    pub(super) up_to: u64,
    pub(super) ready: bool,
    pub(super) stopped: Option<String>,
}

/// How a stream came to its end.
enum Outcome {
    /// The other side said that everything is said.
    Ended,
    /// Nobody on this side holds either half any longer.
    Left,
    /// It cannot go on.
    Failed(StreamError),
}

pub(super) struct Pump {
    pub(super) shared: Arc<Shared>,
    pub(super) frames: async_nats::Subscriber,
    pub(super) ready: mpsc::Sender<Result<Received, StreamError>>,
    pub(super) outlet: watch::Sender<Outlet>,
    pub(super) order: Order,
    /// The other side was heard already.
    pub(super) heard: bool,
    pub(super) keepalive: Duration,
}

impl Pump {
    /// Runs until either side ends or fails, or nobody on this side is interested any more.
    pub(super) async fn run(mut self) {
        let outcome = self.carry().await.unwrap_or_else(Outcome::Failed);
        let (told, tell) = match &outcome {
            Outcome::Ended => ("the stream is at its end".to_owned(), false),
            Outcome::Left => ("the other side has gone away".to_owned(), true),
            Outcome::Failed(StreamError::Remote(error)) => (error.clone(), false),
            Outcome::Failed(error) => (error.to_string(), true),
        };
        self.outlet.send_modify(|outlet| outlet.stopped = Some(told.clone()));
        if tell && !self.shared.ended.swap(true, Ordering::AcqRel) {
            // The connection may be what failed; then the other side finds out by itself.
            let _ = self.shared.end(None, &told).await;
        }
        if let Outcome::Failed(error) = outcome {
            // The reader may have a window of data to read first; it may also be gone.
            let _ = self.ready.send(Err(error)).await;
        }
    }

    async fn carry(&mut self) -> Result<Outcome, StreamError> {
        let begun = Instant::now();
        let mut last_heard = begun;
        let mut pause = Duration::from_millis(KNOCK_MS);
        let mut tell_at = begun + if self.heard { Duration::ZERO } else { pause };
        loop {
            let patience =
                if self.heard { self.keepalive * SILENCE_INTERVALS } else { Duration::from_millis(OPEN_TIMEOUT_MS) };
            tokio::select! {
                biased;
                message = self.frames.next() => {
                    let Some(message) = message else { return Err(StreamError::Silent) };
                    (self.heard, last_heard) = (true, Instant::now());
                    let frame = codec::decode::<Frame>(&message.payload).map_err(crate::BusError::from)?;
                    if self.take(frame)? {
                        return Ok(Outcome::Ended);
                    }
                }
                () = tokio::time::sleep_until(tell_at) => {
                    self.shared.publish(&self.shared.keep_alive()).await?;
                    pause = if self.heard { self.keepalive } else { (pause * 2).min(self.keepalive) };
                    tell_at = Instant::now() + pause;
                }
                () = tokio::time::sleep_until(last_heard + patience) => return Err(StreamError::Silent),
                () = gone(&self.ready, &self.outlet) => return Ok(Outcome::Left),
            }
        }
    }

    /// Takes one frame; `true` when it was the last.
    fn take(&mut self, frame: Frame) -> Result<bool, StreamError> {
        match self.order.take(frame)? {
            Heard::Nothing => Ok(false),
            Heard::Ready => {
                self.outlet.send_modify(|outlet| outlet.ready = true);
                Ok(false)
            }
            Heard::Credit(up_to) => {
                self.outlet.send_if_modified(|outlet| {
                    let more = up_to > outlet.up_to;
                    outlet.up_to = outlet.up_to.max(up_to);
                    more
                });
                Ok(false)
            }
            Heard::Item(item) => {
                let last = matches!(item, Received::End { .. });
                match self.ready.try_send(Ok(item)) {
                    // A reader that is gone reads nothing; the writer may still be at work.
                    Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(last),
                    Err(mpsc::error::TrySendError::Full(_)) => {
                        Err(StreamError::Remote("more was sent than allowed".to_owned()))
                    }
                }
            }
        }
    }
}

/// Ready once neither half is held any longer.
async fn gone<T, U>(ready: &mpsc::Sender<T>, outlet: &watch::Sender<U>) {
    ready.closed().await;
    outlet.closed().await;
}
