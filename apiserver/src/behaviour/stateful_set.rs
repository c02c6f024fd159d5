//! StatefulSet on its way into the store.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/>

use super::causes::{forbidden, invalid, not_supported, required};
use super::defaulting::{items, object_or_new, put, put_filled};
use super::labels::validate_label_selector;
use super::metadata::{check, typed};
use super::names::dns_label;
use super::path::FieldPath;
use super::persistent_volume_claim::{default_claim_spec, validate_claim_spec};
use super::pod_spec::{problems, text};
use super::workload::{
    at_most_all, default_replicas_and_own_template, has_selector, labels_of, not_negative, selects_nothing,
    validate_amount, validate_kept_running, validate_pod_template, without_empties,
};
use super::{Behaviour, WITH_STATUS, prepare, schema_of};
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy};
use k8s_openapi::api::core::v1::{PersistentVolumeClaimVolumeSource, PodTemplateSpec, Volume};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kubus_proto::selector::Selector;
use kubus_proto::status::Cause;
use serde_json::{Value, json};

/// Behaviour of StatefulSet.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::stateful_set::ROW,
    schema: schema_of!(StatefulSet),
    defaults,
    prepare_create: |set| prepare::first_generation(set, json!({"replicas": 0, "availableReplicas": 0})),
    rules: |set, causes| {
        let Some(typed) = typed::<StatefulSet>(set, causes) else { return };
        validate_spec(&typed.spec.unwrap_or_default(), has_selector(set), causes);
    },
    create_rules: |set, causes| check(set, causes, validate_new),
    update_rules,
    status_rules: |new, _, causes| {
        let path = FieldPath::root("status");
        let all = new["status"]["replicas"].as_i64().unwrap_or(0);
        for field in ["replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"] {
            let value = new["status"][field].as_i64();
            not_negative(&path.field(field), value, causes);
            if let Some(value) = value.filter(|value| *value > all) {
                causes.push(invalid(path.field(field), value, "cannot be greater than status.replicas"));
            }
        }
    },
    warnings: super::warnings::of_workload,
    ..WITH_STATUS
};

const REVISIONS_KEPT: i32 = 10;
const RETENTION: &[&str] = &["Retain", "Delete"];
/// Fields of the spec that an update may change.
const MUTABLE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

fn defaults(set: &mut Value) {
    default_replicas_and_own_template(set);
    let Some(spec) = set.get_mut("spec").and_then(Value::as_object_mut) else { return };
    put_filled(spec, "podManagementPolicy", "OrderedReady");
    put(spec, "revisionHistoryLimit", REVISIONS_KEPT);
    if let Some(policy) = object_or_new(spec, "persistentVolumeClaimRetentionPolicy") {
        put_filled(policy, "whenDeleted", "Retain");
        put_filled(policy, "whenScaled", "Retain");
    }
    for claim in items(spec, "volumeClaimTemplates") {
        put_filled(claim, "apiVersion", "v1");
        put_filled(claim, "kind", "PersistentVolumeClaim");
        if let Some(spec) = object_or_new(claim, "spec") {
            default_claim_spec(spec);
        }
        if let Some(status) = object_or_new(claim, "status") {
            put_filled(status, "phase", "Pending");
        }
    }
    let Some(strategy) = object_or_new(spec, "updateStrategy") else { return };
    put_filled(strategy, "type", "RollingUpdate");
    if strategy.get("type").is_some_and(|kind| kind == "RollingUpdate")
        && let Some(rolling) = object_or_new(strategy, "rollingUpdate")
    {
        put(rolling, "partition", 0);
    }
}

fn validate_spec(spec: &StatefulSetSpec, has_selector: bool, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    match text(&spec.pod_management_policy) {
        "OrderedReady" | "Parallel" => {}
        "" => causes.push(required(path.field("podManagementPolicy"), "")),
        other => {
            causes.push(invalid(path.field("podManagementPolicy"), other, "must be 'OrderedReady' or 'Parallel'"));
        }
    }
    if let Some(strategy) = &spec.update_strategy {
        validate_strategy(strategy, &path.field("updateStrategy"), causes);
    }
    if let Some(policy) = &spec.persistent_volume_claim_retention_policy {
        let path = path.field("persistentVolumeClaimRetentionPolicy");
        for (field, value) in [("whenDeleted", &policy.when_deleted), ("whenScaled", &policy.when_scaled)] {
            if !RETENTION.contains(&text(value)) {
                causes.push(not_supported(path.field(field), text(value), RETENTION));
            }
        }
    }
    not_negative(&path.field("replicas"), spec.replicas, causes);
    not_negative(&path.field("minReadySeconds"), spec.min_ready_seconds, causes);
    not_negative(&path.field("ordinals.start"), spec.ordinals.as_ref().and_then(|o| o.start), causes);
    let (selector, selector_path) = (&spec.selector, path.field("selector"));
    if !has_selector {
        causes.push(required(selector_path, ""));
    } else {
        validate_label_selector(selector, &selector_path, causes);
        if selects_nothing(selector) {
            causes.push(invalid(selector_path, json!(selector), "empty selector is invalid for statefulset"));
        }
    }
    let template_path = path.field("template");
    match Selector::from_label_selector(selector) {
        Err(_) => causes.push(invalid(selector_path, json!(selector), "")),
        Ok(readable) => {
            // No selector at all selects nothing, an empty one everything.
            if !has_selector || !readable.matches(&labels_of(&spec.template)) {
                let detail = "`selector` does not match template `labels`";
                let labels = json!(labels_of(&spec.template));
                causes.push(invalid(template_path.field("metadata").field("labels"), labels, detail));
            }
            validate_pod_template(&with_claims(spec), &template_path, causes);
        }
    }
    validate_kept_running(&spec.template, "StatefulSet", &template_path, causes);
}

