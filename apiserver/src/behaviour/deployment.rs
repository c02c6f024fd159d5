//! Deployment on its way into the store.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/>

use super::causes::{forbidden, invalid, not_supported, required};
use super::defaulting::{object_or_new, put, put_filled};
use super::metadata::typed;
use super::path::FieldPath;
use super::workload::{
    at_most_all, default_replicas_and_own_template, has_selector, immutable_selector, not_negative, validate_amount,
    validate_selector_and_template,
};
use super::{Behaviour, PLAIN, prepare, schema_of};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use kubus_proto::status::Cause;
use serde_json::{Value, json};

/// Behaviour of Deployment.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::deployment::ROW,
    schema: schema_of!(Deployment),
    defaults,
    prepare_create: |deployment| prepare::first_generation(deployment, json!({})),
    prepare_update: prepare::keep_status,
    prepare_status: status_and_annotations,
    // Annotations count too: the controller copies them to ReplicaSets.
    spec_changed: |new, old| {
        prepare::spec_differs(new, old) || new["metadata"]["annotations"] != old["metadata"]["annotations"]
    },
    rules,
    update_rules: immutable_selector,
    warnings: super::warnings::of_workload,
    ..PLAIN
};

const REVISIONS_KEPT: i32 = 10;
const PROGRESS_DEADLINE_SECONDS: i32 = 600;
const STRATEGIES: &[&str] = &["Recreate", "RollingUpdate"];

fn defaults(deployment: &mut Value) {
    default_replicas_and_own_template(deployment);
    let Some(spec) = deployment.get_mut("spec").and_then(Value::as_object_mut) else { return };
    put(spec, "revisionHistoryLimit", REVISIONS_KEPT);
    put(spec, "progressDeadlineSeconds", PROGRESS_DEADLINE_SECONDS);
    let Some(strategy) = object_or_new(spec, "strategy") else { return };
    put_filled(strategy, "type", "RollingUpdate");
    if strategy.get("type").is_some_and(|kind| kind == "RollingUpdate")
        && let Some(rolling) = object_or_new(strategy, "rollingUpdate")
    {
        put(rolling, "maxUnavailable", "25%");
        put(rolling, "maxSurge", "25%");
    }
}

/// Who writes the status may write annotations with it: that is how the controller notes the revision.
fn status_and_annotations(new: &mut Value, old: &Value) {
    let annotations = new["metadata"]["annotations"].take();
    prepare::only_status(new, old);
    if let Some(metadata) = new.get_mut("metadata").and_then(Value::as_object_mut) {
        match annotations {
            Value::Null => metadata.remove("annotations"),
            annotations => metadata.insert("annotations".to_owned(), annotations),
        };
    }
}

fn rules(deployment: &Value, causes: &mut Vec<Cause>) {
    let Some(new) = typed::<Deployment>(deployment, causes) else { return };
    validate_spec(&new.spec.unwrap_or_default(), has_selector(deployment), causes);
}

fn validate_spec(spec: &DeploymentSpec, has_selector: bool, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    not_negative(&path.field("replicas"), spec.replicas, causes);
    let selector = has_selector.then_some(&spec.selector);
    validate_selector_and_template(selector, &spec.template, "deployment", &path, causes);
    if let Some(strategy) = &spec.strategy {
        validate_strategy(strategy, &path.field("strategy"), causes);
    }
    not_negative(&path.field("minReadySeconds"), spec.min_ready_seconds, causes);
    not_negative(&path.field("revisionHistoryLimit"), spec.revision_history_limit, causes);
    if let Some(seconds) = spec.progress_deadline_seconds {
        let field = path.field("progressDeadlineSeconds");
        not_negative(&field, Some(seconds), causes);
        if seconds <= spec.min_ready_seconds.unwrap_or_default() {
            causes.push(invalid(field, seconds, "must be greater than minReadySeconds"));
        }
    }
}

fn validate_strategy(strategy: &DeploymentStrategy, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    match (strategy.type_.as_deref().unwrap_or_default(), &strategy.rolling_update) {
        ("Recreate", None) => {}
        ("Recreate", Some(_)) => {
            let detail = "may not be specified when strategy `type` is 'Recreate'";
            causes.push(forbidden(path.field("rollingUpdate"), detail));
        }
        ("RollingUpdate", None) => {
            causes.push(required(path.field("rollingUpdate"), "this should be defaulted and never be nil"));
        }
        ("RollingUpdate", Some(rolling)) => {
            let path = path.field("rollingUpdate");
            let unavailable = validate_amount(&rolling.max_unavailable, &path.field("maxUnavailable"), causes);
            let surge = validate_amount(&rolling.max_surge, &path.field("maxSurge"), causes);
            let field = path.field("maxUnavailable");
            if unavailable == Some(0) && surge == Some(0) {
                causes.push(invalid(field, json!(rolling.max_unavailable), "may not be 0 when `maxSurge` is 0"));
            }
            at_most_all(&rolling.max_unavailable, unavailable, &field, causes);
        }
        _ => causes.push(not_supported(path, json!(strategy), STRATEGIES)),
    }
}
