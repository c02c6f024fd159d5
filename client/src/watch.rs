//! Watches that miss nothing although the bus may lose, repeat and delay messages.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>

mod bookmarks;
mod hub;
mod initial;
mod lines;
mod plan;
mod selection;
mod session;
pub mod tracker;

use crate::{Bus, BusError, transcode};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, Stream, StreamExt};
use kubus_proto::kinds::custom::{self, DEFINITIONS_PATH, Definition};
use kubus_proto::kinds::versions::ServedVersion;
use kubus_proto::path::{ResourcePath, encode};
use kubus_proto::request::Method;
use kubus_proto::user::OnBehalf;
use kubus_proto::{ApiError, ApiRequest, KindRow, Reason, codec};
use serde_json::Value;
use std::sync::Arc;

pub(crate) use bookmarks::Bookmarks;
pub(crate) use hub::Hubs;
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
    /// What all watches that see this event share.
    shared: Option<Arc<hub::Shared>>,
}

impl Raw {
    /// Appends the object as JSON; one that many watches see is turned into JSON once.
    pub fn append_json(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        match self.shared.as_ref().and_then(|shared| shared.json()) {
            Some(json) => {
                out.extend_from_slice(json);
                Ok(())
            }
            None => transcode::append_json(&self.object, out),
        }
    }
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
            Ok(opened) => opened.events,
            Err(error) => Box::pin(futures::stream::once(std::future::ready(Err(error)))),
        }
    };
    Box::pin(opening.flatten_stream().map(|event| {
        let Raw { event, object, .. } = event?;
        let object = codec::decode(&object).map_err(BusError::from)?;
        Ok(WatchEvent { r#type: event, object })
    }))
}

/// A watch that was opened.
pub struct Opened {
    /// Row of the kind.
    pub row: &'static KindRow,
    /// Its events.
    pub events: BoxStream<'static, Result<Raw, WatchError>>,
}

/// Opens a watch as in [`watch`]; an error is the apiserver's refusal, or its silence. A revision that is too old is
/// told as the first event.
pub async fn open(bus: &Bus, path: &str, query: &str, asker: Asker) -> Result<Opened, WatchError> {
    let target = target(bus, path).await?;
    let mut plan = plan::Plan::parse(target, query).map_err(BusError::from)?;
    plan.asker = asker;
    let (row, served) = (plan.row, plan.served);
    let session = match session::Session::open(bus, plan).await {
        Ok(session) => session,
        // Kubernetes tells of an expired list token in the same way as of an expired revision.
        Err(WatchError::Expired(error)) => {
            let expired = futures::stream::once(std::future::ready(Err(WatchError::Expired(error))));
            return Ok(Opened { row, events: expired.boxed() });
        }
        Err(error) => return Err(error),
    };
    let events =
        futures::stream::unfold(
            session,
            |mut session| async move { session.next().await.map(|event| (event, session)) },
        );
    let events = match served {
        Some(served) => events.map(|event| shown(served, event?)).boxed(),
        None => events.boxed(),
    };
    Ok(Opened { row, events })
}

/// What a path is about; a kind that is not in the table is asked for among those defined at run time.
async fn target(bus: &Bus, path: &str) -> Result<ResourcePath, WatchError> {
    if let Some(known) = ResourcePath::parse(path) {
        return Ok(known);
    }
    let nothing = || ApiError::new(Reason::NotFound, "the server could not find the requested resource");
    let mut asked = None;
    let _ = ResourcePath::parse_with(path, |group, version, plural| {
        asked = Some(format!("{DEFINITIONS_PATH}/{}/{}/{}", encode(group), encode(version), encode(plural)));
        None
    });
    let question = ApiRequest::new(Method::Get, asked.ok_or_else(|| BusError::from(nothing()))?);
    let definition: Definition = codec::decode(&bus.request_ok(question).await?).map_err(BusError::from)?;
    let row = custom::intern(&definition)
        .map_err(|error| BusError::from(ApiError::new(Reason::InternalError, error.to_string())))?;
    Ok(ResourcePath::parse_with(path, |_, _, _| Some(row)).ok_or_else(|| BusError::from(nothing()))?)
}

/// An event in the version that was asked for; what is heard on the bus is in the stored one.
fn shown(served: &ServedVersion, event: Raw) -> Result<Raw, WatchError> {
    let mut object: Value = codec::decode(&event.object).map_err(BusError::from)?;
    served.from_stored(&mut object);
    let object = codec::encode(&object).map_err(BusError::from)?.into();
    Ok(Raw { object, shared: None, ..event })
}
