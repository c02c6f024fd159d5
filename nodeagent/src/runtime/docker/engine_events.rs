//! News of the engine; after every new connection the containers are to be listed again, for what was missed.

use super::super::{RuntimeEvent, label};
use super::{DockerRuntime, listing};
use bollard::query_parameters::EventsOptions;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use std::time::Duration;

/// Pause before an engine that does not answer is asked again.
const RECONNECT: Duration = Duration::from_millis(500);
/// Lists also come without a reason, in case an event was lost.
const RELIST: Duration = Duration::from_secs(30);

/// Seconds before a new connection whose events are asked for again.
const OVERLAP_S: i64 = 2;

type Raw = BoxStream<'static, Result<bollard::models::EventMessage, bollard::errors::Error>>;

/// News of the node's containers, for ever.
pub(super) fn events(runtime: DockerRuntime) -> impl Stream<Item = RuntimeEvent> + Send + 'static {
    stream::unfold((runtime, None::<Raw>), |(runtime, raw)| async move {
        let mut raw = match raw {
            Some(raw) => raw,
            None => {
                // The connection is made when the stream is first read, after the list: `since` closes the gap.
                return Some((Some(RuntimeEvent::Relist), (runtime.clone(), Some(open(&runtime)))));
            }
        };
        match tokio::time::timeout(RELIST, raw.next()).await {
            Err(_elapsed) => Some((Some(RuntimeEvent::Relist), (runtime, Some(raw)))),
            Ok(Some(Ok(message))) => {
                let actor = message.actor.unwrap_or_default();
                let uid = actor.attributes.unwrap_or_default().remove(label::POD_UID);
                let event = uid.zip(actor.id).map(|(uid, id)| RuntimeEvent::Changed { uid, id });
                Some((event, (runtime, Some(raw))))
            }
            Ok(Some(Err(_)) | None) => {
                tracing::warn!("the engine's events ended, connecting again");
                tokio::time::sleep(RECONNECT).await;
                Some((None, (runtime, None)))
            }
        }
    })
    .filter_map(std::future::ready)
}

fn open(runtime: &DockerRuntime) -> Raw {
    let mut filters = listing::filters(runtime, None);
    filters.insert("type".to_owned(), vec!["container".to_owned()]);
    filters.insert("event".to_owned(), vec!["die".to_owned(), "destroy".to_owned()]);
    let since = jiff::Timestamp::now().as_second() - OVERLAP_S;
    let options = EventsOptions { filters: Some(filters), since: Some(since.to_string()), until: None };
    runtime.docker.events(Some(options)).boxed()
}
