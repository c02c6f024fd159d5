//! ReplicaSet on its way into the store.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/>

use super::metadata::typed;
use super::path::FieldPath;
use super::workload::{
    default_replicas_and_own_template, has_selector, immutable_selector, not_negative, validate_selector_and_template,
};
use super::{Behaviour, PLAIN, prepare, schema_of};
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetSpec};
use kubus_proto::status::Cause;
use serde_json::{Value, json};

/// Behaviour of ReplicaSet.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::replica_set::ROW,
    schema: schema_of!(ReplicaSet),
    defaults: default_replicas_and_own_template,
    prepare_create: |set| prepare::first_generation(set, json!({"replicas": 0})),
    prepare_update: prepare::keep_status,
    prepare_status: prepare::only_status,
    spec_changed: prepare::spec_differs,
    rules,
    update_rules: immutable_selector,
    warnings: super::warnings::of_workload,
    ..PLAIN
};

fn rules(set: &Value, causes: &mut Vec<Cause>) {
    let Some(new) = typed::<ReplicaSet>(set, causes) else { return };
    validate_spec(&new.spec.unwrap_or_default(), has_selector(set), causes);
}

fn validate_spec(spec: &ReplicaSetSpec, has_selector: bool, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    not_negative(&path.field("replicas"), spec.replicas, causes);
    not_negative(&path.field("minReadySeconds"), spec.min_ready_seconds, causes);
    let template = spec.template.clone().unwrap_or_default();
    validate_selector_and_template(has_selector.then_some(&spec.selector), &template, "ReplicaSet", &path, causes);
}
