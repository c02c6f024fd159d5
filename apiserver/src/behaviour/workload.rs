//! What the kinds that make pods from a template have in common: their template, replicas and selector.

use super::causes::{forbidden, invalid, not_supported, required};
use super::defaulting::{object_or_new, put, put_empty};
use super::labels::{validate_annotations, validate_label_selector, validate_labels};
use super::names::percent;
use super::path::FieldPath;
use super::pod_spec::{default_pod_spec, validate_pod_spec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kubus_proto::selector::Selector;
use kubus_proto::status::Cause;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Defaults of `spec.replicas` and of the template.
pub fn default_replicas_and_template(object: &mut Value) {
    let Some(spec) = object.as_object_mut().and_then(|o| object_or_new(o, "spec")) else { return };
    put(spec, "replicas", 1);
    if spec.get("template").is_some_and(Value::is_object) {
        default_template(spec);
    }
}

/// Defaults of the template in `holder`, made if it is not there.
pub fn default_template(holder: &mut serde_json::Map<String, Value>) {
    if let Some(template) = object_or_new(holder, "template") {
        put_empty(template, "metadata");
        put_empty(template, "spec");
        template.get_mut("spec").into_iter().for_each(default_pod_spec);
    }
}

/// As [`default_replicas_and_template`], for kinds that have a template even where none is given.
pub fn default_replicas_and_own_template(object: &mut Value) {
    if let Some(spec) = object.as_object_mut().and_then(|o| object_or_new(o, "spec")) {
        put_empty(spec, "template");
    }
    default_replicas_and_template(object);
}

/// Whether an object gives a selector; a typed object cannot tell an empty one from none.
pub fn has_selector(object: &Value) -> bool {
    object["spec"].get("selector").is_some_and(|selector| !selector.is_null())
}

/// Whether a selector says nothing.
pub fn selects_nothing(selector: &LabelSelector) -> bool {
    let labels = selector.match_labels.as_ref().map_or(0, BTreeMap::len);
    labels + selector.match_expressions.as_ref().map_or(0, Vec::len) == 0
}

/// A number that must not be below zero.
pub fn not_negative(path: &FieldPath<'_>, value: Option<impl Into<i64>>, causes: &mut Vec<Cause>) {
    if let Some(value) = value.map(Into::into).filter(|value| *value < 0) {
        causes.push(invalid(path, value, "must be greater than or equal to 0"));
    }
}

/// A selector that must be there and select something, and the template it must match. `kind` is for messages.
pub fn validate_selector_and_template(
    selector: Option<&LabelSelector>,
    template: &PodTemplateSpec,
    kind: &str,
    path: &FieldPath<'_>,
    causes: &mut Vec<Cause>,
) {
    let selector_path = path.field("selector");
    let before = causes.len();
    let mut readable = Some(Selector::everything());
    match selector {
        None => causes.push(required(selector_path, "")),
        Some(selector) => {
            validate_label_selector(selector, &selector_path, causes);
            readable = Selector::from_label_selector(selector).ok().filter(|_| causes.len() == before);
            if selects_nothing(selector) {
                let detail = format!("empty selector is invalid for {kind}");
                causes.push(invalid(selector_path, json!(selector), detail));
            }
        }
    }
    match readable {
        None => causes.push(invalid(selector_path, json!(selector), "invalid label selector")),
        Some(readable) => {
            // No selector at all selects nothing, an empty one everything.
            let matches = selector.is_some() && readable.matches(&labels_of(template));
            validate_template(template, matches, kind, &path.field("template"), causes);
        }
    }
}

/// The labels pods of a template get.
pub fn labels_of(template: &PodTemplateSpec) -> BTreeMap<String, String> {
    template.metadata.as_ref().and_then(|m| m.labels.clone()).unwrap_or_default()
}

/// A template of pods that are kept running; `matches` says whether the selector selects them.
pub fn validate_template(
    template: &PodTemplateSpec,
    matches: bool,
    kind: &str,
    path: &FieldPath<'_>,
    causes: &mut Vec<Cause>,
) {
    if !matches {
        let detail = "`selector` does not match template `labels`";
        causes.push(invalid(path.field("metadata").field("labels"), json!(labels_of(template)), detail));
    }
    validate_pod_template(template, path, causes);
    validate_kept_running(template, kind, path, causes);
}

/// Any template of pods.
pub fn validate_pod_template(template: &PodTemplateSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let metadata = template.metadata.as_ref();
    validate_labels(metadata.and_then(|m| m.labels.as_ref()), &path.field("labels"), causes);
    validate_annotations(metadata.and_then(|m| m.annotations.as_ref()), &path.field("annotations"), causes);
    let empty = Default::default();
    let spec = template.spec.as_ref().unwrap_or(&empty);
    let spec_path = path.field("spec");
    validate_pod_spec(spec, &spec_path, causes);
    if spec.ephemeral_containers.as_ref().is_some_and(|all| !all.is_empty()) {
        let detail = "ephemeral containers not allowed in pod template";
        causes.push(forbidden(spec_path.field("ephemeralContainers"), detail));
    }
}

/// Pods of a template that are kept running never end by themselves.
pub fn validate_kept_running(template: &PodTemplateSpec, kind: &str, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let (path, Some(spec)) = (path.field("spec"), &template.spec) else { return };
    if let Some(policy) = spec.restart_policy.as_deref().filter(|policy| *policy != "Always") {
        causes.push(not_supported(path.field("restartPolicy"), policy, &["Always"]));
    }
    if spec.active_deadline_seconds.is_some() {
        let detail = format!("activeDeadlineSeconds in {kind} is not Supported");
        causes.push(forbidden(path.field("activeDeadlineSeconds"), detail));
    }
}

/// A number or a percentage, not below zero; gives its number, None if it is neither.
pub fn validate_amount(amount: &Option<IntOrString>, path: &FieldPath<'_>, causes: &mut Vec<Cause>) -> Option<i64> {
    match amount {
        None => Some(0),
        Some(IntOrString::Int(number)) => {
            not_negative(path, Some(*number), causes);
            Some((*number).into())
        }
        Some(IntOrString::String(text)) => {
            let wrong = percent(text);
            causes.extend(wrong.iter().map(|problem| invalid(path, text.as_str(), problem)));
            text.strip_suffix('%').filter(|_| wrong.is_empty())?.parse().ok()
        }
    }
}

/// A percentage may not be above a hundred; `number` is what [`validate_amount`] gave.
pub fn at_most_all(amount: &Option<IntOrString>, number: Option<i64>, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if matches!(amount, Some(IntOrString::String(_))) && number.is_some_and(|number| number > 100) {
        causes.push(invalid(path, json!(amount), "must not be greater than 100%"));
    }
}

/// A field that must stay as it was. A list or map that is empty is as good as none.
pub fn immutable(new: &Value, old: &Value, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if without_empties(new) != without_empties(old) {
        causes.push(invalid(path, new.clone(), "field is immutable"));
    }
}

/// `spec.selector` must stay as it was.
pub fn immutable_selector(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    immutable(&new["spec"]["selector"], &old["spec"]["selector"], &path.field("selector"), causes);
}

/// `value` without empty lists and maps and nulls, which mean the same as nothing when two objects are compared.
pub fn without_empties(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let pruned = fields.iter().map(|(key, value)| (key.clone(), without_empties(value)));
            let kept: serde_json::Map<String, Value> = pruned.filter(|(_, value)| !value.is_null()).collect();
            if kept.is_empty() { Value::Null } else { Value::Object(kept) }
        }
        Value::Array(items) if items.is_empty() => Value::Null,
        // An item keeps its place in its list, empty or not.
        Value::Array(items) => items.iter().map(without_empties).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::of;
    use kubus_proto::kinds::{deployment, replica_set, replication_controller};
    use kubus_proto::{KindRow, status::Cause};

    fn said(causes: &[Cause]) -> Vec<String> {
        causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
    }

    /// An object of the kind with these fields in its spec, defaulted.
    fn object(row: &KindRow, fields: Value) -> Value {
        let mut spec = json!({"template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "x"}]}}});
        if row.kind != "ReplicationController" {
            spec["selector"] = json!({"matchLabels": {"a": "b"}});
        }
        for (key, value) in fields.as_object().expect("fields") {
            spec[key] = value.clone();
        }
        let mut object = json!({"metadata": {"name": "w", "namespace": "n"}, "spec": spec});
        of(row).default(&mut object);
        (of(row).prepare_create)(&mut object);
        object
    }

    #[test]
    fn wrong_workloads_are_told_in_kubernetes_words() {
        let (deployment, set, controller) = (&deployment::ROW, &replica_set::ROW, &replication_controller::ROW);
        let rolling = |rolling: Value| json!({"strategy": {"rollingUpdate": rolling}});
        let percent = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', \
            regex used for validation is '[0-9]+%')";
        for (row, fields, expected) in [
            (deployment, json!({}), vec![]),
            (set, json!({}), vec![]),
            (controller, json!({}), vec![]),
            (deployment, rolling(json!({"maxSurge": "10%", "maxUnavailable": 0})), vec![]),
            (
                deployment,
                json!({"replicas": -1, "minReadySeconds": 600}),
                vec![
                    "spec.replicas: Invalid value: -1: must be greater than or equal to 0".to_owned(),
                    "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds".to_owned(),
                ],
            ),
            (
                deployment,
                json!({"selector": {"matchLabels": {"a": "c"}}}),
                vec![
                    "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`"
                        .to_owned(),
                ],
            ),
            (
                deployment,
                json!({"selector": {}}),
                vec!["spec.selector: Invalid value: {}: empty selector is invalid for deployment".to_owned()],
            ),
            (
                deployment,
                rolling(json!({"maxSurge": "0%", "maxUnavailable": "0%"})),
                vec![
                    "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when `maxSurge` is 0"
                        .to_owned(),
                ],
            ),
            (
                deployment,
                rolling(json!({"maxSurge": "some", "maxUnavailable": "101%"})),
                vec![
                    format!("spec.strategy.rollingUpdate.maxSurge: Invalid value: \"some\": {percent}"),
                    "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%"
                        .to_owned(),
                ],
            ),
            (
                deployment,
                json!({"strategy": {"type": "Sometimes"}}),
                vec![
                    "spec.strategy: Unsupported value: {\"type\":\"Sometimes\"}: supported values: \"Recreate\", \
                     \"RollingUpdate\""
                        .to_owned(),
                ],
            ),
            (
                set,
                json!({"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Never",
                    "activeDeadlineSeconds": 1, "containers": [{"name": "c", "image": "x"}]}}}),
                vec![
                    "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"".to_owned(),
                    "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported"
                        .to_owned(),
                ],
            ),
            (set, json!({"template": null}), vec![
                "spec.template.metadata.labels: Invalid value: {}: `selector` does not match template `labels`".to_owned(),
                "spec.template.spec.containers: Required value".to_owned(),
            ]),
            (
                controller,
                json!({"template": null}),
                vec!["spec.selector: Required value".to_owned(), "spec.template: Required value".to_owned()],
            ),
        ] {
            assert_eq!(said(&of(row).validate(&object(row, fields.clone()))), expected, "{row:?} {fields}");
        }
    }

    #[test]
    fn a_selector_cannot_change_and_the_rest_can() {
        for row in [&deployment::ROW, &replica_set::ROW] {
            let old = object(row, json!({}));
            let same =
                object(row, json!({"replicas": 5, "selector": {"matchLabels": {"a": "b"}, "matchExpressions": []}}));
            assert_eq!(said(&of(row).validate_update(&same, &old)), Vec::<String>::new());
            assert!((of(row).spec_changed)(&same, &old));
            let new = object(row, json!({"selector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}));
            let text = "spec.selector: Invalid value: {\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Exists\"}]}: \
                field is immutable";
            assert_eq!(said(&of(row).validate_update(&new, &old)), [text]);
        }
    }
}
