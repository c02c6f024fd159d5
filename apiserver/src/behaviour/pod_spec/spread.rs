//! Validation of topology spread constraints.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/>

use super::{one_of, required_one_of};
use crate::behaviour::causes::{duplicate, forbidden, invalid, required};
use crate::behaviour::labels::{validate_label_name, validate_label_selector};
use crate::behaviour::path::FieldPath;
use k8s_openapi::api::core::v1::PodSpec;
use kubus_proto::status::Cause;
use std::collections::BTreeSet;

const ACTIONS: &[&str] = &["DoNotSchedule", "ScheduleAnyway"];
const POLICIES: &[&str] = &["Honor", "Ignore"];

/// Every topology spread constraint of a pod.
pub fn validate_spread(spec: &PodSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let mut pairs = BTreeSet::new();
    for (i, constraint) in spec.topology_spread_constraints.iter().flatten().enumerate() {
        let path = path.index(i);
        if constraint.max_skew <= 0 {
            causes.push(invalid(path.field("maxSkew"), constraint.max_skew, "must be greater than zero"));
        }
        match constraint.topology_key.as_str() {
            "" => causes.push(required(path.field("topologyKey"), "can not be empty")),
            key => validate_label_name(key, &path.field("topologyKey"), causes),
        }
        let action = constraint.when_unsatisfiable.as_str();
        required_one_of(&path.field("whenUnsatisfiable"), &Some(action.to_owned()), ACTIONS, causes);
        if !pairs.insert((constraint.topology_key.as_str(), action)) {
            let pair = format!("{{{}, {action}}}", constraint.topology_key);
            causes.push(duplicate(path.field("{topologyKey, whenUnsatisfiable}"), pair));
        }
        if let Some(domains) = constraint.min_domains {
            if domains <= 0 {
                causes.push(invalid(path.field("minDomains"), domains, "must be greater than zero"));
            }
            if action != "DoNotSchedule" {
                let detail = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
                causes.push(invalid(path.field("minDomains"), domains, detail));
            }
        }
        one_of(&path.field("nodeAffinityPolicy"), &constraint.node_affinity_policy, POLICIES, causes);
        one_of(&path.field("nodeTaintsPolicy"), &constraint.node_taints_policy, POLICIES, causes);
        let keys = constraint.match_label_keys.as_deref().unwrap_or_default();
        if !keys.is_empty() && constraint.label_selector.is_none() {
            let detail = "must not be specified when labelSelector is not set";
            causes.push(forbidden(path.field("matchLabelKeys"), detail));
        }
        for (j, key) in keys.iter().enumerate() {
            validate_label_name(key, &path.field("matchLabelKeys").index(j), causes);
        }
        if let Some(selector) = &constraint.label_selector {
            validate_label_selector(selector, &path.field("labelSelector"), causes);
        }
    }
}
