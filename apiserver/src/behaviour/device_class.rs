//! DeviceClass on its way into the store.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/>

use super::at::At;
use super::devices::{ITEMS_LIMIT, limit, validate_configuration, validate_selectors};
use super::names::qualified_name;
use super::{Behaviour, PLAIN, prepare, schema_of};
use k8s_openapi::api::resource::v1::DeviceClass;
use kubus_proto::status::Cause;
use serde_json::Value;

/// Behaviour of DeviceClass.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::device_class::ROW,
    schema: schema_of!(DeviceClass),
    prepare_create: prepare::only_first_generation,
    spec_changed: prepare::spec_differs,
    rules,
    ..PLAIN
};

fn rules(class: &Value, causes: &mut Vec<Cause>) {
    let spec = At::root(class, "spec");
    validate_selectors(&spec.field("selectors"), causes);
    let configurations = spec.field("config");
    limit(&configurations, ITEMS_LIMIT, causes);
    configurations.items().for_each(|configuration| validate_configuration(&configuration, causes));
    spec.field("extendedResourceName").follow(qualified_name, causes);
}
