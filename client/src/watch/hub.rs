//! Changes of one subject, heard and decoded once a process and shared by all its watches. A watch that does not keep up
//! misses changes and is told so; no other one notices.

use crate::{Bus, BusError, transcode};
use bytes::Bytes;
use futures::StreamExt;
use kubus_proto::event::Change;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};
use tokio::sync::{Mutex, broadcast};

/// Changes of a whole resource that are kept for watches which do not take them at once; older ones are missed.
const RESOURCE_CHANGES_LIMIT: usize = 1_024;
/// The same for one scope of a resource (a node): there are many of them and little happens in each.
const SCOPE_CHANGES_LIMIT: usize = 64;

/// A change, and its object as JSON once anyone has asked for that.
#[derive(Debug)]
pub struct Shared {
    /// What was heard.
    pub(crate) change: Change,
    json: OnceLock<Option<Bytes>>,
}

impl Shared {
    /// The object as JSON; `None` where it has no such form.
    pub(crate) fn json(&self) -> Option<&Bytes> {
        self.json.get_or_init(|| transcode::msgpack_to_json(&self.change.object).ok()).as_ref()
    }
}

/// What a subscriber is told.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// A change.
    Change(Arc<Shared>),
    /// One that could not be read, or some that were missed.
    Missed,
    /// The connection is closed: nothing will come.
    Closed,
}

/// All subjects somebody follows.
#[derive(Default)]
pub(crate) struct Hubs {
    by_subject: Mutex<HashMap<String, Weak<Hub>>>,
}

struct Hub {
    sender: broadcast::Sender<News>,
    pump: tokio::task::AbortHandle,
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

/// One watch's view of a subject.
pub(crate) struct Receiver {
    news: broadcast::Receiver<News>,
    _hub: Arc<Hub>,
}

impl Hubs {
    /// Everything that is published on `subject` from now on.
    pub(crate) async fn subscribe(&self, bus: &Bus, subject: String, scoped: bool) -> Result<Receiver, BusError> {
        let mut known = self.by_subject.lock().await;
        if let Some(hub) = known.get(&subject).and_then(Weak::upgrade) {
            return Ok(Receiver { news: hub.sender.subscribe(), _hub: hub });
        }
        known.retain(|_, hub| hub.strong_count() > 0);
        let (sender, news) = broadcast::channel(if scoped { SCOPE_CHANGES_LIMIT } else { RESOURCE_CHANGES_LIMIT });
        let messages = bus.subscribe(subject.clone()).await?;
        let pump = tokio::spawn(pump(messages, sender.clone())).abort_handle();
        let hub = Arc::new(Hub { sender, pump });
        known.insert(subject, Arc::downgrade(&hub));
        Ok(Receiver { news, _hub: hub })
    }
}

async fn pump(mut messages: async_nats::Subscriber, sender: broadcast::Sender<News>) {
    while let Some(message) = messages.next().await {
        let news = match Change::decode(&message.payload) {
            Ok(change) => News::Change(Arc::new(Shared { change, json: OnceLock::new() })),
            Err(error) => {
                tracing::warn!(%error, subject = %message.subject, "a change is damaged");
                News::Missed
            }
        };
        // Nobody may listen at this moment.
        let _ = sender.send(news);
    }
    let _ = sender.send(News::Closed);
}

impl Receiver {
    /// The next thing to know.
    pub(crate) async fn next(&mut self) -> News {
        match self.news.recv().await {
            Ok(news) => news,
            Err(broadcast::error::RecvError::Lagged(_)) => News::Missed,
            Err(broadcast::error::RecvError::Closed) => News::Closed,
        }
    }

    /// The same, where there is something already.
    pub(crate) fn next_now(&mut self) -> Option<News> {
        match self.news.try_recv() {
            Ok(news) => Some(news),
            Err(broadcast::error::TryRecvError::Lagged(_)) => Some(News::Missed),
            Err(broadcast::error::TryRecvError::Closed) => Some(News::Closed),
            Err(broadcast::error::TryRecvError::Empty) => None,
        }
    }
}
