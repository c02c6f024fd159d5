//! ReplicationController on its way into the store.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/replicationcontroller/>

use super::causes::required;
use super::metadata::check;
use super::path::FieldPath;
use super::workload::{default_replicas_and_template, labels_of, not_negative, validate_template};
use super::{Behaviour, PLAIN, prepare, schema_of};
use k8s_openapi::api::core::v1::{ReplicationController, ReplicationControllerSpec};
use kubus_proto::selector::Selector;
use kubus_proto::status::Cause;
use serde_json::{Value, json};

/// Behaviour of ReplicationController.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::replication_controller::ROW,
    schema: schema_of!(ReplicationController),
    defaults,
    prepare_create: |controller| prepare::first_generation(controller, json!({"replicas": 0})),
    prepare_update: prepare::keep_status,
    prepare_status: prepare::only_status,
    spec_changed: prepare::spec_differs,
    rules: |controller, causes| {
        check(controller, causes, |c: &ReplicationController, causes| {
            validate_spec(&c.spec.clone().unwrap_or_default(), causes);
        });
    },
    ..PLAIN
};

fn defaults(controller: &mut Value) {
    default_replicas_and_template(controller);
    // The template's labels stand in for a selector and for labels of the controller's own.
    let labels = controller["spec"]["template"]["metadata"]["labels"].clone();
    if labels.as_object().is_none_or(|labels| labels.is_empty()) {
        return;
    }
    for (parent, key) in [("spec", "selector"), ("metadata", "labels")] {
        let place = &mut controller[parent][key];
        if place.as_object().is_none_or(|map| map.is_empty()) {
            *place = labels.clone();
        }
    }
}

fn validate_spec(spec: &ReplicationControllerSpec, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    not_negative(&path.field("minReadySeconds"), spec.min_ready_seconds, causes);
    let selector = spec.selector.clone().unwrap_or_default();
    if selector.is_empty() {
        causes.push(required(path.field("selector"), ""));
    }
    not_negative(&path.field("replicas"), spec.replicas, causes);
    match &spec.template {
        None => causes.push(required(path.field("template"), "")),
        Some(template) => {
            let matches = Selector::from_map(&selector).matches(&labels_of(template));
            validate_template(template, matches, "ReplicationController", &path.field("template"), causes);
        }
    }
}
