//! Pods and nodes as they change, made small at the edge: the scheduler keeps none of the API's own structs.

use crate::executor::Input;
use crate::node::NodeSpec;
use crate::pod::ObservedPod;
use crate::scheduler::Change;
use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::runtime::WatchStreamExt;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Wait before a watch that failed is begun again; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest such wait.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Tells every pod and its changes for as long as somebody listens.
pub async fn pods(client: kube::Client, inputs: mpsc::Sender<Input>) {
    let key = |pod: &Pod| pod.metadata.uid.as_deref().map(Arc::from);
    follow(Api::<Pod>::all(client), inputs, |event| change(event, ObservedPod::read, key).map(Input::Pod)).await;
}

/// Tells every node and its changes for as long as somebody listens.
pub async fn nodes(client: kube::Client, inputs: mpsc::Sender<Input>) {
    let key = |node: &Node| node.metadata.name.as_deref().map(Arc::from);
    follow(Api::<Node>::all(client), inputs, |event| change(event, NodeSpec::read, key).map(Input::Node)).await;
}

fn change<O, K, T>(
    event: Event<O>,
    read: impl Fn(&O) -> Option<T>,
    key: impl Fn(&O) -> Option<K>,
) -> Option<Change<K, T>> {
    match event {
        Event::Init => Some(Change::Relist),
        Event::InitApply(object) | Event::Apply(object) => read(&object).map(Change::Seen),
        Event::Delete(object) => key(&object).map(Change::Gone),
        Event::InitDone => Some(Change::Listed),
    }
}

async fn follow<O>(api: Api<O>, inputs: mpsc::Sender<Input>, read: impl Fn(Event<O>) -> Option<Input>)
where
    O: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let events = watcher(api, watcher::Config::default()).backoff(Waits { next: FIRST_WAIT });
    pin_mut!(events);
    while let Some(event) = events.next().await {
        let input = match event {
            Ok(event) => read(event),
            Err(error) => {
                tracing::warn!(%error, kind = &*O::kind(&()), "watch failed; it is begun again");
                None
            }
        };
        if let Some(input) = input
            && inputs.send(input).await.is_err()
        {
            return;
        }
    }
}

/// Doubling waits without end.
struct Waits {
    next: Duration,
}

impl Iterator for Waits {
    type Item = Duration;
    fn next(&mut self) -> Option<Duration> {
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST_WAIT);
        Some(wait.mul_f64(rand::random_range(0.5..1.0)))
    }
}

impl Backoff for Waits {
    fn reset(&mut self) {
        self.next = FIRST_WAIT;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn watch_events_become_changes() {
        let pod = || -> Pod {
            serde_json::from_value(json!({"metadata": {"name": "a", "uid": "u"}, "spec": {"containers": []}}))
                .expect("pod")
        };
        let read = |event| change(event, ObservedPod::read, |pod: &Pod| pod.metadata.uid.clone());
        assert!(matches!(read(Event::Init), Some(Change::Relist)));
        assert!(matches!(read(Event::InitApply(pod())), Some(Change::Seen(_))));
        assert!(matches!(read(Event::InitDone), Some(Change::Listed)));
        assert!(matches!(read(Event::Apply(pod())), Some(Change::Seen(_))));
        assert!(matches!(read(Event::Delete(pod())), Some(Change::Gone(uid)) if uid == "u"));
        assert!(read(Event::Apply(Pod::default())).is_none());
    }

    #[test]
    fn waits_grow_to_a_bound_and_start_over() {
        let mut waits = Waits { next: FIRST_WAIT };
        assert!(waits.by_ref().take(20).all(|wait| wait <= LONGEST_WAIT));
        assert!(waits.next().is_some_and(|wait| wait >= LONGEST_WAIT / 2));
        waits.reset();
        assert!(waits.next().is_some_and(|wait| wait <= FIRST_WAIT));
    }
}
