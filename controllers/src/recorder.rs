//! Events: one place that names, counts and writes them. <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/>

use crate::api::ApiServer;
use crate::object::timestamp;
use crate::plan::{Action, EventDraft, Severity, Target};
use jiff::Timestamp;
use kubus_proto::Reason;
use kubus_proto::kinds::event;
use serde_json::json;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Events waiting to be written; more are dropped, since no controller waits for its words to be heard.
const QUEUE_LIMIT: usize = 4_096;
/// Series of equal events remembered, so that a repetition counts up and does not write anew.
const SERIES_LIMIT: usize = 4_096;
/// How long a series lasts without a repetition, in seconds.
const SERIES_SECONDS: i64 = 600;
/// Namespace of events about cluster-wide objects.
const DEFAULT_NAMESPACE: &str = "default";

/// Takes events; clones share the queue.
#[derive(Clone, Debug)]
pub struct Recorder {
    queue: mpsc::Sender<EventDraft>,
}

impl Recorder {
    /// A recorder and the other end of its queue, for [`write_events`].
    pub fn new() -> (Self, mpsc::Receiver<EventDraft>) {
        let (queue, receiver) = mpsc::channel(QUEUE_LIMIT);
        (Self { queue }, receiver)
    }

    /// Has `event` written some time soon.
    pub fn record(&self, event: EventDraft) {
        if let Err(error) = self.queue.try_send(event) {
            tracing::debug!(%error, "event dropped");
        }
    }
}

/// Writes events until every recorder is gone.
pub async fn write_events<A: ApiServer>(api: Arc<A>, mut queue: mpsc::Receiver<EventDraft>) {
    let mut correlator = Correlator::default();
    while let Some(draft) = queue.recv().await {
        let now = Timestamp::now();
        let action = correlator.decide(now, &draft);
        let mut result = api.write(&action).await;
        if matches!(action, Action::Patch { .. })
            && result.as_ref().is_err_and(|e| e.reason() == Some(Reason::NotFound))
        {
            // The event it repeats has been cleaned up meanwhile.
            correlator.forget(&draft);
            result = api.write(&correlator.decide(now, &draft)).await;
        }
        if let Err(error) = result {
            correlator.forget(&draft);
            tracing::debug!(reason = draft.reason, object = draft.name, %error, "event not written");
        }
    }
}

/// What makes two events the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Series {
    component: &'static str,
    uid: String,
    name: String,
    severity: Severity,
    reason: &'static str,
    message: String,
}

impl Series {
    fn of(draft: &EventDraft) -> Self {
        Self {
            component: draft.component,
            uid: draft.uid.clone(),
            name: draft.name.clone(),
            severity: draft.severity,
            reason: draft.reason,
            message: draft.message.clone(),
        }
    }
}

struct Written {
    name: String,
    count: i32,
    last: Timestamp,
}

/// Decides whether an event is new or the repetition of one.
#[derive(Default)]
pub struct Correlator {
    series: HashMap<Series, Written>,
    order: VecDeque<Series>,
}

impl Correlator {
    /// The write for an event at `now`.
    pub fn decide(&mut self, now: Timestamp, draft: &EventDraft) -> Action {
        let namespace = if draft.namespace.is_empty() { DEFAULT_NAMESPACE } else { &draft.namespace };
        let series = Series::of(draft);
        if let Some(written) = self.series.get_mut(&series)
            && now.as_second() - written.last.as_second() <= SERIES_SECONDS
        {
            written.count = written.count.saturating_add(1);
            written.last = now;
            let target = Target {
                row: &event::ROW,
                namespace: namespace.to_owned(),
                name: written.name.clone(),
                uid: String::new(),
                resource_version: None,
            };
            let patch = json!({"count": written.count, "lastTimestamp": timestamp(now)});
            return Action::Patch { target, subresource: "", patch };
        }
        let name = format!("{}.{:x}", draft.name, now.as_nanosecond());
        self.remember(series, Written { name: name.clone(), count: 1, last: now });
        let object = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {
                "apiVersion": draft.api_version, "kind": draft.kind, "namespace": draft.namespace,
                "name": draft.name, "uid": draft.uid, "resourceVersion": draft.resource_version,
            },
            "reason": draft.reason, "message": draft.message,
            "type": match draft.severity { Severity::Normal => "Normal", Severity::Warning => "Warning" },
            "source": {"component": draft.component},
            "reportingComponent": draft.component, "reportingInstance": "",
            "firstTimestamp": timestamp(now), "lastTimestamp": timestamp(now), "count": 1,
        });
        Action::Create { row: &event::ROW, namespace: namespace.to_owned(), name, object }
    }

    /// The event was not written or is gone: its next repetition is new.
    pub fn forget(&mut self, draft: &EventDraft) {
        self.series.remove(&Series::of(draft));
    }

    fn remember(&mut self, series: Series, written: Written) {
        if self.series.insert(series.clone(), written).is_none() {
            self.order.push_back(series);
        }
        while self.order.len() > SERIES_LIMIT {
            if let Some(oldest) = self.order.pop_front() {
                self.series.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(message: &str) -> EventDraft {
        EventDraft {
            component: "replicaset-controller",
            api_version: "apps/v1".into(),
            kind: "ReplicaSet",
            namespace: "ns".into(),
            name: "web".into(),
            uid: "u".into(),
            resource_version: "1".into(),
            severity: Severity::Normal,
            reason: "SuccessfulCreate",
            message: message.into(),
        }
    }

    #[test]
    fn repetitions_count_up_within_ten_minutes() {
        let mut correlator = Correlator::default();
        let at = |s| Timestamp::from_second(s).expect("time");
        let Action::Create { name, object, .. } = correlator.decide(at(0), &draft("a")) else {
            panic!("the first is new");
        };
        assert_eq!(object["involvedObject"]["kind"], "ReplicaSet");
        let Action::Patch { target, patch, .. } = correlator.decide(at(60), &draft("a")) else {
            panic!("the second counts");
        };
        assert_eq!((target.name, &patch["count"]), (name, &json!(2)));
        assert!(matches!(correlator.decide(at(60), &draft("b")), Action::Create { .. }), "another message");
        assert!(matches!(correlator.decide(at(661), &draft("a")), Action::Create { .. }), "too late");
        correlator.forget(&draft("a"));
        assert!(matches!(correlator.decide(at(662), &draft("a")), Action::Create { .. }), "forgotten");
    }

    #[test]
    fn memory_is_bounded() {
        let mut correlator = Correlator::default();
        for i in 0..SERIES_LIMIT + 10 {
            correlator.decide(Timestamp::UNIX_EPOCH, &draft(&i.to_string()));
        }
        assert_eq!((correlator.series.len(), correlator.order.len()), (SERIES_LIMIT, SERIES_LIMIT));
        let draft = draft("x");
        for _ in 0..SERIES_LIMIT * 2 {
            correlator.decide(Timestamp::UNIX_EPOCH, &draft);
            correlator.forget(&draft);
        }
        assert!(correlator.order.len() <= SERIES_LIMIT);
    }
}
