//! Validation of references from a pod into itself (downward API) and to keys of ConfigMaps and Secrets.

use super::qos::same_amount;
use super::text;
use crate::behaviour::causes::{invalid, not_supported, required};
use crate::behaviour::names::{config_key, qualified_name};
use crate::behaviour::path::FieldPath;
use k8s_openapi::api::core::v1::{ObjectFieldSelector, ResourceFieldSelector};
use kubus_proto::quantity::Quantity;
use kubus_proto::status::Cause;

/// Where a reference stands decides what it may refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A variable.
    Environment,
    /// A file in a volume.
    Volume,
}

/// Every field that can be referred to from somewhere.
const FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.phase",
    "status.podIP",
    "status.podIPs",
];
const ENVIRONMENT_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
const VOLUME_FIELDS: &[&str] =
    &["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
const RESOURCES: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
const CPU_DIVISORS: &[&str] = &["1m", "1"];
const BYTE_DIVISORS: &[&str] = &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/// A `fieldRef`.
pub fn validate_field(selector: &ObjectFieldSelector, place: Use, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if text(&selector.api_version).is_empty() {
        return causes.push(required(path.field("apiVersion"), ""));
    }
    let field = selector.field_path.as_str();
    if field.is_empty() {
        return causes.push(required(path.field("fieldPath"), ""));
    }
    if text(&selector.api_version) != "v1" {
        let detail = format!("error converting fieldPath: unsupported pod version: {}", text(&selector.api_version));
        return causes.push(invalid(path.field("fieldPath"), field, detail));
    }
    // `metadata.labels['key']` names one label.
    if let Some((base, key)) = field.strip_suffix("']").and_then(|rest| rest.split_once("['")) {
        match base {
            "metadata.labels" => {
                causes.extend(qualified_name(key).iter().map(|problem| invalid(path, key, problem)));
            }
            "metadata.annotations" => {
                causes.extend(qualified_name(&key.to_lowercase()).iter().map(|problem| invalid(path, key, problem)));
            }
            _ if FIELDS.contains(&base) => causes.push(invalid(path, base, "does not support subscript")),
            _ => causes.push(unknown_field(field, path)),
        }
        return;
    }
    if !FIELDS.contains(&field) {
        return causes.push(unknown_field(field, path));
    }
    let allowed = if place == Use::Environment { ENVIRONMENT_FIELDS } else { VOLUME_FIELDS };
    if !allowed.contains(&field) {
        causes.push(not_supported(path.field("fieldPath"), field, allowed));
    }
}

fn unknown_field(field: &str, path: &FieldPath<'_>) -> Cause {
    let detail = format!("error converting fieldPath: field label not supported: {field}");
    invalid(path.field("fieldPath"), field, detail)
}

/// A `resourceFieldRef`.
pub fn validate_resource_field(
    selector: &ResourceFieldSelector,
    place: Use,
    path: &FieldPath<'_>,
    causes: &mut Vec<Cause>,
) {
    if place == Use::Volume && text(&selector.container_name).is_empty() {
        return causes.push(required(path.field("containerName"), ""));
    }
    let resource = selector.resource.as_str();
    if resource.is_empty() {
        return causes.push(required(path.field("resource"), ""));
    }
    let huge = resource.starts_with("limits.hugepages-") || resource.starts_with("requests.hugepages-");
    if !huge && !RESOURCES.contains(&resource) {
        return causes.push(not_supported(path.field("resource"), resource, RESOURCES));
    }
    let Some(divisor) = &selector.divisor else { return };
    let amount = Quantity::parse(&divisor.0).unwrap_or(Quantity::ZERO);
    let one_of = |allowed: &[&str]| allowed.iter().any(|a| Quantity::parse(a).is_ok_and(|a| same_amount(a, amount)));
    let (allowed, name) = match resource.split_once('.').map_or(resource, |(_, name)| name) {
        "cpu" => (CPU_DIVISORS, "cpu resource"),
        "memory" => (BYTE_DIVISORS, "memory resource"),
        "ephemeral-storage" => (BYTE_DIVISORS, "local ephemeral storage resource"),
        _ => (BYTE_DIVISORS, "hugepages resource"),
    };
    if amount.value() != 0 && !one_of(allowed) {
        let list = match allowed.split_last() {
            Some((last, [one])) => format!("{one} and {last}"),
            _ => allowed.join(", "),
        };
        let detail = format!("only divisor's values {list} are supported with the {name}");
        causes.push(invalid(path.field("divisor"), resource, detail));
    }
}

/// A `configMapKeyRef` or `secretKeyRef`.
pub fn validate_key(name: &str, key: &str, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if name.is_empty() {
        causes.push(required(path.field("name"), ""));
    }
    if key.is_empty() {
        causes.push(required(path.field("key"), ""));
    } else {
        causes.extend(config_key(key).iter().map(|problem| invalid(path.field("key"), key, problem)));
    }
}
