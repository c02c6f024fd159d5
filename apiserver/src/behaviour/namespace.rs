//! Namespace on its way into the store.
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/>

use super::defaulting::object_or_new;
use super::metadata::{typed, validate_finalizer, validate_metadata, validate_metadata_update};
use super::path::FieldPath;
use super::{Behaviour, NameRule, prepare};
use crate::schema::{Schema, learn, normalize};
use k8s_openapi::api::core::v1::Namespace;
use kubus_proto::status::Cause;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Behaviour of Namespace.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::namespace::ROW,
    schema,
    default,
    prepare_create,
    prepare_update,
    prepare_status: prepare::only_status,
    spec_changed: prepare::never,
    validate,
    validate_update,
    name: NameRule::DnsLabel,
};

/// Label by which selectors find a namespace.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// Holds a namespace until all in it is gone.
const FINALIZER: &str = "kubernetes";

fn schema() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| learn::<Namespace>().expect("a test learns every schema"));
    &SCHEMA
}

fn default(namespace: &mut Value) {
    normalize(schema(), namespace);
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
    default(namespace);
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

fn validate(namespace: &Value) -> Vec<Cause> {
    let namespace: Namespace = match typed(namespace) {
        Ok(namespace) => namespace,
        Err(causes) => return causes,
    };
    let mut causes = Vec::new();
    validate_metadata(&namespace.metadata, false, NameRule::DnsLabel, &mut causes);
    let path = FieldPath::root("spec");
    for finalizer in namespace.spec.iter().flat_map(|spec| spec.finalizers.iter().flatten()) {
        validate_finalizer(finalizer, &path.field("finalizers"), &mut causes);
    }
    causes
}

fn validate_update(new: &Value, old: &Value) -> Vec<Cause> {
    let (new, old): (Namespace, Namespace) = match (typed(new), typed(old)) {
        (Ok(new), Ok(old)) => (new, old),
        (Err(causes), _) | (_, Err(causes)) => return causes,
    };
    let mut causes = Vec::new();
    validate_metadata_update(&new.metadata, &old.metadata, &mut causes);
    causes
}
