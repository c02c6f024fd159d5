//! PodTemplate on its way into the store.
//! <https://kubernetes.io/docs/concepts/workloads/pods/#pod-templates>

use super::metadata::check;
use super::path::FieldPath;
use super::workload::{default_template, validate_pod_template};
use super::{Behaviour, PLAIN, prepare, schema_of};
use k8s_openapi::api::core::v1::PodTemplate;

/// Behaviour of PodTemplate.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::pod_template::ROW,
    schema: schema_of!(PodTemplate),
    defaults: |object| {
        if let Some(fields) = object.as_object_mut() {
            default_template(fields);
        }
    },
    prepare_create: prepare::only_first_generation,
    spec_changed: |new, old| new["template"] != old["template"],
    rules: |object, causes| {
        check(object, causes, |object: &PodTemplate, causes| {
            let template = object.template.clone().unwrap_or_default();
            validate_pod_template(&template, &FieldPath::root("template"), causes);
        });
    },
    ..PLAIN
};
