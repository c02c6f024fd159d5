//! Validation of `metadata`, and what an update may not change in it.
//! <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/>

use super::causes::{forbidden, invalid, required};
use super::labels::{validate_annotations, validate_labels};
use super::names::{NameRule, dns_label, qualified_name};
use super::path::FieldPath;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kubus_proto::status::Cause;
use serde::Deserialize;
use serde_json::Value;

/// Reads `object` as its typed self. Fails only for an object that decoding would have refused, with the reason as a cause.
pub fn typed<'a, T: Deserialize<'a>>(object: &'a Value, causes: &mut Vec<Cause>) -> Option<T> {
    T::deserialize(object).map_err(|error| causes.push(invalid("", Value::Null, error.to_string()))).ok()
}

/// Runs `rules` on `object` as its typed self.
pub fn check<'a, T: Deserialize<'a>>(
    object: &'a Value,
    causes: &mut Vec<Cause>,
    rules: impl FnOnce(&T, &mut Vec<Cause>),
) {
    if let Some(object) = typed(object, causes) {
        rules(&object, causes);
    }
}

/// Finalizers that Kubernetes lets be without a domain.
const PLAIN_FINALIZERS: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];

/// Checks `metadata`; `namespaced` says whether the kind lives in namespaces.
pub fn validate_metadata(metadata: &ObjectMeta, namespaced: bool, rule: NameRule, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("metadata");
    if let Some(prefix) = metadata.generate_name.as_deref().filter(|p| !p.is_empty()) {
        let problems = rule.prefix_problems(prefix);
        causes.extend(problems.iter().map(|problem| invalid(path.field("generateName"), prefix, problem)));
    }
    match metadata.name.as_deref().unwrap_or_default() {
        "" => causes.push(required(path.field("name"), "name or generateName is required")),
        name => causes.extend(rule.problems(name).iter().map(|problem| invalid(path.field("name"), name, problem))),
    }
    match (namespaced, metadata.namespace.as_deref().unwrap_or_default()) {
        (true, "") => causes.push(required(path.field("namespace"), "")),
        (true, namespace) => {
            causes.extend(dns_label(namespace).iter().map(|p| invalid(path.field("namespace"), namespace, p)));
        }
        (false, "") => {}
        (false, _) => causes.push(forbidden(path.field("namespace"), "not allowed on this type")),
    }
    validate_common(metadata, &path, causes);
}

/// What is checked of a new and of a changed object alike.
fn validate_common(metadata: &ObjectMeta, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if let Some(generation) = metadata.generation.filter(|g| *g < 0) {
        causes.push(invalid(path.field("generation"), generation, "must be greater than or equal to 0"));
    }
    validate_labels(metadata.labels.as_ref(), &path.field("labels"), causes);
    validate_annotations(metadata.annotations.as_ref(), &path.field("annotations"), causes);
    validate_owners(metadata.owner_references.as_deref().unwrap_or_default(), &path.field("ownerReferences"), causes);
    for finalizer in metadata.finalizers.iter().flatten() {
        validate_finalizer(finalizer, &path.field("finalizers"), causes);
    }
}

/// One finalizer: a name with a domain, or one of Kubernetes' own.
pub fn validate_finalizer(finalizer: &str, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    causes.extend(qualified_name(finalizer).iter().map(|problem| invalid(path, finalizer, problem)));
    if !finalizer.contains('/') && !PLAIN_FINALIZERS.contains(&finalizer) {
        causes.push(invalid(path, finalizer, "name is neither a standard finalizer name nor is it fully qualified"));
    }
}

fn validate_owners(owners: &[OwnerReference], path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let mut controller: Option<&OwnerReference> = None;
    for (i, owner) in owners.iter().enumerate() {
        let path = path.index(i);
        let mut expect = |value: &str, field: &str, detail: &str| {
            if value.is_empty() {
                causes.push(invalid(path.field(field), value, detail));
            }
        };
        expect(&owner.api_version, "apiVersion", "version must not be empty");
        expect(&owner.kind, "kind", "kind must not be empty");
        expect(&owner.name, "name", "name must not be empty");
        expect(&owner.uid, "uid", "uid must not be empty");
        if owner.controller != Some(true) {
            continue;
        }
        if let Some(first) = controller {
            let detail = format!(
                "Only one reference can have Controller set to true. Found \"true\" in references for {}/{} and {}/{}",
                first.kind, first.name, owner.kind, owner.name
            );
            causes.push(invalid("metadata.ownerReferences", serde_json::json!(owners), detail));
        }
        controller = controller.or(Some(owner));
    }
}

/// Checks the `metadata` of an update against the old: what is immutable, then what is checked of every object.
pub fn validate_metadata_update(new: &ObjectMeta, old: &ObjectMeta, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("metadata");
    if old.deletion_timestamp.is_some() {
        let before = old.finalizers.as_deref().unwrap_or_default();
        let added: Vec<&String> = new.finalizers.iter().flatten().filter(|f| !before.contains(f)).collect();
        if !added.is_empty() {
            let names: Vec<String> = added.iter().map(|name| format!("{name:?}")).collect();
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                names.join(", ")
            );
            causes.push(forbidden(path.field("finalizers"), detail));
        }
    }
    for (field, new, old) in
        [("name", &new.name, &old.name), ("namespace", &new.namespace, &old.namespace), ("uid", &new.uid, &old.uid)]
    {
        if new.as_ref().is_some_and(|value| !value.is_empty()) && new != old {
            causes.push(invalid(path.field(field), new.as_deref().unwrap_or_default(), "field is immutable"));
        }
    }
    validate_common(new, &path, causes);
}
