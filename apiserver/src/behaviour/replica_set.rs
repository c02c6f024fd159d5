//! ReplicaSet on its way into the store.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/>

use super::metadata::{typed, validate_metadata, validate_metadata_update};
use super::path::FieldPath;
use super::workload::{
    default_replicas_and_own_template, has_selector, immutable, not_negative, validate_selector_and_template,
};
use super::{Behaviour, NameRule, prepare};
use crate::schema::{Schema, learn, normalize};
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetSpec};
use kubus_proto::status::Cause;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Behaviour of ReplicaSet.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::replica_set::ROW,
    schema,
    default: |set| {
        normalize(schema(), set);
        default_replicas_and_own_template(set);
    },
    prepare_create: |set| prepare::first_generation(set, json!({"replicas": 0})),
    prepare_update: prepare::keep_status,
    prepare_status: prepare::only_status,
    spec_changed: prepare::spec_differs,
    validate,
    validate_update,
    name: NameRule::DnsSubdomain,
};

fn schema() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| learn::<ReplicaSet>().expect("a test learns every schema"));
    &SCHEMA
}

fn validate(set: &Value) -> Vec<Cause> {
    let new: ReplicaSet = match typed(set) {
        Ok(new) => new,
        Err(causes) => return causes,
    };
    let mut causes = Vec::new();
    validate_metadata(&new.metadata, true, NameRule::DnsSubdomain, &mut causes);
    validate_spec(&new.spec.unwrap_or_default(), has_selector(set), &mut causes);
    causes
}

fn validate_update(new: &Value, old: &Value) -> Vec<Cause> {
    let (typed_new, typed_old): (ReplicaSet, ReplicaSet) = match (typed(new), typed(old)) {
        (Ok(new), Ok(old)) => (new, old),
        (Err(causes), _) | (_, Err(causes)) => return causes,
    };
    let mut causes = Vec::new();
    validate_metadata_update(&typed_new.metadata, &typed_old.metadata, &mut causes);
    validate_spec(&typed_new.spec.unwrap_or_default(), has_selector(new), &mut causes);
    let path = FieldPath::root("spec");
    immutable(&new["spec"]["selector"], &old["spec"]["selector"], &path.field("selector"), &mut causes);
    causes
}

fn validate_spec(spec: &ReplicaSetSpec, has_selector: bool, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    not_negative(&path.field("replicas"), spec.replicas, causes);
    not_negative(&path.field("minReadySeconds"), spec.min_ready_seconds, causes);
    let template = spec.template.clone().unwrap_or_default();
    validate_selector_and_template(has_selector.then_some(&spec.selector), &template, "ReplicaSet", &path, causes);
}
