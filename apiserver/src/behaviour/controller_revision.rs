//! ControllerRevision on its way into the store.
//! <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/controller-revision-v1/>

use super::causes::required;
use super::defaulting::put;
use super::path::FieldPath;
use super::workload::{immutable, not_negative};
use super::{Behaviour, PLAIN, schema_of};
use k8s_openapi::api::apps::v1::ControllerRevision;

/// Behaviour of ControllerRevision.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::controller_revision::ROW,
    schema: schema_of!(ControllerRevision),
    defaults: |revision| {
        if let Some(fields) = revision.as_object_mut() {
            put(fields, "revision", 0);
        }
    },
    rules: |revision, causes| {
        if revision["data"].is_null() {
            causes.push(required("data", "data is mandatory"));
        }
        not_negative(&FieldPath::root("revision"), revision["revision"].as_i64(), causes);
    },
    update_rules: |new, old, causes| immutable(&new["data"], &old["data"], &FieldPath::root("data"), causes),
    ..PLAIN
};
