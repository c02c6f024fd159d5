//! What Events of `events.k8s.io/v1` must hold, which those of the core group need not.
//! <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/>

use super::Border;
use crate::behaviour::causes::{invalid, required};
use crate::behaviour::schema_of;
use k8s_openapi::api::events::v1::Event;
use kubus_proto::status::Cause;
use serde_json::Value;

pub(super) static BORDER: Border =
    Border { group: "events.k8s.io", version: "v1", kind: "Event", schema: schema_of!(Event), create_rules };

/// Fields that only Events of the core group may set, by their stored names.
const UNSET: [&str; 3] = ["firstTimestamp", "lastTimestamp", "count"];

fn create_rules(event: &Value, causes: &mut Vec<Cause>) {
    if event["eventTime"].is_null() {
        causes.push(required("eventTime", ""));
    }
    let series = &event["series"];
    if series.is_object() {
        if series["count"].as_i64().unwrap_or_default() < 2 {
            causes.push(invalid("series.count", "", "should be at least 2"));
        }
        if series["lastObservedTime"].is_null() {
            causes.push(required("series.lastObservedTime", ""));
        }
    }
    let kind = event["type"].as_str().unwrap_or_default();
    if !["Normal", "Warning"].contains(&kind) {
        causes.push(invalid("type", "", format!("has invalid value: {kind}")));
    }
    for field in UNSET {
        if !event[field].is_null() && event[field] != 0 {
            causes.push(invalid(field, "", "needs to be unset"));
        }
    }
    let source = event["source"].as_object().into_iter().flatten();
    if source.into_iter().any(|(_, value)| value.as_str().is_some_and(|text| !text.is_empty())) {
        causes.push(invalid("source", "", "needs to be unset"));
    }
}
