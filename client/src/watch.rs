//! Watches that miss nothing although the bus may lose, repeat and delay messages.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>

mod bookmarks;
mod initial;
mod lines;
mod plan;
mod selection;
mod session;
pub mod tracker;

use crate::{Bus, BusError};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, Stream, StreamExt};
use kubus_proto::kinds::versions::ServedVersion;
use kubus_proto::user::OnBehalf;
use kubus_proto::{ApiError, codec};
use serde_json::Value;

pub(crate) use bookmarks::Bookmarks;
pub(crate) use lines::lines;

/// What an event of a watch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// The object is new, or has come to match the selectors.
    Added,
    /// It has changed.
    Modified,
    /// It is gone, or has ceased to match the selectors.
    Deleted,
    /// Nothing happened to any object; everything up to the object's resourceVersion is told.
    Bookmark,
}

impl EventType {
    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            EventType::Added => "ADDED",
            EventType::Modified => "MODIFIED",
            EventType::Deleted => "DELETED",
            EventType::Bookmark => "BOOKMARK",
        }
    }
}

/// One event of a watch.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchEvent {
    /// What happened.
    pub r#type: EventType,
    /// The object after it; for a deletion its last state. A bookmark's has no more than its resourceVersion.
    pub object: Value,
}

/// A watch cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The changes since the revision are not kept any longer (410): list again and watch from there.
    #[error("the watch cannot go on: {0}")]
    Expired(ApiError),
    /// The bus or the apiserver refused it.
    #[error(transparent)]
    Bus(BusError),
}

/// An event whose object is still MessagePack.
#[derive(Clone, Debug)]
pub struct Raw {
    /// What happened.
    pub event: EventType,
    /// Revision of the store it belongs to.
    pub revision: u64,
    /// The object after it, as in [`WatchEvent`].
    pub object: Bytes,
}

/// For whom a watch asks, where not for its own connection's identity.
#[derive(Clone, Debug, Default)]
pub struct Asker {
    /// The user a gateway speaks for.
    pub on_behalf: Option<OnBehalf>,
    /// The user's program.
    pub user_agent: String,
}

/// Watches a collection, or with a path that names one, an object. `query` is Kubernetes' (`labelSelector`,
/// `fieldSelector`, `allowWatchBookmarks`, `timeoutSeconds`, `sendInitialEvents`); `from` is the resourceVersion of the
/// list that was read before. Without `from` everything there is comes first, as [`EventType::Added`].
///
/// The stream lives through lost messages, reconnects and changes of the leader. It ends after `timeoutSeconds`, with
/// [`WatchError::Expired`] when the revision is too old, or with what the apiserver refuses; nothing follows an error.
pub fn watch(
    bus: &Bus,
    path: &str,
    query: &str,
    from: Option<&str>,
) -> impl Stream<Item = Result<WatchEvent, WatchError>> + Send + Unpin + use<> {
    let query = match from {
        Some(from) => format!("{query}&resourceVersion={}", kubus_proto::path::encode(from)),
        None => query.to_owned(),
    };
    let (bus, path) = (bus.clone(), path.to_owned());
    let opening = async move {
        match open(&bus, &path, &query, Asker::default()).await {
            Ok(events) => events,
            Err(error) => Box::pin(futures::stream::once(std::future::ready(Err(error)))),
        }
    };
    Box::pin(opening.flatten_stream().map(|event| {
        let Raw { event, object, .. } = event?;
        let object = codec::decode(&object).map_err(BusError::from)?;
        Ok(WatchEvent { r#type: event, object })
    }))
}

/// Opens a watch as in [`watch`]; an error is the apiserver's refusal, or its silence.
pub async fn open(
    bus: &Bus,
    path: &str,
    query: &str,
    asker: Asker,
) -> Result<BoxStream<'static, Result<Raw, WatchError>>, WatchError> {
    let mut plan = plan::Plan::parse(path, query).map_err(BusError::from)?;
    plan.asker = asker;
    let served = plan.served;
    let session = session::Session::open(bus, plan).await?;
    let events =
        futures::stream::unfold(
            session,
            |mut session| async move { session.next().await.map(|event| (event, session)) },
        );
    Ok(match served {
        Some(served) => Box::pin(events.map(|event| shown(served, event?))),
        None => Box::pin(events),
    })
}

/// An event in the version that was asked for; what is heard on the bus is in the stored one.
fn shown(served: &ServedVersion, event: Raw) -> Result<Raw, WatchError> {
    let mut object: Value = codec::decode(&event.object).map_err(BusError::from)?;
    served.from_stored(&mut object);
    let object = codec::encode(&object).map_err(BusError::from)?.into();
    Ok(Raw { object, ..event })
}
