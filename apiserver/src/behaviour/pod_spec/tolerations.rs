//! Validation of tolerations and of the effects of taints.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/>

use super::text;
use crate::behaviour::causes::{invalid, not_supported};
use crate::behaviour::labels::validate_label_name;
use crate::behaviour::names::label_value;
use crate::behaviour::path::FieldPath;
use k8s_openapi::api::core::v1::Toleration;
use kubus_proto::status::Cause;

/// Effects, in Kubernetes' order.
const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Every toleration of a pod.
pub fn validate_tolerations(tolerations: &[Toleration], path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    for (i, toleration) in tolerations.iter().enumerate() {
        let path = path.index(i);
        let (key, operator) = (text(&toleration.key), text(&toleration.operator));
        let (value, effect) = (text(&toleration.value), text(&toleration.effect));
        if !key.is_empty() {
            validate_label_name(key, &path.field("key"), causes);
        }
        if key.is_empty() && operator != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            causes.push(invalid(path.field("operator"), operator, detail));
        }
        if toleration.toleration_seconds.is_some() && effect != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            causes.push(invalid(path.field("effect"), effect, detail));
        }
        match operator {
            "" | "Equal" => {
                let wrong = label_value(value);
                if !wrong.is_empty() {
                    causes.push(invalid(path.field("operator"), value, wrong.join(";")));
                }
            }
            "Exists" if !value.is_empty() => {
                let detail = "value must be empty when `operator` is 'Exists'";
                causes.push(invalid(path.field("operator"), value, detail));
            }
            "Exists" => {}
            other => causes.push(not_supported(path.field("operator"), other, &["Equal", "Exists"])),
        }
        if !effect.is_empty() {
            validate_taint_effect(effect, &path.field("effect"), causes);
        }
    }
}

/// The effect of a taint.
pub fn validate_taint_effect(effect: &str, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if !EFFECTS.contains(&effect) {
        causes.push(not_supported(path, effect, EFFECTS));
    }
}
