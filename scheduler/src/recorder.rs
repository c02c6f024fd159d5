//! Events about pods, a repeated one counted instead of made anew:
//! <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/>.

use crate::pod::{PodInfo, SCHEDULER_NAME};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// How many series are remembered; an event of a forgotten one begins a new series.
const SERIES_LIMIT: usize = 4_096;
/// How long after its last event a series goes on, in seconds.
const SERIES_SECONDS: i64 = 600;

/// How often a series is written in quick succession; further repeats are only counted.
const WRITE_BURST: u32 = 25;
/// After how long one more repeat is written, in seconds.
const WRITE_REFILL_SECONDS: i64 = 300;

/// What happened to a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It was bound.
    Scheduled,
    /// It could not be.
    FailedScheduling,
}

impl EventKind {
    /// Reason, type and action, as kube-scheduler has them.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            EventKind::Scheduled => ("Scheduled", "Normal", "Binding"),
            EventKind::FailedScheduling => ("FailedScheduling", "Warning", "Scheduling"),
        }
    }
}

/// One event to write.
#[derive(Clone, Debug)]
pub struct EventWrite {
    /// The whole event.
    pub event: Event,
    /// Whether it was written before with a lower count.
    pub repeated: bool,
}

#[derive(Debug)]
struct Series {
    name: String,
    count: i32,
    first: Timestamp,
    last: Timestamp,
    /// How many repeats may be written now.
    credit: u32,
    /// When credit was last given.
    credited: Timestamp,
}

impl Series {
    fn repeat(&mut self, now: Timestamp) {
        self.count = self.count.saturating_add(1);
        self.last = now;
        while self.credit < WRITE_BURST && now.as_second() - self.credited.as_second() >= WRITE_REFILL_SECONDS {
            self.credit += 1;
            self.credited += jiff::SignedDuration::from_secs(WRITE_REFILL_SECONDS);
        }
        if self.credit == WRITE_BURST {
            self.credited = now;
        }
    }

    fn spend(&mut self) -> bool {
        let may_write = self.credit > 0;
        self.credit = self.credit.saturating_sub(1);
        may_write
    }
}

type SeriesKey = (Arc<str>, String);

/// Remembers what was said of refused pods.
#[derive(Debug)]
pub struct Recorder {
    instance: String,
    series: HashMap<SeriesKey, Series>,
    order: VecDeque<SeriesKey>,
}

impl Recorder {
    /// For the replica named `instance`.
    pub fn new(instance: &str) -> Self {
        Self { instance: format!("{SCHEDULER_NAME}-{instance}"), series: HashMap::new(), order: VecDeque::new() }
    }

    /// The event to write about `pod`; `None` where the same was said too often of late.
    pub fn record(&mut self, pod: &PodInfo, kind: EventKind, message: String, now: Timestamp) -> Option<EventWrite> {
        let fresh = || Series {
            name: format!("{}.{:x}", pod.name, now.as_nanosecond()),
            count: 1,
            first: now,
            last: now,
            credit: WRITE_BURST,
            credited: now,
        };
        if kind == EventKind::Scheduled {
            return Some(EventWrite { event: self.event(pod, kind, message, &fresh()), repeated: false });
        }
        let key = (pod.uid.clone(), message.clone());
        if let Some(series) = self.series.get_mut(&key) {
            let goes_on = now.as_second() - series.last.as_second() <= SERIES_SECONDS;
            if goes_on {
                series.repeat(now);
            } else {
                *series = fresh();
            }
        } else {
            if self.order.len() >= SERIES_LIMIT
                && let Some(oldest) = self.order.pop_front()
            {
                self.series.remove(&oldest);
            }
            self.order.push_back(key.clone());
            self.series.insert(key.clone(), fresh());
        }
        let may_write = self.series.get_mut(&key).is_some_and(Series::spend);
        let series = self.series.get(&key).filter(|_| may_write)?;
        Some(EventWrite { event: self.event(pod, kind, message, series), repeated: series.count > 1 })
    }

