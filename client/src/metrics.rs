//! What a process counts, in Prometheus' text form. Processes open no ports: a gateway asks for their metrics over the
//! bus and shows them. <https://prometheus.io/docs/specs/om/open_metrics_spec/>

mod process;
mod requests;

pub use requests::{InWork, RequestMetrics, Subject};

use crate::{Bus, BusError};
use futures::StreamExt;
use kubus_proto::subject;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
pub use prometheus_client::registry::Registry;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// Content type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How long a process may take to tell its metrics, in milliseconds.
const ANSWER_MS: u64 = 2_000;
/// Bounds of durations: 0.5 ms to 16 s.
const DURATION_BUCKETS: u16 = 16;

/// Which way a request went and how it ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct BusLabels {
    pub(crate) route: &'static str,
    /// HTTP code of the answer, 0 where there was none.
    pub(crate) code: u16,
}

/// What every connection to the bus counts.
pub(crate) struct BusMetrics {
    pub(crate) requests: Family<BusLabels, Counter>,
    pub(crate) retries: Counter,
    pub(crate) duration: Histogram,
    pub(crate) losses: Counter,
    pub(crate) gaps: Counter,
}

/// Shared by all connections of the process.
pub(crate) static BUS: LazyLock<BusMetrics> = LazyLock::new(|| BusMetrics {
    requests: Family::default(),
    retries: Counter::default(),
    duration: durations(),
    losses: Counter::default(),
    gaps: Counter::default(),
});

fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.000_5, 2.0, DURATION_BUCKETS))
}

/// A registry that knows the process itself and its connections to the bus.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(process::Process));
    let bus = registry.sub_registry_with_prefix("kubus_bus");
    bus.register("requests", "Requests sent over the bus, by how they ended", BUS.requests.clone());
    bus.register("retries", "Attempts beyond the first one", BUS.retries.clone());
    bus.register("request_duration_seconds", "Time of requests, all attempts together", BUS.duration.clone());
    bus.register("losses", "Times that messages may have been lost on a connection", BUS.losses.clone());
    bus.register("watch_gaps", "Times that a watch noticed that it had missed changes", BUS.gaps.clone());
    registry
}

/// The text of everything in `registry`.
pub fn text(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = encode(&mut text, registry);
    text
}

/// Lets this process tell its metrics, where it counts nothing of its own.
pub fn tell(bus: &Bus) {
    tokio::spawn(serve(bus.clone(), Arc::new(registry())));
}

/// Answers questions for this process' metrics until the connection ends.
pub async fn serve(bus: Bus, registry: Arc<Registry>) {
    let identity = bus.identity().to_owned();
    let mut questions = match bus.subscribe(subject::metrics_question(&identity)).await {
        Ok(questions) => questions,
        Err(error) => return tracing::warn!(%error, "metrics are not told"),
    };
    while questions.next().await.is_some() {
        if let Err(error) = bus.publish(subject::metrics_answer(&identity), text(&registry).into()).await {
            tracing::warn!(%error, "metrics cannot be told");
        }
    }
}

/// The metrics of the process that has `identity`; nothing where it does not answer.
pub async fn of(bus: &Bus, identity: &str) -> Result<Option<String>, BusError> {
    let mut answers = bus.subscribe(subject::metrics_answer(identity)).await?;
    bus.publish(subject::metrics_question(identity), bytes::Bytes::new()).await?;
    let answer = tokio::time::timeout(Duration::from_millis(ANSWER_MS), answers.next()).await;
    Ok(answer.ok().flatten().map(|message| String::from_utf8_lossy(&message.payload).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_what_is_counted() {
        BUS.requests.get_or_create(&BusLabels { route: "read", code: 200 }).inc();
        BUS.gaps.inc();
        let text = text(&registry());
        for line in [
            "# TYPE kubus_bus_requests counter",
            "kubus_bus_requests_total{route=\"read\",code=\"200\"} ",
            "kubus_bus_watch_gaps_total ",
            "kubus_bus_request_duration_seconds_bucket{le=\"0.0005\"} ",
            "process_resident_memory_bytes ",
            "process_cpu_seconds_total ",
            "process_start_time_seconds ",
            "process_open_fds ",
        ] {
            assert!(text.lines().any(|l| l.starts_with(line)), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
