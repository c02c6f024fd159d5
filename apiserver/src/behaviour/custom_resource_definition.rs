//! CustomResourceDefinition on its way into the store; what it is made of stands in [`crate::custom::definition`].

use super::{Behaviour, WITH_STATUS, prepare, schema_of};
use crate::custom::definition;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::json;

/// Behaviour of CustomResourceDefinition.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::custom_resource_definition::ROW,
    schema: schema_of!(CustomResourceDefinition),
    defaults: definition::default,
    prepare_create: |object| prepare::first_generation(object, json!({})),
    rules: definition::check,
    update_rules: definition::check_update,
    status_rules: |new, _, causes| definition::check_stored(new, &new["status"], causes),
    warnings: definition::warnings,
    ..WITH_STATUS
};
