//! ResourceQuota on its way into the store.
//! <https://kubernetes.io/docs/concepts/policy/resource-quotas/>

use super::causes::{invalid, required};
use super::metadata::check;
use super::names::qualified_name;
use super::path::FieldPath;
use super::pod_spec::problems;
use super::workload::immutable;
use super::{Behaviour, PLAIN, prepare, schema_of};
use k8s_openapi::api::core::v1::{ResourceQuota, ResourceQuotaSpec, ScopedResourceSelectorRequirement};
use k8s_openapi::apimachinery::pkg::api::resource;
use kubus_proto::quantity::Quantity;
use kubus_proto::status::Cause;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Behaviour of ResourceQuota.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::resource_quota::ROW,
    schema: schema_of!(ResourceQuota),
    prepare_create: |quota| prepare::first_status(quota, json!({})),
    prepare_update: prepare::keep_status,
    prepare_status: prepare::only_status,
    rules: |quota, causes| {
        check(quota, causes, |quota: &ResourceQuota, causes| {
            validate_spec(&quota.spec.clone().unwrap_or_default(), causes);
        });
    },
    update_rules: |new, old, causes| {
        let path = FieldPath::root("spec");
        let sorted = |quota: &Value| {
            let mut scopes: Vec<String> =
                quota["spec"]["scopes"].as_array().into_iter().flatten().map(Value::to_string).collect();
            scopes.sort();
            scopes.dedup();
            scopes
        };
        if sorted(new) != sorted(old) {
            immutable(&new["spec"]["scopes"], &old["spec"]["scopes"], &path.field("scopes"), causes);
        }
    },
    status_rules: |new, _, causes| {
        check(new, causes, |quota: &ResourceQuota, causes| {
            let (path, Some(status)) = (FieldPath::root("status"), &quota.status) else { return };
            for (field, amounts) in [("hard", &status.hard), ("used", &status.used)] {
                validate_amounts(amounts, &path.field(field), causes);
            }
        });
    },
    ..PLAIN
};

/// Plain names that can be limited.
const RESOURCES: &[&str] = &[
    "configmaps",
    "cpu",
    "ephemeral-storage",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "memory",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
    "requests.storage",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];
