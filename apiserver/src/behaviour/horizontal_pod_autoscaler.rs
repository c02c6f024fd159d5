//! HorizontalPodAutoscaler on its way into the store.
//! <https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/>

use super::autoscaler_behavior::{default_behavior, validate_behavior};
use super::autoscaler_metrics::{validate_metrics, validate_reference};
use super::causes::invalid;
use super::defaulting::{object, object_or_new, put};
use super::metadata::check;
use super::path::FieldPath;
use super::workload::not_negative;
use super::{Behaviour, PLAIN, prepare, schema_of};
use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec};
use kubus_proto::status::Cause;
use serde_json::{Value, json};

/// Behaviour of HorizontalPodAutoscaler.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::horizontal_pod_autoscaler::ROW,
    schema: schema_of!(HorizontalPodAutoscaler),
    defaults,
    prepare_create: |scaler| prepare::first_status(scaler, json!({"desiredReplicas": 0, "currentMetrics": null})),
    prepare_update: prepare::keep_status,
    prepare_status: prepare::only_status,
    rules: |scaler, causes| {
        check(scaler, causes, |scaler: &HorizontalPodAutoscaler, causes| validate_spec(&scaler.spec, causes));
    },
    status_rules: |new, _, causes| {
        let path = FieldPath::root("status");
        for field in ["currentReplicas", "desiredReplicas"] {
            not_negative(&path.field(field), new["status"][field].as_i64(), causes);
        }
    },
    ..PLAIN
};

/// Part of their request that pods use of the processor, if nothing else is said.
const UTILIZATION_PERCENT: i32 = 80;

fn defaults(scaler: &mut Value) {
    let Some(spec) = scaler.as_object_mut().and_then(|scaler| object_or_new(scaler, "spec")) else { return };
    put(spec, "minReplicas", 1);
    if spec.get("metrics").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        let target = json!({"type": "Utilization", "averageUtilization": UTILIZATION_PERCENT});
        spec.insert("metrics".to_owned(), json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]));
    }
    if let Some(behavior) = object(spec, "behavior") {
        default_behavior(behavior);
    }
}

fn validate_spec(spec: &HorizontalPodAutoscalerSpec, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    if let Some(least) = spec.min_replicas.filter(|least| *least < 1) {
        causes.push(invalid(path.field("minReplicas"), least, "must be greater than or equal to 1"));
    }
    if spec.max_replicas < 1 {
        causes.push(invalid(path.field("maxReplicas"), spec.max_replicas, "must be greater than 0"));
    }
    if spec.min_replicas.is_some_and(|least| spec.max_replicas < least) {
        let detail = "must be greater than or equal to `minReplicas`";
        causes.push(invalid(path.field("maxReplicas"), spec.max_replicas, detail));
    }
    validate_reference(&spec.scale_target_ref, &path.field("scaleTargetRef"), causes);
    validate_metrics(spec.metrics.as_deref().unwrap_or_default(), &path.field("metrics"), causes);
    if let Some(behavior) = &spec.behavior {
        validate_behavior(behavior, &path.field("behavior"), causes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_metrics_and_behaviour_are_checked() {
        let metrics = |metric: Value| json!({"metrics": [metric]});
        for (spec, expected) in [
            (json!({}), vec![]),
            (json!({"minReplicas": 5}), vec!["spec.maxReplicas"]),
            (json!({"minReplicas": 0, "maxReplicas": 0}), vec!["spec.minReplicas", "spec.maxReplicas"]),
            (json!({"scaleTargetRef": {"apiVersion": null}}), vec!["spec.scaleTargetRef.apiVersion"]),
            (json!({"scaleTargetRef": {"kind": "ReplicationController", "apiVersion": "v1"}}), vec![]),
            (metrics(json!({"type": "Resource"})), vec!["spec.metrics[0].resource"]),
            (
                metrics(json!({"type": "Pods", "pods": {"metric": {"name": "m"},
                    "target": {"type": "AverageValue", "averageValue": "0"}}})),
                vec!["spec.metrics[0].pods.target.averageValue"],
            ),
            (
                metrics(json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization"}}})),
                vec!["spec.metrics[0].resource.target.averageUtilization"],
            ),
            (
                json!({"behavior": {"scaleDown": {"stabilizationWindowSeconds": 3601, "policies": [{"type": "Pods",
                    "value": 0, "periodSeconds": 15}]}}}),
                vec!["spec.behavior.scaleDown.stabilizationWindowSeconds", "spec.behavior.scaleDown.policies[0].value"],
            ),
        ] {
            let mut all = json!({"maxReplicas": 3,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}});
            json_patch::merge(&mut all, &spec);
            let mut scaler = json!({"metadata": {"name": "h", "namespace": "n"}, "spec": all});
            BEHAVIOUR.default(&mut scaler);
            let fields: Vec<String> = BEHAVIOUR.validate(&scaler).into_iter().map(|cause| cause.field).collect();
            assert_eq!(fields, expected, "{spec}");
        }
    }
}
