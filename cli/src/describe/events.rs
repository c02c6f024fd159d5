//! Events below a description: the oldest first, with how often and since when.

use super::writer::{Description, list, text};
use jiff::Timestamp;
use kubus_proto::duration::age;
use serde_json::Value;

/// Puts events in the order in which they were last seen. Times are whole seconds; within one, the order in which the
/// apiserver stored them is the better guess.
pub fn sort_events(events: &mut [Value]) {
    events.sort_by_cached_key(|event| {
        let revision = event["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse::<u64>().ok());
        let seen = ["lastTimestamp", "eventTime", "firstTimestamp"]
            .iter()
            .find_map(|key| event[*key].as_str())
            .or_else(|| event["metadata"]["creationTimestamp"].as_str())
            .and_then(|time| time.parse::<Timestamp>().ok());
        (seen, revision)
    });
}

/// `5m` or, for what happened often, `6s (x3 over 5m)`.
pub fn interval(event: &Value, now: Timestamp) -> String {
    let first = ["eventTime", "firstTimestamp", "lastTimestamp"]
        .iter()
        .find_map(|key| event[*key].as_str())
        .or_else(|| event["metadata"]["creationTimestamp"].as_str());
    let since = age(first, now);
    let series = &event["series"];
    if let Some(count) = series["count"].as_i64() {
        return format!("{} (x{count} over {since})", age(series["lastObservedTime"].as_str(), now));
    }
    match event["count"].as_i64() {
        Some(count) if count > 1 => format!("{} (x{count} over {since})", age(event["lastTimestamp"].as_str(), now)),
        _ => since,
    }
}

/// Adds the events of an object.
pub(super) fn describe(events: &[Value], out: &mut Description) {
    if events.is_empty() {
        out.field(0, "Events", "<none>");
        return;
    }
    out.flush();
    let mut events = events.to_vec();
    sort_events(&mut events);
    out.line(0, "Events:");
    out.line(1, "Type\tReason\tAge\tFrom\tMessage");
    out.line(1, "----\t------\t----\t----\t-------");
    for event in list(&Value::Array(events)) {
        let source = &event["source"]["component"];
        let from = if text(source).is_empty() { text(&event["reportingComponent"]) } else { text(source) };
        let (kind, reason) = (text(&event["type"]), text(&event["reason"]));
        let message = text(&event["message"]);
        out.line(1, &format!("{kind}\t{reason}\t{}\t{from}\t{}", interval(event, out.now), message.trim()));
    }
}
