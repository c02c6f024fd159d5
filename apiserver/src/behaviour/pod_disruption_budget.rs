//! PodDisruptionBudget on its way into the store.
//! <https://kubernetes.io/docs/concepts/workloads/pods/disruptions/>

use super::causes::invalid;
use super::labels::validate_label_selector;
use super::metadata::check;
use super::path::FieldPath;
use super::pod_spec::one_of;
use super::workload::{at_most_all, not_negative, validate_amount};
use super::{Behaviour, NameRule, WITH_STATUS, prepare, schema_of};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use kubus_proto::status::Cause;
use serde_json::json;

/// Behaviour of PodDisruptionBudget.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::pod_disruption_budget::ROW,
    schema: schema_of!(PodDisruptionBudget),
    name: NameRule::PathSegment,
    prepare_create: |budget| {
        let none = json!({"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0});
        prepare::first_generation(budget, none);
    },
    rules: |budget, causes| {
        check(budget, causes, |budget: &PodDisruptionBudget, causes| {
            validate_spec(&budget.spec.clone().unwrap_or_default(), causes);
        });
    },
    status_rules: |new, _, causes| {
        let path = FieldPath::root("status");
        for field in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
            not_negative(&path.field(field), new["status"][field].as_i64(), causes);
        }
    },
    ..WITH_STATUS
};

fn validate_spec(spec: &PodDisruptionBudgetSpec, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    if spec.min_available.is_some() && spec.max_unavailable.is_some() {
        causes.push(invalid(path, json!(spec), "minAvailable and maxUnavailable cannot be both set"));
    }
    for (field, amount) in [("minAvailable", &spec.min_available), ("maxUnavailable", &spec.max_unavailable)] {
        let path = path.field(field);
        let number = validate_amount(amount, &path, causes);
        at_most_all(amount, number, &path, causes);
    }
    if let Some(selector) = &spec.selector {
        validate_label_selector(selector, &path.field("selector"), causes);
    }
    let policies = &["AlwaysAllow", "IfHealthyBudget"];
    one_of(&path.field("unhealthyPodEvictionPolicy"), &spec.unhealthy_pod_eviction_policy, policies, causes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_amount_and_not_more_than_all() {
        for (spec, expected) in [
            (json!({"minAvailable": 1, "selector": {}}), vec![]),
            (json!({"maxUnavailable": "50%", "unhealthyPodEvictionPolicy": "AlwaysAllow"}), vec![]),
            (json!({"maxUnavailable": 1, "minAvailable": 1}), vec!["spec"]),
            (json!({"maxUnavailable": "101%"}), vec!["spec.maxUnavailable"]),
            (
                json!({"minAvailable": -1, "unhealthyPodEvictionPolicy": "x"}),
                vec!["spec.minAvailable", "spec.unhealthyPodEvictionPolicy"],
            ),
        ] {
            let budget = json!({"metadata": {"name": "b", "namespace": "n"}, "spec": spec});
            let fields: Vec<String> = BEHAVIOUR.validate(&budget).into_iter().map(|cause| cause.field).collect();
            assert_eq!(fields, expected, "{spec}");
        }
    }
}
