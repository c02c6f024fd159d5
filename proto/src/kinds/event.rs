//! Event: something that happened to an object, for whoever asks why.

use super::{ALL_VERBS, Fields, KindRow, cells, no_scope};
use crate::table::{NAME, text, wide};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of Event.
pub static ROW: KindRow = KindRow {
    group: "",
    version: "v1",
    older_versions: &[],
    kind: "Event",
    plural: "events",
    singular: "event",
    short_names: &["ev"],
    namespaced: true,
    categories: &[],
    verbs: ALL_VERBS,
    subresources: &[],
    columns: &[
        text("Last Seen"),
        text("Type"),
        text("Reason"),
        text("Object"),
        wide("Subobject"),
        wide("Source"),
        text("Message"),
        wide("First Seen"),
        wide("Count"),
        crate::table::Column { priority: 1, ..NAME },
    ],
    cells: event_cells,
    fields: event_fields,
    scope: no_scope,
};

fn event_cells(event: &Value, now: Timestamp) -> Vec<Value> {
    let involved = &event["involvedObject"];
    let text = |v: &Value| cells::string(v);
    let age = |keys: &[&str]| {
        let moment =
            keys.iter().find_map(|k| event[*k].as_str()).or_else(|| event["metadata"]["creationTimestamp"].as_str());
        crate::duration::age(moment, now)
    };
    let (component, host) = (text(&event["source"]["component"]), text(&event["source"]["host"]));
    let component = if component.is_empty() { text(&event["reportingComponent"]) } else { component };
    let source = if host.is_empty() { component } else { format!("{component}, {host}") };
    vec![
        json!(age(&["lastTimestamp", "eventTime", "firstTimestamp"])),
        event["type"].clone(),
        event["reason"].clone(),
        json!(format!("{}/{}", text(&involved["kind"]).to_lowercase(), text(&involved["name"]))),
        json!(text(&involved["fieldPath"])),
        json!(source),
        json!(text(&event["message"]).trim()),
        json!(age(&["firstTimestamp", "eventTime"])),
        json!(event["count"].as_i64().unwrap_or(1).to_string()),
        cells::name(event),
    ]
}

fn event_fields(event: &Value) -> Fields {
    let involved = &event["involvedObject"];
    let mut fields: Fields = vec![
        ("reason", cells::string(&event["reason"])),
        ("type", cells::string(&event["type"])),
        ("reportingComponent", cells::string(&event["reportingComponent"])),
        ("source", cells::string(&event["source"]["component"])),
    ];
    for (path, key) in [
        ("involvedObject.kind", "kind"),
        ("involvedObject.namespace", "namespace"),
        ("involvedObject.name", "name"),
        ("involvedObject.uid", "uid"),
        ("involvedObject.apiVersion", "apiVersion"),
        ("involvedObject.resourceVersion", "resourceVersion"),
        ("involvedObject.fieldPath", "fieldPath"),
    ] {
        fields.push((path, cells::string(&involved[key])));
    }
    fields
}
