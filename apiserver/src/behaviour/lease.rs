//! Lease on its way into the store.
//! <https://kubernetes.io/docs/concepts/architecture/leases/>

use super::causes::{forbidden, invalid};
use super::metadata::{typed, validate_metadata, validate_metadata_update};
use super::path::FieldPath;
use super::{Behaviour, NameRule, prepare};
use crate::schema::{Schema, learn, normalize};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kubus_proto::status::Cause;
use serde_json::Value;
use std::sync::LazyLock;

/// Behaviour of Lease.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::lease::ROW,
    schema,
    default: |lease| normalize(schema(), lease),
    prepare_create: prepare::nothing,
    prepare_update: prepare::keep_metadata,
    prepare_status: prepare::no_status,
    spec_changed: prepare::never,
    validate,
    validate_update,
    name: NameRule::DnsSubdomain,
};

fn schema() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| learn::<Lease>().expect("a test learns every schema"));
    &SCHEMA
}

fn validate(lease: &Value) -> Vec<Cause> {
    let lease: Lease = match typed(lease) {
        Ok(lease) => lease,
        Err(causes) => return causes,
    };
    let mut causes = Vec::new();
    validate_metadata(&lease.metadata, true, NameRule::DnsSubdomain, &mut causes);
    validate_spec(&lease.spec.unwrap_or_default(), &mut causes);
    causes
}

fn validate_update(new: &Value, old: &Value) -> Vec<Cause> {
    let (new, old): (Lease, Lease) = match (typed(new), typed(old)) {
        (Ok(new), Ok(old)) => (new, old),
        (Err(causes), _) | (_, Err(causes)) => return causes,
    };
    let mut causes = Vec::new();
    validate_metadata_update(&new.metadata, &old.metadata, &mut causes);
    validate_spec(&new.spec.unwrap_or_default(), &mut causes);
    causes
}

fn validate_spec(spec: &LeaseSpec, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    if let Some(seconds) = spec.lease_duration_seconds.filter(|seconds| *seconds <= 0) {
        causes.push(invalid(path.field("leaseDurationSeconds"), seconds, "must be greater than 0"));
    }
    if let Some(count) = spec.lease_transitions.filter(|count| *count < 0) {
        causes.push(invalid(path.field("leaseTransitions"), count, "must be greater than or equal to 0"));
    }
    if spec.preferred_holder.as_ref().is_some_and(|holder| !holder.is_empty()) && spec.strategy.is_none() {
        let detail = "may only be specified if `strategy` is defined";
        causes.push(forbidden(path.field("preferredHolder"), detail));
    }
}
