//! DaemonSet on its way into the store.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/>

use super::causes::{invalid, not_supported, required};
use super::defaulting::{object_or_new, put, put_filled};
use super::labels::validate_label_selector;
use super::metadata::check;
use super::path::FieldPath;
use super::workload::{
    at_most_all, default_template, immutable_selector, labels_of, not_negative, selects_nothing, validate_amount,
    validate_kept_running, validate_pod_template,
};
use super::{Behaviour, WITH_STATUS, prepare, schema_of, warnings};
use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, RollingUpdateDaemonSet};
use kubus_proto::selector::Selector;
use kubus_proto::status::Cause;
use serde_json::{Value, json};

/// Behaviour of DaemonSet.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::daemon_set::ROW,
    schema: schema_of!(DaemonSet),
    defaults,
    prepare_create: |set| {
        let none = json!({"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0,
            "numberReady": 0});
        prepare::first_generation(set, none);
        put_template_generation(set, 1);
    },
    prepare_update: |new, old| {
        prepare::keep_status(new, old);
        let before = old["metadata"]["annotations"][TEMPLATE_GENERATION].as_str().and_then(|text| text.parse().ok());
        let changed = new["spec"]["template"] != old["spec"]["template"];
        put_template_generation(new, before.unwrap_or(0) + i64::from(changed));
    },
    rules: |set, causes| {
        check(set, causes, |set: &DaemonSet, causes| validate_spec(&set.spec.clone().unwrap_or_default(), causes));
    },
    update_rules: immutable_selector,
    warnings: |set| {
        let mut all = Vec::new();
        let path = FieldPath::root("spec");
        warnings::of_template(&set["spec"]["template"], &path.field("template"), &mut all);
        all
    },
    ..WITH_STATUS
};

/// Counts the changes of the template; only the server writes it.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";
const REVISIONS_KEPT: i32 = 10;
const STRATEGIES: &[&str] = &["RollingUpdate", "OnDelete"];

fn put_template_generation(set: &mut Value, generation: i64) {
    let metadata = set.get_mut("metadata").and_then(Value::as_object_mut);
    if let Some(annotations) = metadata.and_then(|metadata| object_or_new(metadata, "annotations")) {
        annotations.insert(TEMPLATE_GENERATION.to_owned(), json!(generation.to_string()));
    }
}

fn defaults(set: &mut Value) {
    let Some(spec) = set.as_object_mut().and_then(|set| object_or_new(set, "spec")) else { return };
    default_template(spec);
    put(spec, "revisionHistoryLimit", REVISIONS_KEPT);
    let Some(strategy) = object_or_new(spec, "updateStrategy") else { return };
    put_filled(strategy, "type", "RollingUpdate");
    if strategy.get("type").is_some_and(|kind| kind == "RollingUpdate")
        && let Some(rolling) = object_or_new(strategy, "rollingUpdate")
    {
        put(rolling, "maxUnavailable", 1);
        put(rolling, "maxSurge", 0);
    }
}

fn validate_spec(spec: &DaemonSetSpec, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    let (selector, selector_path) = (&spec.selector, path.field("selector"));
    validate_label_selector(selector, &selector_path, causes);
    let template_path = path.field("template");
    // An empty selector is told as such below; it selects nothing.
    let mismatch = Selector::from_label_selector(selector)
        .is_ok_and(|readable| selects_nothing(selector) || !readable.matches(&labels_of(&spec.template)));
    if mismatch {
        let detail = "`selector` does not match template `labels`";
        let labels = json!(labels_of(&spec.template));
        causes.push(invalid(template_path.field("metadata").field("labels"), labels, detail));
    }
    if selects_nothing(selector) {
        causes.push(invalid(selector_path, json!(selector), "empty selector is invalid for daemonset"));
    }
    validate_pod_template(&spec.template, &template_path, causes);
    validate_kept_running(&spec.template, "DaemonSet", &template_path, causes);
    not_negative(&path.field("minReadySeconds"), spec.min_ready_seconds, causes);
    if let Some(strategy) = &spec.update_strategy {
        validate_strategy(strategy, &path.field("updateStrategy"), causes);
    }
    not_negative(&path.field("revisionHistoryLimit"), spec.revision_history_limit, causes);
}

