//! What volumes and claims have in common: access modes, modes, classes, amounts.

use super::causes::{forbidden, invalid, not_supported, required};
use super::names::dns_subdomain;
use super::path::FieldPath;
use super::pod_spec::{one_of, problems, text};
use k8s_openapi::apimachinery::pkg::api::resource;
use kubus_proto::quantity::Quantity;
use kubus_proto::status::Cause;

const ACCESS_MODES: &[&str] = &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const VOLUME_MODES: &[&str] = &["Block", "Filesystem"];

/// `accessModes`, of which there must be one; `detail` is what is said if there is none.
pub fn validate_access_modes(modes: &Option<Vec<String>>, detail: &str, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let modes = modes.as_deref().unwrap_or_default();
    if modes.is_empty() {
        causes.push(required(path, detail));
    }
    let unknown = modes.iter().filter(|mode| !ACCESS_MODES.contains(&mode.as_str()));
    causes.extend(unknown.map(|mode| not_supported(path, mode.as_str(), ACCESS_MODES)));
    let alone = modes.iter().filter(|mode| *mode == "ReadWriteOncePod").count();
    if alone > 0 && alone < modes.len() {
        causes.push(forbidden(path, "may not use ReadWriteOncePod with other access modes"));
    }
}

/// `storageClassName` and `volumeMode` in the spec at `path`.
pub fn validate_class_and_mode(
    class: &Option<String>,
    mode: &Option<String>,
    path: &FieldPath<'_>,
    causes: &mut Vec<Cause>,
) {
    if !text(class).is_empty() {
        problems(&path.field("storageClassName"), text(class), dns_subdomain(text(class)), causes);
    }
    one_of(&path.field("volumeMode"), mode, VOLUME_MODES, causes);
}

/// An amount above zero.
pub fn validate_positive(amount: &resource::Quantity, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let Ok(amount) = Quantity::parse(&amount.0) else { return };
    if amount.is_negative() {
        causes.push(invalid(path, amount.to_string(), "must be greater than or equal to 0"));
    }
    if amount <= Quantity::ZERO {
        causes.push(invalid(path, amount.to_string(), "must be greater than zero"));
    }
}
