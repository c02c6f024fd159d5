//! Job on its way into the store.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/job/>

use super::causes::{invalid, required};
use super::defaulting::{items, object, object_or_new, put, put_filled};
use super::job_spec::validate_job_spec;
use super::labels::validate_label_selector;
use super::metadata::check;
use super::names::dns_label;
use super::path::FieldPath;
use super::workload::{default_template, immutable, labels_of, not_negative, without_empties};
use super::{Behaviour, WITH_STATUS, prepare, schema_of};
use k8s_openapi::api::batch::v1::Job;
use kubus_proto::selector::Selector;
use kubus_proto::status::Cause;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Behaviour of Job.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::job::ROW,
    schema: schema_of!(Job),
    defaults,
    prepare_create: |job| {
        prepare::first_generation(job, json!({}));
        generate_selector(job);
        take_labels(job);
    },
    prepare_update: |new, old| {
        prepare::keep_status(new, old);
        take_labels(new);
    },
    rules: |job, causes| check(job, causes, validate_job),
    update_rules,
    status_rules: |new, _, causes| {
        let path = FieldPath::root("status");
        for field in ["active", "succeeded", "failed", "ready", "terminating"] {
            not_negative(&path.field(field), new["status"][field].as_i64(), causes);
        }
    },
    warnings: super::warnings::of_workload,
    ..WITH_STATUS
};

/// Labels that carry the uid of a job.
const UID_LABELS: [&str; 2] = ["batch.kubernetes.io/controller-uid", "controller-uid"];
/// Labels that carry its name.
const NAME_LABELS: [&str; 2] = ["batch.kubernetes.io/job-name", "job-name"];
const RETRIES: i32 = 6;

fn defaults(job: &mut Value) {
    let Some(spec) = job.as_object_mut().and_then(|job| object_or_new(job, "spec")) else { return };
    default_template(spec);
    default_job_spec(spec);
}

/// Defaults of the spec of a Job beside its template. The template of a CronJob keeps what it says.
fn default_job_spec(spec: &mut Map<String, Value>) {
    if !spec.contains_key("completions") && !spec.contains_key("parallelism") {
        put(spec, "completions", 1);
    }
    put(spec, "parallelism", 1);
    let per_index = spec.contains_key("backoffLimitPerIndex");
    put(spec, "backoffLimit", if per_index { i32::MAX } else { RETRIES });
    put_filled(spec, "completionMode", "NonIndexed");
    put(spec, "suspend", false);
    put(spec, "manualSelector", false);
    if let Some(policy) = object(spec, "podFailurePolicy") {
        for rule in items(policy, "rules") {
            items(rule, "onPodConditions").for_each(|pattern| put_filled(pattern, "status", "True"));
        }
    }
    let failed_only = spec.contains_key("podFailurePolicy");
    put_filled(spec, "podReplacementPolicy", if failed_only { "Failed" } else { "TerminatingOrFailed" });
}

/// A job without labels has those of its pods, the generated ones too.
fn take_labels(job: &mut Value) {
    let labels = job["spec"]["template"]["metadata"]["labels"].clone();
    let own = &job["metadata"]["labels"];
    if labels.as_object().is_some_and(|l| !l.is_empty()) && own.as_object().is_none_or(Map::is_empty) {
        job["metadata"]["labels"] = labels;
    }
}

/// The pods of a job are told from all others by its uid, unless the user cares for that.
fn generate_selector(job: &mut Value) {
    if job["spec"]["manualSelector"] == true {
        return;
    }
    let (uid, name) = (job["metadata"]["uid"].clone(), job["metadata"]["name"].clone());
    let Some(spec) = job.get_mut("spec").and_then(Value::as_object_mut) else { return };
    let template = object_or_new(spec, "template").and_then(|template| object_or_new(template, "metadata"));
    if let Some(labels) = template.and_then(|metadata| object_or_new(metadata, "labels")) {
        for (keys, value) in [(NAME_LABELS, &name), (UID_LABELS, &uid)] {
            for key in keys {
                labels.entry(key).or_insert_with(|| value.clone());
            }
        }
    }
    let selector = object_or_new(spec, "selector").and_then(|selector| object_or_new(selector, "matchLabels"));
    if let Some(labels) = selector {
        labels.entry(UID_LABELS[0]).or_insert(uid);
    }
}

