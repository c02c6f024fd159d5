//! ResourceClaimTemplate on its way into the store.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/>

use super::at::At;
use super::defaulting::{object, object_or_new};
use super::devices::{default_claim, validate_claim};
use super::{Behaviour, PLAIN, schema_of};
use k8s_openapi::api::resource::v1::ResourceClaimTemplate;

/// Behaviour of ResourceClaimTemplate.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::resource_claim_template::ROW,
    schema: schema_of!(ResourceClaimTemplate),
    defaults: |template| {
        let spec = template.as_object_mut().and_then(|template| object_or_new(template, "spec"));
        if let Some(claim) = spec.and_then(|spec| object(spec, "spec")) {
            default_claim(claim);
        }
    },
    rules: |template, causes| {
        let spec = At::root(template, "spec");
        validate_claim(&spec.field("spec"), causes);
    },
    update_rules: |new, old, causes| {
        if new["spec"] != old["spec"] {
            At::root(new, "spec").invalid("field is immutable", causes);
        }
    },
    ..PLAIN
};
