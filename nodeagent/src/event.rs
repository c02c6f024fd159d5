//! Events of pods and of the node, told to the API: one object for the same thing said again, with a count.
//! <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/>

use crate::api::{ApiFailure, NodeApi};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::json;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Events that wait to be written; more are dropped, as events may be.
const QUEUE_LIMIT: usize = 1_024;
/// Events remembered to be counted up.
const MEMORY_LIMIT: usize = 4_096;
/// Tries of one event.
const TRIES: u32 = 5;
/// Pause between tries.
const RETRY: Duration = Duration::from_millis(500);
/// Component that tells of pods on nodes.
pub const COMPONENT: &str = "kubelet";

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct News {
    /// Kind, namespace, name, uid and field path of what it is about.
    pub about: About,
    /// Something is wrong.
    pub warning: bool,
    /// `Started`, …
    pub reason: String,
    /// For a human.
    pub message: String,
}

/// What an event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct About {
    /// `Pod`, `Node`.
    pub kind: String,
    /// Namespace, empty for a node.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// uid.
    pub uid: String,
    /// `spec.containers{name}` or empty.
    pub field_path: String,
}

/// Takes events; clones share one queue.
#[derive(Clone)]
pub struct Recorder {
    queue: mpsc::Sender<News>,
}

impl Recorder {
    /// Starts to write events of `node`; ends when every clone is dropped.
    pub fn start(api: Arc<dyn NodeApi>, node: &str) -> Self {
        let (queue, mut inbox) = mpsc::channel::<News>(QUEUE_LIMIT);
        let node = node.to_owned();
        tokio::spawn(async move {
            let mut memory = Memory::default();
            while let Some(news) = inbox.recv().await {
                write(api.as_ref(), &mut memory, &news, &node).await;
            }
        });
        Self { queue }
    }

    /// Tells; never waits.
    pub fn record(&self, news: News) {
        if self.queue.try_send(news).is_err() {
            tracing::warn!("too many events wait to be written, one is dropped");
        }
    }
}

/// What was told before: the event's name and how often.
#[derive(Default)]
struct Memory {
    known: HashMap<News, (String, i32)>,
    order: VecDeque<News>,
}

impl Memory {
    fn remember(&mut self, news: &News, name: String, count: i32) {
        if self.known.insert(news.clone(), (name, count)).is_none() {
            self.order.push_back(news.clone());
            if self.order.len() > MEMORY_LIMIT
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
    }
}

async fn write(api: &dyn NodeApi, memory: &mut Memory, news: &News, node: &str) {
    for _ in 0..TRIES {
        let now = Timestamp::now();
        let result = match memory.known.get(news).cloned() {
            Some((name, count)) => {
                let patch = json!({"count": count + 1, "lastTimestamp": Time(now)});
                match api.patch_event(namespace(news), &name, patch).await {
                    Ok(()) => {
                        memory.remember(news, name, count + 1);
                        Ok(())
                    }
                    Err(ApiFailure::Gone) => {
                        memory.known.remove(news);
                        memory.order.retain(|n| n != news);
                        continue;
                    }
                    Err(error) => Err(error),
                }
            }
            None => {
                let event = event(news, node, now, rand::random());
                let name = event.metadata.name.clone().unwrap_or_default();
                let created = api.create_event(event).await;
                if created.is_ok() {
                    memory.remember(news, name, 1);
                }
                created
            }
        };
        match result {
            Ok(()) | Err(ApiFailure::Gone | ApiFailure::Exists) => return,
            Err(ApiFailure::Refused(why)) => {
                tracing::debug!(reason = %news.reason, %why, "event refused");
                return;
            }
            Err(ApiFailure::Unavailable(_)) => tokio::time::sleep(RETRY).await,
        }
    }
}

fn namespace(news: &News) -> &str {
    if news.about.namespace.is_empty() { "default" } else { &news.about.namespace }
}

/// A new event object.
fn event(news: &News, node: &str, now: Timestamp, unique: u64) -> Event {
    let about = &news.about;
    let some = |text: &str| Some(text.to_owned()).filter(|t| !t.is_empty());
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{}.{unique:016x}", about.name)),
            namespace: Some(namespace(news).to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: some(&about.kind),
            namespace: some(&about.namespace),
            name: some(&about.name),
            uid: some(&about.uid),
            field_path: some(&about.field_path),
            ..ObjectReference::default()
        },
        type_: Some(if news.warning { "Warning" } else { "Normal" }.to_owned()),
        reason: Some(news.reason.clone()),
        message: Some(news.message.clone()),
        count: Some(1),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        source: Some(EventSource { component: Some(COMPONENT.to_owned()), host: some(node) }),
        reporting_component: Some(COMPONENT.to_owned()),
        reporting_instance: some(node),
        ..Event::default()
    }
}
