//! Validation of node affinity and pod (anti-)affinity.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/>

use crate::behaviour::causes::{forbidden, invalid, required};
use crate::behaviour::labels::{validate_label_name, validate_label_selector};
use crate::behaviour::names::{dns_label, label_value};
use crate::behaviour::path::FieldPath;
use k8s_openapi::api::core::v1::{
    Affinity, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm,
    WeightedPodAffinityTerm,
};
use kubus_proto::status::Cause;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// `affinity` of a pod.
pub fn validate_affinity(affinity: &Affinity, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if let Some(node) = &affinity.node_affinity {
        validate_node_affinity(node, &path.field("nodeAffinity"), causes);
    }
    let pods = affinity.pod_affinity.as_ref().map(|a| {
        (
            "podAffinity",
            &a.required_during_scheduling_ignored_during_execution,
            &a.preferred_during_scheduling_ignored_during_execution,
        )
    });
    let others = affinity.pod_anti_affinity.as_ref().map(|a| {
        (
            "podAntiAffinity",
            &a.required_during_scheduling_ignored_during_execution,
            &a.preferred_during_scheduling_ignored_during_execution,
        )
    });
    for (field, must, should) in pods.into_iter().chain(others) {
        let path = path.field(field);
        for (i, term) in must.iter().flatten().enumerate() {
            validate_pod_term(term, &path.field(REQUIRED).index(i), causes);
        }
        for (i, weighted) in should.iter().flatten().enumerate() {
            validate_weighted_term(weighted, &path.field(PREFERRED).index(i), causes);
        }
    }
}

fn validate_weight(weight: i32, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if !(1..=100).contains(&weight) {
        causes.push(invalid(path.field("weight"), weight, "must be in the range 1-100"));
    }
}

fn validate_node_affinity(affinity: &NodeAffinity, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if let Some(selector) = &affinity.required_during_scheduling_ignored_during_execution {
        validate_node_selector(selector, &path.field(REQUIRED), causes);
    }
    let preferred = &affinity.preferred_during_scheduling_ignored_during_execution;
    for (i, term) in preferred.iter().flatten().enumerate() {
        let path = path.field(PREFERRED);
        let path = path.index(i);
        validate_weight(term.weight, &path, causes);
        validate_node_term(&term.preference, &path.field("preference"), causes);
    }
}

/// Which nodes will do.
pub fn validate_node_selector(selector: &NodeSelector, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let path = path.field("nodeSelectorTerms");
    if selector.node_selector_terms.is_empty() {
        causes.push(required(path, "must have at least one node selector term"));
    }
    for (i, term) in selector.node_selector_terms.iter().enumerate() {
        validate_node_term(term, &path.index(i), causes);
    }
}

fn validate_node_term(term: &NodeSelectorTerm, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    for (i, requirement) in term.match_expressions.iter().flatten().enumerate() {
        validate_expression(requirement, &path.field("matchExpressions").index(i), causes);
    }
    for (i, requirement) in term.match_fields.iter().flatten().enumerate() {
        let path = path.field("matchFields");
        let path = path.index(i);
        let values = requirement.values.as_deref().unwrap_or_default();
        match requirement.operator.as_str() {
            "In" | "NotIn" if values.len() == 1 => {}
            "In" | "NotIn" => {
                let detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                causes.push(required(path.field("values"), detail));
            }
            other => causes.push(invalid(path.field("operator"), other, "not a valid selector operator")),
        }
        if requirement.key != "metadata.name" {
            causes.push(invalid(path.field("key"), requirement.key.as_str(), "not a valid field selector key"));
        }
    }
}

fn validate_expression(requirement: &NodeSelectorRequirement, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let values = requirement.values.as_deref().unwrap_or_default();
    match requirement.operator.as_str() {
        "In" | "NotIn" if values.is_empty() => {
            causes.push(required(path.field("values"), "must be specified when `operator` is 'In' or 'NotIn'"));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            causes.push(forbidden(path.field("values"), detail));
        }
        "Gt" | "Lt" if values.len() != 1 => {
            let detail = "must be specified single value when `operator` is 'Lt' or 'Gt'";
            causes.push(required(path.field("values"), detail));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        other => causes.push(invalid(path.field("operator"), other, "not a valid selector operator")),
    }
    validate_label_name(&requirement.key, &path.field("key"), causes);
    for (i, value) in values.iter().enumerate() {
        let path = path.field("values");
        causes.extend(label_value(value).iter().map(|p| invalid(path.index(i), value.as_str(), p)));
    }
}

fn validate_weighted_term(weighted: &WeightedPodAffinityTerm, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    validate_weight(weighted.weight, path, causes);
    validate_pod_term(&weighted.pod_affinity_term, &path.field("podAffinityTerm"), causes);
}

fn validate_pod_term(term: &PodAffinityTerm, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if let Some(selector) = &term.label_selector {
        validate_label_selector(selector, &path.field("labelSelector"), causes);
    }
    if let Some(selector) = &term.namespace_selector {
        validate_label_selector(selector, &path.field("namespaceSelector"), causes);
    }
    for name in term.namespaces.iter().flatten() {
        causes.extend(dns_label(name).iter().map(|p| invalid(path.field("namespace"), name.as_str(), p)));
    }
    let keys = [("matchLabelKeys", &term.match_label_keys), ("mismatchLabelKeys", &term.mismatch_label_keys)];
    for (field, keys) in keys {
        let keys = keys.as_deref().unwrap_or_default();
        if !keys.is_empty() && term.label_selector.is_none() {
            causes.push(forbidden(path.field(field), "must not be specified when labelSelector is not set"));
        }
        for (i, key) in keys.iter().enumerate() {
            validate_label_name(key, &path.field(field).index(i), causes);
        }
    }
    if term.topology_key.is_empty() {
        causes.push(required(path.field("topologyKey"), "can not be empty"));
    }
    validate_label_name(&term.topology_key, &path.field("topologyKey"), causes);
}
