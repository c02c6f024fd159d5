//! PersistentVolumeClaim on its way into the store.
//! <https://kubernetes.io/docs/concepts/storage/persistent-volumes/#persistentvolumeclaims>

use super::causes::{forbidden, invalid, required};
use super::defaulting::{object_or_new, put_filled};
use super::labels::validate_label_selector;
use super::metadata::check;
use super::path::FieldPath;
use super::pod_spec::differences;
use super::storage::{validate_access_modes, validate_class_and_mode, validate_positive};
use super::workload::{immutable, without_empties};
use super::{Behaviour, PLAIN, prepare, schema_of};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec};
use kubus_proto::quantity::Quantity;
use kubus_proto::status::Cause;
use serde_json::{Map, Value, json};

/// Behaviour of PersistentVolumeClaim.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::persistent_volume_claim::ROW,
    schema: schema_of!(PersistentVolumeClaim),
    defaults: |claim| {
        if let Some(spec) = claim.as_object_mut().and_then(|claim| object_or_new(claim, "spec")) {
            default_claim_spec(spec);
        }
    },
    prepare_create: |claim| {
        prepare::first_status(claim, json!({"phase": "Pending"}));
        // As the admission plug-in StorageObjectInUseProtection does.
        prepare::add_finalizer(claim, "kubernetes.io/pvc-protection");
    },
    prepare_update: prepare::keep_status,
    prepare_status: prepare::only_status,
    rules: |claim, causes| {
        check(claim, causes, |claim: &PersistentVolumeClaim, causes| {
            let spec = claim.spec.clone().unwrap_or_default();
            validate_claim_spec(&spec, &FieldPath::root("spec"), causes);
        });
    },
    update_rules,
    warnings: super::warnings::of_claim,
    ..PLAIN
};

/// Defaults of the spec of a claim, or of a template of claims.
pub fn default_claim_spec(spec: &mut Map<String, Value>) {
    put_filled(spec, "volumeMode", "Filesystem");
    // The older name of the source is kept in step with the newer.
    let source = spec.get("dataSource").filter(|source| source.is_object()).cloned();
    let reference = spec.get("dataSourceRef").filter(|source| source.is_object()).cloned();
    match (source, reference) {
        (Some(source), None) => spec.insert("dataSourceRef".to_owned(), source),
        (None, Some(reference)) if reference["namespace"].is_null() => spec.insert("dataSource".to_owned(), reference),
        _ => None,
    };
}

/// The spec of a claim, or of a template of claims.
pub fn validate_claim_spec(spec: &PersistentVolumeClaimSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let detail = "at least 1 access mode is required";
    if spec.access_modes.as_ref().is_none_or(Vec::is_empty) {
        causes.push(required(path.field("accessModes"), detail));
    }
    if let Some(selector) = &spec.selector {
        validate_label_selector(selector, &path.field("selector"), causes);
    }
    if spec.access_modes.as_ref().is_some_and(|modes| !modes.is_empty()) {
        validate_access_modes(&spec.access_modes, detail, &path.field("accessModes"), causes);
    }
    let requests = spec.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    let resources = path.field("resources");
    match requests.and_then(|requests| requests.get("storage")) {
        None => causes.push(required(resources.key("storage"), "")),
        Some(amount) => validate_positive(amount, &resources.key("storage"), causes),
    }
    validate_class_and_mode(&spec.storage_class_name, &spec.volume_mode, path, causes);
    let source = spec.data_source.as_ref().map(|s| ("dataSource", &s.name, &s.kind, &s.api_group));
    let reference = spec.data_source_ref.as_ref().map(|s| ("dataSourceRef", &s.name, &s.kind, &s.api_group));
    for (field, name, kind, group) in source.into_iter().chain(reference) {
        let path = path.field(field);
        for (field, value) in [("name", name), ("kind", kind)] {
            if value.is_empty() {
                causes.push(required(path.field(field), ""));
            }
        }
        if group.as_deref().unwrap_or_default().is_empty() && kind != "PersistentVolumeClaim" {
            let detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
            causes.push(invalid(path, kind.as_str(), detail));
        }
    }
}