/// The template with the volumes that the controller puts into each pod.
fn with_claims(spec: &StatefulSetSpec) -> PodTemplateSpec {
    let mut template = spec.template.clone();
    let volumes = template.spec.get_or_insert_default().volumes.get_or_insert_default();
    for claim in spec.volume_claim_templates.iter().flatten() {
        let name = claim.metadata.name.clone().unwrap_or_default();
        if !name.is_empty() && !volumes.iter().any(|volume| volume.name == name) {
            let source = PersistentVolumeClaimVolumeSource { claim_name: name.clone(), ..Default::default() };
            volumes.push(Volume { name, persistent_volume_claim: Some(source), ..Volume::default() });
        }
    }
    template
}

fn validate_strategy(strategy: &StatefulSetUpdateStrategy, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    match (text(&strategy.type_), &strategy.rolling_update) {
        ("", _) => causes.push(required(path, "")),
        ("OnDelete" | "RollingUpdate", None) => {}
        ("OnDelete", Some(rolling)) => {
            let detail = "only allowed for updateStrategy 'RollingUpdate'";
            causes.push(invalid(path.field("rollingUpdate"), json!(rolling), detail));
        }
        ("RollingUpdate", Some(rolling)) => {
            let path = path.field("rollingUpdate");
            not_negative(&path.field("partition"), rolling.partition, causes);
            let (amount, path) = (&rolling.max_unavailable, path.field("maxUnavailable"));
            let number = validate_amount(amount, &path, causes);
            let is_none = matches!(amount, Some(IntOrString::Int(0)));
            if is_none || (amount.is_some() && number == Some(0)) {
                causes.push(invalid(path, json!(amount), "cannot be 0"));
            }
            at_most_all(amount, number, &path, causes);
        }
        _ => causes.push(invalid(path, json!(strategy), "must be 'RollingUpdate' or 'OnDelete'")),
    }
}

/// What cannot be changed later and so is only checked of new sets.
fn validate_new(set: &StatefulSet, causes: &mut Vec<Cause>) {
    let (path, Some(spec)) = (FieldPath::root("spec"), &set.spec) else { return };
    let service = text(&spec.service_name);
    if !service.is_empty() {
        problems(&path.field("serviceName"), service, dns_label(service), causes);
    }
    for (i, claim) in spec.volume_claim_templates.iter().flatten().enumerate() {
        let path = path.field("volumeClaimTemplates");
        validate_claim_spec(&claim.spec.clone().unwrap_or_default(), &path.index(i).field("spec"), causes);
    }
}

fn update_rules(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let frozen = |set: &Value| {
        let mut spec = set["spec"].clone();
        if let Some(fields) = spec.as_object_mut() {
            fields.retain(|key, _| !MUTABLE.contains(&key.as_str()));
        }
        without_empties(&spec)
    };
    if frozen(new) != frozen(old) {
        let detail = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
            'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are \
            forbidden";
        causes.push(forbidden("spec", detail));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(spec: Value) -> Value {
        let mut all = json!({"serviceName": "s", "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "x",
                "volumeMounts": [{"name": "data", "mountPath": "/data"}]}]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}}}}]});
        json_patch::merge(&mut all, &spec);
        let mut set = json!({"metadata": {"name": "w", "namespace": "n"}, "spec": all});
        BEHAVIOUR.default(&mut set);
        set
    }

    #[test]
    fn specs_are_checked() {
        for (spec, expected) in [
            (json!({}), vec![]),
            (json!({"updateStrategy": {"type": "OnDelete"}}), vec![]),
            (
                json!({"updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": 1}}}),
                vec!["spec.updateStrategy.rollingUpdate"],
            ),
            (
                json!({"podManagementPolicy": "Odd", "ordinals": {"start": -1}}),
                vec!["spec.podManagementPolicy", "spec.ordinals.start"],
            ),
            (json!({"selector": null}), vec!["spec.selector", "spec.template.metadata.labels"]),
            (json!({"volumeClaimTemplates": null}), vec!["spec.template.spec.containers[0].volumeMounts[0].name"]),
            (
                json!({"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Keep"}}),
                vec!["spec.persistentVolumeClaimRetentionPolicy.whenScaled"],
            ),
        ] {
            let fields: Vec<String> = BEHAVIOUR.validate(&set(spec.clone())).into_iter().map(|c| c.field).collect();
            assert_eq!(fields, expected, "{spec}");
        }
    }

    #[test]
    fn some_fields_stay() {
        let old = set(json!({}));
        for (change, expected) in [
            (json!({"replicas": 5, "revisionHistoryLimit": 3}), 0),
            (json!({"serviceName": "t"}), 1),
            (json!({"volumeClaimTemplates": null}), 2),
        ] {
            assert_eq!(BEHAVIOUR.validate_update(&set(change.clone()), &old).len(), expected, "{change}");
        }
    }
}
