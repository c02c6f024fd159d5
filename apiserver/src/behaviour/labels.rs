//! Validation of labels, annotations, taints' and tolerations' keys, and label selectors.
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/>

use super::causes::{forbidden, invalid, required, too_long};
use super::names::{label_value, qualified_name};
use super::path::FieldPath;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use kubus_proto::status::Cause;
use std::collections::BTreeMap;

/// Most bytes all annotations of an object may hold.
const ANNOTATIONS_LIMIT_BYTES: usize = 256 * 1024;

/// Labels: their keys and values.
pub fn validate_labels(labels: Option<&BTreeMap<String, String>>, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    for (key, value) in labels.into_iter().flatten() {
        validate_label_name(key, path, causes);
        causes.extend(label_value(value).iter().map(|problem| invalid(path, value.as_str(), problem)));
    }
}

/// The key of a label.
pub fn validate_label_name(key: &str, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    causes.extend(qualified_name(key).iter().map(|problem| invalid(path, key, problem)));
}

/// Annotations: their keys, and how much they hold.
pub fn validate_annotations(all: Option<&BTreeMap<String, String>>, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let mut total_bytes = 0;
    for (key, value) in all.into_iter().flatten() {
        // Keys may have capital letters, for old annotations' sake.
        let lower = key.to_lowercase();
        causes.extend(qualified_name(&lower).iter().map(|problem| invalid(path, key.as_str(), problem)));
        total_bytes += key.len() + value.len();
    }
    if total_bytes > ANNOTATIONS_LIMIT_BYTES {
        causes.push(too_long(path, ANNOTATIONS_LIMIT_BYTES));
    }
}

/// A label selector's labels and expressions.
pub fn validate_label_selector(selector: &LabelSelector, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    validate_labels(selector.match_labels.as_ref(), &path.field("matchLabels"), causes);
    for (i, expression) in selector.match_expressions.iter().flatten().enumerate() {
        validate_requirement(expression, &path.field("matchExpressions").index(i), causes);
    }
}

fn validate_requirement(requirement: &LabelSelectorRequirement, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let values = requirement.values.as_deref().unwrap_or_default();
    match requirement.operator.as_str() {
        "In" | "NotIn" if values.is_empty() => {
            causes.push(required(path.field("values"), "must be specified when `operator` is 'In' or 'NotIn'"));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            causes.push(forbidden(path.field("values"), detail));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => causes.push(invalid(path.field("operator"), other, "not a valid selector operator")),
    }
    validate_label_name(&requirement.key, &path.field("key"), causes);
    for (i, value) in values.iter().enumerate() {
        let problems = label_value(value);
        let values = path.field("values");
        causes.extend(problems.iter().map(|p| invalid(values.index(i), value.as_str(), p)));
    }
}
