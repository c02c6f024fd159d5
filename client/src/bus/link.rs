//! What is known of the connection: whether it stands, and how often messages may have been lost on it.

use super::replies::Replies;
use crate::metrics;
use async_nats::Event;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::watch;

/// Messages dropped within this time of each other are one loss, in milliseconds.
const BURST_MS: u64 = 250;

/// State of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Whether it stands.
    pub(crate) connected: bool,
    /// Goes up with each reconnect and each burst of messages dropped for a slow consumer.
    pub(crate) losses: u64,
}

/// Hears the events of one connection.
pub(super) struct LinkEvents {
    link: watch::Sender<Link>,
    replies: Arc<Replies>,
    /// The first connection is no reconnect: nothing was lost before it.
    connected_before: AtomicBool,
    begun: Instant,
    lost_at_ms: AtomicU64,
}

impl LinkEvents {
    pub(super) fn new(link: watch::Sender<Link>, replies: Arc<Replies>) -> Self {
        Self {
            link,
            replies,
            connected_before: AtomicBool::new(false),
            begun: Instant::now(),
            lost_at_ms: AtomicU64::new(0),
        }
    }

    /// Takes one event of the connection.
    pub(super) fn hear(&self, event: &Event) {
        match event {
            Event::Connected => {
                let again = self.connected_before.swap(true, Ordering::Relaxed);
                if again {
                    metrics::BUS.losses.inc();
                }
                self.link.send_modify(|link| {
                    link.connected = true;
                    link.losses += u64::from(again);
                });
                if again {
                    // Answers to what was asked on the old connection will not come.
                    self.replies.interrupt();
                }
            }
            Event::Disconnected | Event::Closed => self.link.send_modify(|link| link.connected = false),
            Event::SlowConsumer(_) => self.lose(),
            Event::ServerError(error) => tracing::warn!(%error, "the bus complains"),
            _ => {}
        }
    }

    /// A message was dropped. One comes for each of them, and watches answer each with a question, so a burst counts
    /// once; what is dropped during the rest of it is found by its successor or by a bookmark.
    fn lose(&self) {
        let now_ms = self.begun.elapsed().as_millis() as u64;
        let due = |last: u64| (last == 0 || now_ms >= last + BURST_MS).then_some(now_ms.max(1));
        if self.lost_at_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok() {
            metrics::BUS.losses.inc();
            self.link.send_modify(|link| link.losses += 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_counted_by_bursts_and_reconnects() {
        let (link, seen) = watch::channel(Link { connected: true, losses: 0 });
        let events = LinkEvents::new(link, Replies::new("i".to_owned()));
        for (event, connected, losses) in [
            (Event::Connected, true, 0),
            (Event::SlowConsumer(1), true, 1),
            (Event::SlowConsumer(2), true, 1),
            (Event::Disconnected, false, 1),
            (Event::Connected, true, 2),
            (Event::LameDuckMode, true, 2),
        ] {
            events.hear(&event);
            assert_eq!(*seen.borrow(), Link { connected, losses }, "{event:?}");
        }
    }
}
