//! Event on its way into the store.
//! <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/>

use super::causes::{invalid, required};
use super::metadata::check;
use super::names::qualified_name;
use super::{Behaviour, NameRule, PLAIN, schema_of};
use k8s_openapi::api::core::v1::Event;
use kubus_proto::status::Cause;

/// Behaviour of Event.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::event::ROW,
    schema: schema_of!(Event),
    rules: |event, causes| check(event, causes, validate_event),
    // The name of what an event is about is part of its name, and some of those are no subdomains.
    name: NameRule::PathSegment,
    ..PLAIN
};

/// Most characters of an action, a reason and a reporter of an event of the newer kind.
const WORD_LIMIT: usize = 128;
/// Most characters of its message.
const MESSAGE_LIMIT: usize = 1024;

fn validate_event(event: &Event, causes: &mut Vec<Cause>) {
    let own = event.metadata.namespace.as_deref().unwrap_or_default();
    let about = event.involved_object.namespace.as_deref().unwrap_or_default();
    let newer = event.event_time.is_some();
    // Events about what lives in no namespace go to `default`, or by the newer rules to `kube-system`.
    let fits = match about {
        "" => own.is_empty() || own == "default" || (newer && own == "kube-system"),
        about => newer || own == about,
    };
    if !fits {
        causes.push(invalid("involvedObject.namespace", about, "does not match event.namespace"));
    }
    if !newer {
        return;
    }
    let reporter = event.reporting_component.as_deref().unwrap_or_default();
    if reporter.is_empty() {
        causes.push(required("reportingComponent", ""));
    }
    causes.extend(qualified_name(reporter).iter().map(|problem| invalid("reportingComponent", reporter, problem)));
    for (field, value) in
        [("reportingInstance", &event.reporting_instance), ("action", &event.action), ("reason", &event.reason)]
    {
        match value.as_deref().unwrap_or_default() {
            "" => causes.push(required(field, "")),
            value if value.chars().count() > WORD_LIMIT => {
                causes.push(invalid(field, "", format!("can have at most {WORD_LIMIT} characters")));
            }
            _ => {}
        }
    }
    if event.message.as_ref().is_some_and(|message| message.chars().count() > MESSAGE_LIMIT) {
        causes.push(invalid("message", "", format!("can have at most {MESSAGE_LIMIT} characters")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn an_event_is_where_its_object_is() {
        let event = |namespace: &str, about: Value| json!({"metadata": {"name": "a.1", "namespace": namespace}, "involvedObject": about});
        for (event, fields) in [
            (event("a", json!({"kind": "Pod", "namespace": "a"})), vec![]),
            (event("default", json!({"kind": "Node"})), vec![]),
            (event("a", json!({"kind": "Node"})), vec!["involvedObject.namespace"]),
            (event("a", json!({"kind": "Pod", "namespace": "b"})), vec!["involvedObject.namespace"]),
        ] {
            let found: Vec<String> = BEHAVIOUR.validate(&event).into_iter().map(|cause| cause.field).collect();
            assert_eq!(found, fields, "{event}");
        }
        let mut newer = event("a", json!({"namespace": "a"}));
        newer["eventTime"] = json!("2024-01-01T00:00:00.000000Z");
        newer["reportingComponent"] = json!("kubelet");
        newer["reason"] = json!("x".repeat(129));
        let found: Vec<String> = BEHAVIOUR.validate(&newer).into_iter().map(|cause| cause.field).collect();
        assert_eq!(found, ["reportingInstance", "action", "reason"]);
    }
}