fn validate_job(job: &Job, causes: &mut Vec<Cause>) {
    let spec = job.spec.clone().unwrap_or_default();
    let path = FieldPath::root("spec");
    if spec.manual_selector != Some(true) && spec.selector.is_some() {
        validate_generated(job, causes);
    }
    validate_job_spec(&spec, &path, causes);
    let template_path = path.field("template");
    match &spec.selector {
        None => causes.push(required(path.field("selector"), "")),
        Some(selector) => validate_label_selector(selector, &path.field("selector"), causes),
    }
    let selector = spec.selector.clone().unwrap_or_default();
    let matches = Selector::from_label_selector(&selector)
        .map(|readable| spec.selector.is_some() && readable.matches(&labels_of(&spec.template)));
    if matches == Ok(false) {
        let detail = "`selector` does not match template `labels`";
        let labels = json!(labels_of(&spec.template));
        causes.push(invalid(template_path.field("metadata").field("labels"), labels, detail));
    }
    let name = job.metadata.name.as_deref().unwrap_or_default();
    let last = spec.completions.filter(|count| *count > 0).map(|count| format!("{name}-{}", count - 1));
    if let (Some("Indexed"), Some(last)) = (spec.completion_mode.as_deref(), last)
        && !dns_label(&last).is_empty()
    {
        let detail = format!("will not able to create pod with invalid DNS label: {last}");
        causes.push(invalid("metadata.name", name, detail));
    }
}

/// The labels and the selector that the server made must be as it makes them.
fn validate_generated(job: &Job, causes: &mut Vec<Cause>) {
    let (uid, name) = (job.metadata.uid.as_deref().unwrap_or_default(), job.metadata.name.as_deref());
    let spec = job.spec.clone().unwrap_or_default();
    let labels = labels_of(&spec.template);
    let mut expected = BTreeMap::new();
    for (keys, value) in [(UID_LABELS, uid), (NAME_LABELS, name.unwrap_or_default())] {
        for key in keys.into_iter().rev() {
            expected.insert(key.to_owned(), value.to_owned());
            let detail = format!("must be '{value}'");
            let field = "spec.template.metadata.labels";
            match labels.get(key) {
                None => causes.push(required(field, &detail)),
                Some(found) if found != value => causes.push(invalid(field, json!(labels), detail)),
                Some(_) => {}
            }
        }
    }
    let selector = spec.selector.unwrap_or_default();
    if Selector::from_label_selector(&selector).is_ok_and(|readable| !readable.matches(&expected)) {
        causes.push(invalid("spec.selector", json!(selector), "`selector` not auto-generated"));
    }
}

fn update_rules(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let (spec, path) = (&new["spec"], FieldPath::root("spec"));
    let before = &old["spec"];
    // An indexed job can be made larger or smaller together with its parallelism.
    let elastic = spec["completionMode"] == "Indexed" && !spec["completions"].is_null();
    if spec["completions"] != before["completions"] {
        if !elastic {
            immutable(&spec["completions"], &before["completions"], &path.field("completions"), causes);
        } else if spec["completions"] != spec["parallelism"] || before["completions"] != before["parallelism"] {
            let detail = "can only be modified in tandem with spec.parallelism";
            causes.push(invalid(path.field("completions"), spec["completions"].clone(), detail));
        }
    }
    immutable(&spec["selector"], &before["selector"], &path.field("selector"), causes);
    let template = relaxed_template(new, old);
    if without_empties(&template) != without_empties(&before["template"]) {
        causes.push(invalid(path.field("template"), spec["template"].clone(), "field is immutable"));
    }
    for field in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] {
        immutable(&spec[field], &before[field], &path.field(field), causes);
    }
}