/// Those of them that are counted in whole numbers.
const COUNTED: &[&str] = &[
    "configmaps",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
];
const SCOPES: &[&str] = &[
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
];
/// Scopes that contradict each other.
const CONFLICTS: [(&str, &str); 2] = [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")];

fn is_huge_pages(name: &str) -> bool {
    name.starts_with("hugepages-") || name.starts_with("requests.hugepages-")
}

fn validate_amounts(
    amounts: &Option<BTreeMap<String, resource::Quantity>>,
    path: &FieldPath<'_>,
    causes: &mut Vec<Cause>,
) {
    for (name, amount) in amounts.iter().flatten() {
        let path = path.key(name);
        let wrong = qualified_name(name);
        if wrong.is_empty() && !name.contains('/') && !RESOURCES.contains(&name.as_str()) && !is_huge_pages(name) {
            causes.push(invalid(path, name.as_str(), "must be a standard resource for quota"));
        }
        problems(&path, name, wrong, causes);
        let Ok(amount) = Quantity::parse(&amount.0) else { continue };
        if amount.is_negative() {
            causes.push(invalid(path, amount.to_string(), "must be greater than or equal to 0"));
        }
        if !amount.is_whole() && (COUNTED.contains(&name.as_str()) || name.contains('/')) {
            causes.push(invalid(path, amount.to_string(), "must be an integer"));
        }
    }
}

/// Whether a scope can narrow what is counted of a resource.
fn fits(scope: &str, resource: &str) -> bool {
    if !RESOURCES.contains(&resource) {
        return true;
    }
    match scope {
        "BestEffort" => resource == "pods",
        "Terminating" | "NotTerminating" | "NotBestEffort" | "PriorityClass" | "CrossNamespacePodAffinity" => {
            let of_pods = ["cpu", "memory", "ephemeral-storage"];
            resource == "pods"
                || of_pods.contains(&resource)
                || resource.strip_prefix("requests.").is_some_and(|rest| of_pods.contains(&rest))
                || resource.starts_with("limits.")
        }
        "VolumeAttributesClass" => matches!(resource, "persistentvolumeclaims" | "requests.storage"),
        _ => true,
    }
}

fn validate_spec(spec: &ResourceQuotaSpec, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    validate_amounts(&spec.hard, &path.field("hard"), causes);
    let fits_all = |scope: &str| spec.hard.iter().flatten().all(|(name, _)| fits(scope, name));
    let (scopes, scopes_path) = (spec.scopes.as_deref().unwrap_or_default(), path.field("scopes"));
    for scope in scopes {
        if !SCOPES.contains(&scope.as_str()) {
            causes.push(invalid(scopes_path, json!(scopes), "unsupported scope"));
        }
        if !fits_all(scope) {
            causes.push(invalid(scopes_path, json!(scopes), "unsupported scope applied to resource"));
        }
    }
    let has = |scope: &str| scopes.iter().any(|s| s == scope);
    if CONFLICTS.iter().any(|(one, other)| has(one) && has(other)) {
        causes.push(invalid(scopes_path, json!(scopes), "conflicting scopes"));
    }
    let Some(selector) = &spec.scope_selector else { return };
    let path = path.field("scopeSelector");
    let path = path.field("matchExpressions");
    for requirement in selector.match_expressions.iter().flatten() {
        validate_requirement(requirement, &path, causes);
        if !fits_all(&requirement.scope_name) {
            causes.push(invalid(path, json!(selector), "unsupported scope applied to resource"));
        }
    }
}

fn validate_requirement(
    requirement: &ScopedResourceSelectorRequirement,
    path: &FieldPath<'_>,
    causes: &mut Vec<Cause>,
) {
    let (scope, operator) = (requirement.scope_name.as_str(), requirement.operator.as_str());
    let values = requirement.values.as_deref().unwrap_or_default();
    if !SCOPES.contains(&scope) {
        causes.push(invalid(path.field("scopeName"), scope, "unsupported scope"));
    } else if !matches!(scope, "PriorityClass" | "VolumeAttributesClass") && operator != "Exists" {
        let detail = "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, \
            ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
        causes.push(invalid(path.field("operator"), operator, detail));
    }
    match operator {
        "In" | "NotIn" if values.is_empty() => {
            let detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
            causes.push(required(path.field("values"), detail));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let detail = "must be no value when `operator` is 'Exists' or 'DoesNotExist' for scope selector";
            causes.push(invalid(path.field("values"), json!(values), detail));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => causes.push(invalid(path.field("operator"), other, "not a valid selector operator")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_and_scopes_are_checked() {
        let quota = |spec: Value| json!({"metadata": {"name": "q", "namespace": "n"}, "spec": spec});
        let expression = |scope: &str, operator: &str| json!({"scopeSelector": {"matchExpressions": [{"scopeName": scope, "operator": operator}]}});
        for (spec, expected) in [
            (
                json!({"hard": {"pods": "3", "cpu": "1", "count/deployments.apps": "2", "requests.nvidia.com/gpu": 4}}),
                vec![],
            ),
            (json!({"hard": {"storage": "1"}}), vec!["spec.hard[storage]"]),
            (json!({"hard": {"pods": "1500m", "cpu": "-1"}}), vec!["spec.hard[cpu]", "spec.hard[pods]"]),
            (json!({"hard": {"pods": "1"}, "scopes": ["BestEffort"]}), vec![]),
            (json!({"hard": {"cpu": "1"}, "scopes": ["BestEffort"]}), vec!["spec.scopes"]),
            (json!({"scopes": ["BestEffort", "NotBestEffort", "Odd"]}), vec!["spec.scopes", "spec.scopes"]),
            (expression("Terminating", "Exists"), vec![]),
            (
                expression("Terminating", "In"),
                vec!["spec.scopeSelector.matchExpressions.operator", "spec.scopeSelector.matchExpressions.values"],
            ),
        ] {
            let fields: Vec<String> = BEHAVIOUR.validate(&quota(spec.clone())).into_iter().map(|c| c.field).collect();
            assert_eq!(fields, expected, "{spec}");
        }
        let (old, new) = (quota(json!({"scopes": ["BestEffort"]})), quota(json!({})));
        assert_eq!(BEHAVIOUR.validate_update(&new, &old)[0].field, "spec.scopes");
    }
}
