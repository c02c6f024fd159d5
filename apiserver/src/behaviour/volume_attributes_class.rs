//! VolumeAttributesClass on its way into the store.
//! <https://kubernetes.io/docs/concepts/storage/volume-attributes-classes/>

use super::at::At;
use super::names::dns_subdomain;
use super::storage_class::validate_parameters;
use super::{Behaviour, PLAIN, schema_of};
use k8s_openapi::api::storage::v1::VolumeAttributesClass;
use kubus_proto::status::Cause;
use serde_json::Value;

/// Behaviour of VolumeAttributesClass.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::volume_attributes_class::ROW,
    schema: schema_of!(VolumeAttributesClass),
    rules,
    update_rules: |new, old, causes| {
        for field in ["driverName", "parameters"] {
            if new[field] != old[field] {
                At::root(new, field).forbidden(format!("updates to {field} are forbidden."), causes);
            }
        }
    },
    ..PLAIN
};

fn rules(class: &Value, causes: &mut Vec<Cause>) {
    At::root(class, "driverName").require_text(|name| dns_subdomain(&name.to_lowercase()), causes);
    let parameters = At::root(class, "parameters");
    if parameters.require("must contain at least one attribute", causes) {
        validate_parameters(&parameters, causes);
    }
}
