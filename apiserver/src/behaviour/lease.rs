//! Lease on its way into the store.
//! <https://kubernetes.io/docs/concepts/architecture/leases/>

use super::causes::{forbidden, invalid};
use super::metadata::check;
use super::path::FieldPath;
use super::{Behaviour, PLAIN, schema_of};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kubus_proto::status::Cause;

/// Behaviour of Lease.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::lease::ROW,
    schema: schema_of!(Lease),
    rules: |lease, causes| {
        check(lease, causes, |lease: &Lease, causes| validate_spec(&lease.spec.clone().unwrap_or_default(), causes));
    },
    ..PLAIN
};

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
