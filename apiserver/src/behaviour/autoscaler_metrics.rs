//! What an autoscaler measures and what it scales: validation.
//! <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v2/>

use super::causes::{forbidden, invalid, not_supported, required};
use super::labels::validate_label_selector;
use super::names::NameRule;
use super::path::FieldPath;
use super::pod_spec::{problems, text};
use k8s_openapi::api::autoscaling::v2::{CrossVersionObjectReference, MetricIdentifier, MetricSpec, MetricTarget};
use k8s_openapi::apimachinery::pkg::api::resource;
use kubus_proto::quantity::Quantity;
use kubus_proto::status::Cause;

const SOURCES: &[&str] = &["ContainerResource", "External", "Object", "Pods", "Resource"];
const TARGETS: &[&str] = &["AverageValue", "Utilization", "Value"];

/// What is scaled, or measured.
pub fn validate_reference(reference: &CrossVersionObjectReference, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    for (field, value) in [("kind", &reference.kind), ("name", &reference.name)] {
        match value.as_str() {
            "" => causes.push(required(path.field(field), "")),
            value => problems(&path.field(field), value, NameRule::PathSegment.problems(value), causes),
        }
    }
    let version = text(&reference.api_version);
    let slashes = version.matches('/').count();
    // The core group has no name, and one kind that can be scaled.
    if slashes > 1 {
        let detail = format!("unexpected GroupVersion string: {version}");
        causes.push(invalid(path.field("apiVersion"), version, detail));
    } else if slashes == 0 && !(version == "v1" && reference.kind == "ReplicationController") {
        causes.push(invalid(path.field("apiVersion"), version, "apiVersion must specify API group"));
    }
}

/// Every metric.
pub fn validate_metrics(metrics: &[MetricSpec], path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    for (i, metric) in metrics.iter().enumerate() {
        validate_metric(metric, &path.index(i), causes);
    }
}

fn validate_metric(metric: &MetricSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let kind = metric.type_.as_str();
    if kind.is_empty() {
        causes.push(required(path.field("type"), "must specify a metric source type"));
    }
    if !SOURCES.contains(&kind) {
        causes.push(not_supported(path.field("type"), kind, SOURCES));
    }
    let given = [
        ("object", metric.object.is_some()),
        ("external", metric.external.is_some()),
        ("pods", metric.pods.is_some()),
        ("resource", metric.resource.is_some()),
        ("containerResource", metric.container_resource.is_some()),
    ];
    let given: Vec<&str> = given.into_iter().filter(|(_, there)| *there).map(|(field, _)| field).collect();
    if let Some(first) = given.first() {
        validate_source(metric, first, &path.field(first), causes);
    }
    let mut letters = kind.chars();
    let expected = letters.next().map(|c| c.to_ascii_lowercase()).into_iter().chain(letters).collect::<String>();
    if SOURCES.contains(&kind) && !given.contains(&expected.as_str()) {
        causes.push(required(path.field(&expected), "must populate information for the given metric source"));
    }
    if given.len() > 1 {
        for other in given.into_iter().filter(|field| *field != expected) {
            causes.push(forbidden(path.field(other), "must populate the given metric source only"));
        }
    }
}

fn validate_source(metric: &MetricSpec, field: &str, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let target_path = path.field("target");
    if let (Some(source), "object") = (&metric.object, field) {
        validate_reference(&source.described_object, &path.field("describedObject"), causes);
        validate_identifier(&source.metric, &path.field("metric"), causes);
        validate_target(&source.target, &target_path, causes);
        one_value(&source.target, &target_path, "value", causes);
    }
    if let (Some(source), "external") = (&metric.external, field) {
        validate_identifier(&source.metric, &path.field("metric"), causes);
        validate_target(&source.target, &target_path, causes);
        one_value(&source.target, &target_path, "value", causes);
    }
    if let (Some(source), "pods") = (&metric.pods, field) {
        validate_identifier(&source.metric, &path.field("metric"), causes);
        validate_target(&source.target, &target_path, causes);
        if !is_positive(&source.target.average_value) {
            causes.push(required(target_path.field("averageValue"), "must specify a positive target averageValue"));
        }
    }
    if let (Some(source), "resource") = (&metric.resource, field) {
        validate_resource(&source.name, &source.target, path, causes);
    }
    if let (Some(source), "containerResource") = (&metric.container_resource, field) {
        if source.container.is_empty() {
            causes.push(required(path.field("container"), "must specify a container name"));
        }
        validate_resource(&source.name, &source.target, path, causes);
    }
}

fn amount(amount: &Option<resource::Quantity>) -> Option<Quantity> {
    amount.as_ref().and_then(|amount| Quantity::parse(&amount.0).ok())
}

fn is_positive(value: &Option<resource::Quantity>) -> bool {
    amount(value).is_some_and(|amount| amount > Quantity::ZERO)
}

fn validate_identifier(metric: &MetricIdentifier, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    match metric.name.as_str() {
        "" => causes.push(required(path.field("name"), "must specify a metric name")),
        name => problems(&path.field("name"), name, NameRule::PathSegment.problems(name), causes),
    }
    if let Some(selector) = &metric.selector {
        validate_label_selector(selector, &path.field("selector"), causes);
    }
}

/// A target of any source: its type, and values above zero where they are given.
fn validate_target(target: &MetricTarget, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    match target.type_.as_str() {
        "" => causes.push(required(path.field("type"), "must specify a metric target type")),
        kind if !TARGETS.contains(&kind) => causes.push(not_supported(path.field("type"), kind, TARGETS)),
        _ => {}
    }
    if let Some(value) = amount(&target.value).filter(|value| *value <= Quantity::ZERO) {
        causes.push(invalid(path.field("value"), value.to_string(), "must be positive"));
    }
    if let Some(percent) = target.average_utilization.filter(|percent| *percent < 1) {
        causes.push(invalid(path.field("averageUtilization"), percent, "must be greater than 0"));
    }
}

/// Exactly one of a value and a value for each pod.
fn one_value(target: &MetricTarget, path: &FieldPath<'_>, field: &str, causes: &mut Vec<Cause>) {
    match (&target.value, &target.average_value) {
        (None, None) => {
            causes.push(required(
                path.field("averageValue"),
                "must set either a target value for metric or a per-pod target",
            ));
        }
        (Some(_), Some(_)) => {
            let detail = "may not set both a target value for metric and a per-pod target";
            causes.push(forbidden(path.field(field), detail));
        }
        _ => {}
    }
}

fn validate_resource(name: &str, target: &MetricTarget, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if name.is_empty() {
        causes.push(required(path.field("name"), "must specify a resource name"));
    }
    let path = path.field("target");
    validate_target(target, &path, causes);
    let positive = is_positive(&target.average_value);
    match (target.average_utilization, &target.average_value) {
        (None, None) => {
            let detail = "must set either a target raw value or a target utilization";
            causes.push(required(path.field("averageUtilization"), detail));
        }
        (Some(_), Some(_)) => {
            let detail = "may not set both a target raw value and a target utilization";
            causes.push(forbidden(path.field("averageValue"), detail));
        }
        (None, Some(value)) if !positive => {
            causes.push(invalid(path.field("averageValue"), value.0.as_str(), "must be positive"));
        }
        _ => {}
    }
}