/// A claim may get its volume, once, and its class; a bound one may ask for another size.
fn update_rules(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let size = |object: &Value| object.as_str().and_then(|text| Quantity::parse(text).ok()).unwrap_or(Quantity::ZERO);
    let (mut like, before) = (new["spec"].clone(), &old["spec"]);
    let unset = |key: &str| before[key].as_str().unwrap_or_default().is_empty();
    for (key, may_change) in [
        ("volumeName", unset("volumeName")),
        ("storageClassName", before["storageClassName"].is_null()),
        ("volumeAttributesClassName", true),
    ] {
        if may_change {
            prepare::take_over(&mut like, before, key);
        }
    }
    if new["status"]["phase"] == "Bound" && like["resources"]["requests"].is_object() {
        like["resources"]["requests"]["storage"] = before["resources"]["requests"]["storage"].clone();
    }
    let path = FieldPath::root("spec");
    if without_empties(&like) != without_empties(before) {
        let mut lines = Vec::new();
        differences("spec", before, &like, &mut lines);
        let detail = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound \
            claims";
        causes.push(forbidden(path, format!("{detail}\n{}", lines.join("\n"))));
    }
    let (wanted, was) = (&new["spec"]["resources"]["requests"]["storage"], &before["resources"]["requests"]["storage"]);
    if size(wanted) < size(was) && size(wanted) <= size(&old["status"]["capacity"]["storage"]) {
        let path = path.field("resources");
        let path = path.field("requests");
        causes.push(forbidden(path.field("storage"), "field can not be less than status.capacity"));
    }
    immutable(&new["spec"]["volumeMode"], &before["volumeMode"], &FieldPath::root("volumeMode"), causes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(spec: Value, status: Value) -> Value {
        let mut all = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
        json_patch::merge(&mut all, &spec);
        let mut claim = json!({"metadata": {"name": "c", "namespace": "n"}, "spec": all, "status": status});
        BEHAVIOUR.default(&mut claim);
        claim
    }

    fn fields(causes: Vec<Cause>) -> Vec<String> {
        causes.into_iter().map(|cause| format!("{} {}", cause.reason, cause.field)).collect()
    }

    #[test]
    fn modes_sizes_and_classes_are_checked() {
        for (spec, expected) in [
            (json!({}), vec![]),
            (json!({"accessModes": []}), vec!["FieldValueRequired spec.accessModes"]),
            (json!({"accessModes": ["Often"]}), vec!["FieldValueNotSupported spec.accessModes"]),
            (
                json!({"accessModes": ["ReadWriteOncePod", "ReadOnlyMany"]}),
                vec!["FieldValueForbidden spec.accessModes"],
            ),
            (json!({"resources": null}), vec!["FieldValueRequired spec.resources[storage]"]),
            (
                json!({"resources": {"requests": {"storage": "0"}}, "storageClassName": "A", "volumeMode": "x"}),
                vec![
                    "FieldValueInvalid spec.resources[storage]",
                    "FieldValueInvalid spec.storageClassName",
                    "FieldValueNotSupported spec.volumeMode",
                ],
            ),
        ] {
            assert_eq!(fields(BEHAVIOUR.validate(&claim(spec.clone(), json!({})))), expected, "{spec}");
        }
    }

    #[test]
    fn a_claim_is_bound_once_and_a_bound_one_grows() {
        let size = |size: &str| json!({"resources": {"requests": {"storage": size}}});
        let bound = json!({"phase": "Bound", "capacity": {"storage": "1Gi"}});
        for (old, new, status, expected) in [
            (json!({}), json!({"volumeName": "v", "storageClassName": "s"}), json!({}), vec![]),
            (json!({"volumeName": "v"}), json!({"volumeName": "w"}), json!({}), vec!["FieldValueForbidden spec"]),
            (json!({}), size("2Gi"), json!({"phase": "Pending"}), vec!["FieldValueForbidden spec"]),
            (json!({}), size("2Gi"), bound.clone(), vec![]),
            (size("3Gi"), size("2Gi"), bound.clone(), vec![]),
            (size("3Gi"), size("1Gi"), bound.clone(), vec!["FieldValueForbidden spec.resources.requests.storage"]),
        ] {
            let (new, old) = (claim(new, status.clone()), claim(old, status));
            assert_eq!(fields(BEHAVIOUR.validate_update(&new, &old)), expected, "{new}");
        }
    }
}