fn validate_strategy(strategy: &DaemonSetUpdateStrategy, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    match (strategy.type_.as_deref().unwrap_or_default(), &strategy.rolling_update) {
        ("OnDelete", _) => {}
        ("RollingUpdate", None) => causes.push(required(path.field("rollingUpdate"), "")),
        ("RollingUpdate", Some(rolling)) => validate_rolling(rolling, &path.field("rollingUpdate"), causes),
        _ => causes.push(not_supported(path, json!(strategy), STRATEGIES)),
    }
}

fn validate_rolling(rolling: &RollingUpdateDaemonSet, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let (surge_path, unavailable_path) = (path.field("maxSurge"), path.field("maxUnavailable"));
    let unavailable = validate_amount(&rolling.max_unavailable, &unavailable_path, causes);
    let surge = validate_amount(&rolling.max_surge, &surge_path, causes);
    at_most_all(&rolling.max_unavailable, unavailable, &unavailable_path, causes);
    at_most_all(&rolling.max_surge, surge, &surge_path, causes);
    match (unavailable.is_some_and(|amount| amount != 0), surge.is_some_and(|amount| amount != 0)) {
        (true, true) => {
            let detail = "may not be set when maxUnavailable is non-zero";
            causes.push(invalid(surge_path, json!(rolling.max_surge), detail));
        }
        (false, false) => causes.push(required(unavailable_path, "cannot be 0 when maxSurge is 0")),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(spec: Value) -> Value {
        let mut all = json!({"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "x"}]}}});
        json_patch::merge(&mut all, &spec);
        let mut set = json!({"metadata": {"name": "d", "namespace": "n"}, "spec": all});
        BEHAVIOUR.default(&mut set);
        (BEHAVIOUR.prepare_create)(&mut set);
        set
    }

    #[test]
    fn selectors_and_strategies_are_checked() {
        let rolling = |rolling: Value| json!({"updateStrategy": {"rollingUpdate": rolling}});
        for (spec, expected) in [
            (json!({}), vec![]),
            (json!({"updateStrategy": {"type": "OnDelete"}}), vec![]),
            (json!({"updateStrategy": {"type": "Never"}}), vec!["spec.updateStrategy"]),
            (json!({"selector": null}), vec!["spec.template.metadata.labels", "spec.selector"]),
            (json!({"selector": {"matchLabels": {"a": "c"}}}), vec!["spec.template.metadata.labels"]),
            (rolling(json!({"maxSurge": 1})), vec!["spec.updateStrategy.rollingUpdate.maxSurge"]),
            (rolling(json!({"maxUnavailable": 0})), vec!["spec.updateStrategy.rollingUpdate.maxUnavailable"]),
            (rolling(json!({"maxUnavailable": "101%"})), vec!["spec.updateStrategy.rollingUpdate.maxUnavailable"]),
            (json!({"template": {"spec": {"restartPolicy": "Never"}}}), vec!["spec.template.spec.restartPolicy"]),
        ] {
            let fields: Vec<String> = BEHAVIOUR.validate(&set(spec.clone())).into_iter().map(|c| c.field).collect();
            assert_eq!(fields, expected, "{spec}");
        }
    }

    #[test]
    fn changes_of_the_template_are_counted() {
        let old = set(json!({}));
        for (change, generation) in [
            (json!({"minReadySeconds": 5}), "1"),
            (json!({"template": {"spec": {"containers": [{"name": "c", "image": "y"}]}}}), "2"),
        ] {
            let mut new = set(change);
            new["metadata"]["annotations"] = json!({TEMPLATE_GENERATION: "77"});
            (BEHAVIOUR.prepare_update)(&mut new, &old);
            assert_eq!(new["metadata"]["annotations"][TEMPLATE_GENERATION], generation);
            assert!((BEHAVIOUR.spec_changed)(&new, &old));
        }
    }
}
