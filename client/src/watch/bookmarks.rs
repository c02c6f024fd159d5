//! The leader's bookmarks, heard once a process and shared by all its watches.

use crate::{Bus, BusError};
use futures::StreamExt;
use kubus_proto::event::Bookmark;
use kubus_proto::{codec, subject};
use std::sync::Arc;
use tokio::sync::watch;

/// The newest bookmark, while anyone holds this.
#[derive(Clone)]
pub(crate) struct Bookmarks {
    newest: watch::Receiver<Option<Arc<Bookmark>>>,
    _task: Arc<StopOnDrop>,
}

struct StopOnDrop(tokio::task::AbortHandle);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Bookmarks {
    /// Begins to listen.
    pub(crate) async fn subscribe(bus: &Bus) -> Result<Self, BusError> {
        let mut messages = bus.subscribe(subject::BOOKMARKS.to_owned()).await?;
        let (sender, newest) = watch::channel(None);
        let task = tokio::spawn(async move {
            while let Some(message) = messages.next().await {
                match codec::decode::<Bookmark>(&message.payload) {
                    Ok(bookmark) => drop(sender.send_replace(Some(Arc::new(bookmark)))),
                    Err(error) => tracing::warn!(%error, "a bookmark is damaged"),
                }
            }
        });
        Ok(Self { newest, _task: Arc::new(StopOnDrop(task.abort_handle())) })
    }

    /// A view of its own for one watch.
    pub(super) fn receiver(&self) -> watch::Receiver<Option<Arc<Bookmark>>> {
        self.newest.clone()
    }
}
