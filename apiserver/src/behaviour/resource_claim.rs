//! ResourceClaim on its way into the store.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/>

use super::at::At;
use super::defaulting::object_or_new;
use super::devices::{default_claim, limit, validate_claim};
use super::{Behaviour, PLAIN, WITH_STATUS, prepare, schema_of};
use k8s_openapi::api::resource::v1::ResourceClaim;
use kubus_proto::status::Cause;
use serde_json::{Value, json};

/// Behaviour of ResourceClaim.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::resource_claim::ROW,
    schema: schema_of!(ResourceClaim),
    defaults: |claim| {
        if let Some(spec) = claim.as_object_mut().and_then(|claim| object_or_new(claim, "spec")) {
            default_claim(spec);
        }
    },
    prepare_create: |claim| prepare::first_status(claim, json!({})),
    spec_changed: PLAIN.spec_changed,
    rules: |claim, causes| validate_claim(&At::root(claim, "spec"), causes),
    update_rules: |new, old, causes| {
        if new["spec"] != old["spec"] {
            At::root(new, "spec").invalid("field is immutable", causes);
        }
    },
    status_rules,
    ..WITH_STATUS
};

/// Most pods that may hold a claim at once.
const RESERVED_LIMIT: usize = 256;

fn status_rules(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let status = At::root(new, "status");
    let (allocation, reserved) = (status.field("allocation"), status.field("reservedFor"));
    limit(&reserved, RESERVED_LIMIT, causes);
    reserved.unique("uid", causes);
    for user in reserved.items() {
        for key in ["resource", "name", "uid"] {
            user.field(key).require("", causes);
        }
    }
    if !reserved.is_empty() && allocation.is_null() {
        reserved.forbidden("may not be specified when `allocated` is not set", causes);
    }
    let before = &old["status"]["allocation"];
    if !before.is_null() && !allocation.is_null() && before != allocation.value {
        allocation.invalid("field is immutable", causes);
    }
}