    fn event(&self, pod: &PodInfo, kind: EventKind, message: String, series: &Series) -> Event {
        let (reason, type_, action) = kind.words();
        let text = |text: &str| Some(text.to_owned());
        Event {
            metadata: ObjectMeta {
                name: Some(series.name.clone()),
                namespace: text(&pod.namespace),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: text("v1"),
                kind: text("Pod"),
                namespace: text(&pod.namespace),
                name: text(&pod.name),
                uid: text(&pod.uid),
                resource_version: text(&pod.resource_version).filter(|version| !version.is_empty()),
                ..ObjectReference::default()
            },
            reason: text(reason),
            type_: text(type_),
            action: text(action),
            message: Some(message),
            count: Some(series.count),
            first_timestamp: Some(Time(series.first)),
            last_timestamp: Some(Time(series.last)),
            source: Some(EventSource { component: text(SCHEDULER_NAME), ..EventSource::default() }),
            reporting_component: text(SCHEDULER_NAME),
            reporting_instance: Some(self.instance.clone()),
            ..Event::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::pod;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("time")
    }

    #[test]
    fn a_repeated_refusal_is_one_event_that_counts() {
        let mut recorder = Recorder::new("scheduler-1");
        let web = pod("web").info();
        let mut refuse = |message: &str, second| {
            let write =
                recorder.record(&web, EventKind::FailedScheduling, message.to_owned(), at(second)).expect("written");
            (write.repeated, write.event.count, write.event.metadata.name.expect("name"))
        };
        let (repeated, count, name) = refuse("no room", 0);
        assert_eq!((repeated, count), (false, Some(1)));
        assert!(name.starts_with("web."));
        assert_eq!(refuse("no room", 5), (true, Some(2), name.clone()));
        assert_eq!(refuse("no room", 10), (true, Some(3), name.clone()));
        let other = refuse("no label", 10);
        assert!((other.0, other.1) == (false, Some(1)) && other.2 != name, "another message is another event");
        let late = refuse("no room", 1_000);
        assert!((late.0, late.1) == (false, Some(1)) && late.2 != name, "an old series is over");
    }

    #[test]
    fn events_carry_what_kubernetes_does() {
        let mut recorder = Recorder::new("scheduler-1");
        let message = "Successfully assigned default/web to n1".to_owned();
        let event = recorder.record(&pod("web").info(), EventKind::Scheduled, message, at(0)).expect("written").event;
        let event = serde_json::to_value(event).expect("json");
        assert_eq!(event["involvedObject"]["kind"], "Pod");
        assert_eq!(event["involvedObject"]["uid"], "uid-web");
        for (field, expected) in [("reason", "Scheduled"), ("type", "Normal"), ("action", "Binding")] {
            assert_eq!(event[field], expected);
        }
        assert_eq!(event["source"]["component"], "default-scheduler");
        assert_eq!(event["reportingComponent"], "default-scheduler");
        assert_eq!(event["reportingInstance"], "default-scheduler-scheduler-1");
        assert_eq!(event["firstTimestamp"], event["lastTimestamp"]);
        assert!(recorder.series.is_empty(), "what happens once is not remembered");
    }

    #[test]
    fn a_refusal_that_never_ends_is_written_ever_less_often() {
        let mut recorder = Recorder::new("scheduler-1");
        let web = pod("web").info();
        let mut written = Vec::new();
        for second in (0..3_000).step_by(10) {
            let write = recorder.record(&web, EventKind::FailedScheduling, "no room".to_owned(), at(second));
            written.extend(write.and_then(|w| w.event.count));
        }
        let burst: Vec<i32> = (1..=25).collect();
        assert_eq!(written[..25], burst);
        assert_eq!(written[25..], [31, 61, 91, 121, 151, 181, 211, 241, 271], "the count goes on meanwhile");
    }

    #[test]
    fn memory_is_bounded() {
        let mut recorder = Recorder::new("scheduler-1");
        let web = pod("web").info();
        for i in 0..SERIES_LIMIT + 10 {
            recorder.record(&web, EventKind::FailedScheduling, format!("reason {i}"), at(0));
        }
        assert_eq!((recorder.series.len(), recorder.order.len()), (SERIES_LIMIT, SERIES_LIMIT));
    }
}
