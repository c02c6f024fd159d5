//! Namespace on its way into the store.
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/>

use super::defaulting::object_or_new;
use super::metadata::{check, validate_finalizer};
use super::path::FieldPath;
use super::{Behaviour, NameRule, PLAIN, prepare, schema_of};
use k8s_openapi::api::core::v1::Namespace;
use kubus_proto::status::Cause;
use serde_json::{Value, json};

/// Behaviour of Namespace.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::namespace::ROW,
    schema: schema_of!(Namespace),
    defaults,
    prepare_create,
    prepare_update,
    prepare_status: prepare::only_status,
    create_rules: |namespace, causes| check(namespace, causes, validate_finalizers),
    name: NameRule::DnsLabel,
    ..PLAIN
};

/// Label by which selectors find a namespace.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// Holds a namespace until all in it is gone.
const FINALIZER: &str = "kubernetes";

fn defaults(namespace: &mut Value) {
    let name = namespace["metadata"]["name"].clone();
    // A name that is yet to be generated comes back here once it is.
    if name.as_str().is_none_or(str::is_empty) {
        return;
    }
    let metadata = namespace.get_mut("metadata").and_then(Value::as_object_mut);
    if let Some(labels) = metadata.and_then(|metadata| object_or_new(metadata, "labels")) {
        labels.insert(NAME_LABEL.to_owned(), name);
    }
}

fn prepare_create(namespace: &mut Value) {
    defaults(namespace);
    let Some(fields) = namespace.as_object_mut() else { return };
    fields.insert("status".to_owned(), json!({"phase": "Active"}));
    let Some(spec) = object_or_new(fields, "spec") else { return };
    let finalizers = spec.entry("finalizers").or_insert_with(|| json!([]));
    if let Some(list) = finalizers.as_array_mut().filter(|list| !list.iter().any(|f| f == FINALIZER)) {
        list.push(json!(FINALIZER));
    }
}

/// Finalizers in the spec change only through the `finalize` subresource.
fn prepare_update(namespace: &mut Value, old: &Value) {
    prepare::keep_status(namespace, old);
    prepare::take_over(namespace, old, "spec");
}

fn validate_finalizers(namespace: &Namespace, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    for finalizer in namespace.spec.iter().flat_map(|spec| spec.finalizers.iter().flatten()) {
        validate_finalizer(finalizer, &path.field("finalizers"), causes);
    }
}