/// The new template without what may change: where pods run and how they are labelled, while the job has never run.
fn relaxed_template(new: &Value, old: &Value) -> Value {
    let mut template = new["spec"]["template"].clone();
    let before = &old["spec"]["template"];
    if old["spec"]["suspend"] == true && old["status"]["startTime"].is_null() {
        for (part, key) in [
            ("metadata", "labels"),
            ("metadata", "annotations"),
            ("spec", "nodeSelector"),
            ("spec", "tolerations"),
            ("spec", "schedulingGates"),
        ] {
            prepare::take_over(&mut template[part], &before[part], key);
        }
        let affinity = &before["spec"]["affinity"]["nodeAffinity"];
        if template["spec"]["affinity"].is_object() || affinity.is_object() {
            template["spec"]["affinity"]["nodeAffinity"] = affinity.clone();
        }
    }
    template
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(spec: Value) -> Value {
        let mut all =
            json!({"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}});
        json_patch::merge(&mut all, &spec);
        let mut job = json!({"metadata": {"name": "j", "namespace": "n", "uid": "u"}, "spec": all});
        BEHAVIOUR.default(&mut job);
        (BEHAVIOUR.prepare_create)(&mut job);
        job
    }

    fn fields(causes: Vec<Cause>) -> Vec<String> {
        causes.into_iter().map(|cause| cause.field).collect()
    }

    #[test]
    fn selectors_are_generated_unless_they_are_the_users() {
        let labels = "spec.template.metadata.labels";
        let labelled = |value: &str| json!({"template": {"metadata": {"labels": {"job-name": value}}}});
        let manual = json!({"manualSelector": true, "selector": {"matchLabels": {"a": "b"}}});
        for (spec, expected) in [
            (json!({}), vec![]),
            (labelled("j"), vec![]),
            // The selector is by uid and still matches.
            (labelled("other"), vec![labels]),
            (json!({"selector": {"matchLabels": {"a": "b"}}}), vec!["spec.selector", labels]),
            (json!({"manualSelector": true}), vec!["spec.selector", labels]),
            (manual, vec![labels]),
        ] {
            assert_eq!(fields(BEHAVIOUR.validate(&job(spec.clone()))), expected, "{spec}");
        }
        let made = job(json!({"template": {"metadata": {"labels": {"app": "a"}}}}));
        assert_eq!(made["metadata"]["labels"], made["spec"]["template"]["metadata"]["labels"]);
        assert_eq!(made["spec"]["selector"], json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}}));
        assert_eq!(made["spec"]["template"]["metadata"]["labels"].as_object().map(Map::len), Some(5));
    }

    #[test]
    fn a_suspended_job_may_still_be_placed_elsewhere() {
        let place = json!({"template": {"spec": {"nodeSelector": {"a": "b"}}}});
        let command = json!({"template": {"spec": {"containers": [{"name": "c", "image": "y"}]}}});
        for (old, new, expected) in [
            (json!({}), json!({"parallelism": 3, "completions": 1, "suspend": true}), vec![]),
            (json!({}), place.clone(), vec!["spec.template"]),
            (json!({"suspend": true}), place, vec![]),
            (json!({"suspend": true}), command, vec!["spec.template"]),
            (json!({}), json!({"completions": 2}), vec!["spec.completions"]),
            (
                json!({"completionMode": "Indexed", "completions": 2, "parallelism": 2}),
                json!({"completionMode": "Indexed", "completions": 3, "parallelism": 3}),
                vec![],
            ),
        ] {
            assert_eq!(fields(BEHAVIOUR.validate_update(&job(new.clone()), &job(old))), expected, "{new}");
        }
    }
}
