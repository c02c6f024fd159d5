//! How fast an autoscaler may scale: its defaults and its validation.
//! <https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#configurable-scaling-behavior>

use super::causes::{invalid, not_supported, required};
use super::defaulting::{object_or_new, put, put_filled};
use super::path::FieldPath;
use super::pod_spec::one_of;
use k8s_openapi::api::autoscaling::v2::{HPAScalingRules, HorizontalPodAutoscalerBehavior};
use kubus_proto::quantity::Quantity;
use kubus_proto::status::Cause;
use serde_json::{Map, Value, json};

const SELECTIONS: &[&str] = &["Disabled", "Max", "Min"];
const POLICIES: &[&str] = &["Percent", "Pods"];
const WINDOW_LIMIT_SECONDS: i32 = 3600;
const PERIOD_LIMIT_SECONDS: i32 = 1800;

/// Fills in both directions where there is a behaviour at all.
pub fn default_behavior(behavior: &mut Map<String, Value>) {
    let double = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
    let four = json!({"type": "Pods", "value": 4, "periodSeconds": 15});
    for (direction, policies) in [("scaleUp", json!([four, double])), ("scaleDown", json!([double]))] {
        let Some(rules) = object_or_new(behavior, direction) else { continue };
        if direction == "scaleUp" {
            put(rules, "stabilizationWindowSeconds", 0);
        }
        put_filled(rules, "selectPolicy", "Max");
        put(rules, "policies", policies);
    }
}

/// Both directions.
pub fn validate_behavior(behavior: &HorizontalPodAutoscalerBehavior, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    for (field, rules) in [("scaleUp", &behavior.scale_up), ("scaleDown", &behavior.scale_down)] {
        if let Some(rules) = rules {
            validate_rules(rules, &path.field(field), causes);
        }
    }
}

fn validate_rules(rules: &HPAScalingRules, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if let Some(seconds) = rules.stabilization_window_seconds {
        let field = path.field("stabilizationWindowSeconds");
        if seconds < 0 {
            causes.push(invalid(field, seconds, "must be greater than or equal to zero"));
        }
        if seconds > WINDOW_LIMIT_SECONDS {
            causes.push(invalid(field, seconds, format!("must be less than or equal to {WINDOW_LIMIT_SECONDS}")));
        }
    }
    one_of(&path.field("selectPolicy"), &rules.select_policy, SELECTIONS, causes);
    let tolerance = rules.tolerance.as_ref().and_then(|amount| Quantity::parse(&amount.0).ok());
    if let Some(tolerance) = tolerance.filter(|tolerance| tolerance.is_negative()) {
        causes.push(invalid(path.field("tolerance"), tolerance.to_string(), "must be greater than or equal to zero"));
    }
    let policies = rules.policies.as_deref().unwrap_or_default();
    if policies.is_empty() {
        causes.push(required(path.field("policies"), "must specify at least one Policy"));
    }
    for (i, policy) in policies.iter().enumerate() {
        let path = path.field("policies");
        let path = path.index(i);
        if !POLICIES.contains(&policy.type_.as_str()) {
            causes.push(not_supported(path.field("type"), policy.type_.as_str(), POLICIES));
        }
        for (field, number) in [("value", policy.value), ("periodSeconds", policy.period_seconds)] {
            if number <= 0 {
                causes.push(invalid(path.field(field), number, "must be greater than zero"));
            }
        }
        if policy.period_seconds > PERIOD_LIMIT_SECONDS {
            let detail = format!("must be less than or equal to {PERIOD_LIMIT_SECONDS}");
            causes.push(invalid(path.field("periodSeconds"), policy.period_seconds, detail));
        }
    }
}
