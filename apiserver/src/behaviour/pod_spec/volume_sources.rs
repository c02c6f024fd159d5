//! Validation of the sources of volumes, one function a source.

use super::mounts::{validate_descending, validate_no_backsteps};
use super::{references, text};
use crate::behaviour::causes::{forbidden, invalid, not_supported, required};
use crate::behaviour::path::FieldPath;
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, DownwardAPIVolumeFile, DownwardAPIVolumeSource, EmptyDirVolumeSource, HostPathVolumeSource,
    ImageVolumeSource, KeyToPath, NFSVolumeSource, ProjectedVolumeSource, SecretVolumeSource,
    ServiceAccountTokenProjection,
};
use kubus_proto::quantity::Quantity;
use kubus_proto::status::Cause;
use std::collections::BTreeSet;

const HOST_PATH_TYPES: &[&str] =
    &["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
/// Largest file mode, `0777`.
const MODE_LIMIT: i32 = 0o777;
const SHORTEST_TOKEN_SECONDS: i64 = 600;
const LONGEST_TOKEN_SECONDS: i64 = 1 << 32;

/// Fields of a source that may not be empty.
pub fn must_have(path: &FieldPath<'_>, fields: &[(&str, &String)], causes: &mut Vec<Cause>) {
    let empty = fields.iter().filter(|(_, value)| value.is_empty());
    causes.extend(empty.map(|(field, _)| required(path.field(field), "")));
}

fn validate_mode(mode: Option<i32>, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if let Some(mode) = mode.filter(|mode| !(0..=MODE_LIMIT).contains(mode)) {
        causes.push(invalid(path, mode, "must be a number between 0 and 0777 (octal), both inclusive"));
    }
}

/// The path of a file in a volume: relative, never upwards, and not in the place the volume's own files have.
fn validate_file(file: &str, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if file.is_empty() {
        return causes.push(required(path, ""));
    }
    validate_descending(file, path, causes);
    if file.starts_with("..") && !file.starts_with("../") {
        causes.push(invalid(path, file, "must not start with '..'"));
    }
}

fn validate_items(items: &Option<Vec<KeyToPath>>, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    for (i, item) in items.iter().flatten().enumerate() {
        let path = path.field("items");
        let path = path.index(i);
        must_have(&path, &[("key", &item.key)], causes);
        validate_file(&item.path, &path.field("path"), causes);
        validate_mode(item.mode, &path.field("mode"), causes);
    }
}

fn validate_downward_file(file: &DownwardAPIVolumeFile, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    validate_file(&file.path, &path.field("path"), causes);
    if let Some(field) = &file.field_ref {
        references::validate_field(field, references::Use::Volume, &path.field("fieldRef"), causes);
        if file.resource_field_ref.is_some() {
            causes.push(invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"));
        }
    } else if let Some(resource) = &file.resource_field_ref {
        let path = path.field("resourceFieldRef");
        references::validate_resource_field(resource, references::Use::Volume, &path, causes);
    } else {
        causes.push(required(path, "one of fieldRef and resourceFieldRef is required"));
    }
    validate_mode(file.mode, &path.field("mode"), causes);
}

/// `emptyDir`.
pub fn empty_dir(source: &EmptyDirVolumeSource, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let limit = source.size_limit.as_ref().and_then(|limit| Quantity::parse(&limit.0).ok());
    if limit.is_some_and(Quantity::is_negative) {
        causes.push(forbidden(path.field("sizeLimit"), "SizeLimit field must be a valid resource quantity"));
    }
}

/// `hostPath`.
pub fn host_path(source: &HostPathVolumeSource, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if source.path.is_empty() {
        return causes.push(required(path.field("path"), ""));
    }
    validate_no_backsteps(&source.path, &path.field("path"), causes);
    if let Some(kind) = source.type_.as_deref().filter(|kind| !HOST_PATH_TYPES.contains(kind)) {
        causes.push(not_supported(path.field("type"), kind, HOST_PATH_TYPES));
    }
}

/// `secret`.
pub fn secret(source: &SecretVolumeSource, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if text(&source.secret_name).is_empty() {
        causes.push(required(path.field("secretName"), ""));
    }
    validate_mode(source.default_mode, &path.field("defaultMode"), causes);
    validate_items(&source.items, path, causes);
}

/// `configMap`.
pub fn config_map(source: &ConfigMapVolumeSource, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    must_have(path, &[("name", &source.name)], causes);
    validate_mode(source.default_mode, &path.field("defaultMode"), causes);
    validate_items(&source.items, path, causes);
}

/// `nfs`.
pub fn nfs(source: &NFSVolumeSource, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    must_have(path, &[("server", &source.server), ("path", &source.path)], causes);
    if !source.path.starts_with('/') {
        causes.push(invalid(path.field("path"), source.path.as_str(), "must be an absolute path"));
    }
}

/// `downwardAPI`.
pub fn downward_api(source: &DownwardAPIVolumeSource, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    validate_mode(source.default_mode, &path.field("defaultMode"), causes);
    for file in source.items.iter().flatten() {
        validate_downward_file(file, path, causes);
    }
}

/// `image`.
pub fn image(source: &ImageVolumeSource, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if text(&source.reference).is_empty() {
        causes.push(required(path.field("reference"), ""));
    }
    super::one_of(&path.field("pullPolicy"), &source.pull_policy, &["Always", "IfNotPresent", "Never"], causes);
}

/// `projected`: each source is exactly one, and no two put a file in the same place.
pub fn projected(source: &ProjectedVolumeSource, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    validate_mode(source.default_mode, &path.field("defaultMode"), causes);
    let mut files = BTreeSet::new();
    for (i, source) in source.sources.iter().flatten().enumerate() {
        let path = path.field("sources");
        let path = path.index(i);
        let (mut count, mut paths) = (0, Vec::new());
        let mut one = |field: &'static str, causes: &mut Vec<Cause>| {
            count += 1;
            if count > 1 {
                causes.push(forbidden(path.field(field), "may not specify more than 1 volume type"));
            }
            count == 1
        };
        if let Some(secret) = &source.secret
            && one("secret", causes)
        {
            must_have(&path.field("secret"), &[("name", &secret.name)], causes);
            validate_items(&secret.items, &path.field("secret"), causes);
            paths.extend(secret.items.iter().flatten().map(|item| item.path.as_str()));
        }
        if let Some(map) = &source.config_map
            && one("configMap", causes)
        {
            must_have(&path.field("configMap"), &[("name", &map.name)], causes);
            validate_items(&map.items, &path.field("configMap"), causes);
            paths.extend(map.items.iter().flatten().map(|item| item.path.as_str()));
        }
        if let Some(downward) = &source.downward_api
            && one("downwardAPI", causes)
        {
            for file in downward.items.iter().flatten() {
                validate_downward_file(file, &path.field("downwardAPI"), causes);
                paths.push(file.path.as_str());
            }
        }
        if let Some(token) = &source.service_account_token
            && one("serviceAccountToken", causes)
        {
            validate_token(token, &path.field("serviceAccountToken"), causes);
            paths.push(token.path.as_str());
        }
        if source.cluster_trust_bundle.is_some() {
            one("clusterTrustBundle", causes);
        }
        if source.pod_certificate.is_some() {
            one("podCertificate", causes);
        }
        if count == 0 {
            causes.push(required(path, "must specify a volume type"));
        }
        for file in paths.into_iter().filter(|file| !file.is_empty()) {
            if !files.insert(file) {
                causes.push(invalid(path, file, "conflicting duplicate paths"));
            }
        }
    }
}

fn validate_token(token: &ServiceAccountTokenProjection, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let seconds = token.expiration_seconds.unwrap_or_default();
    if seconds < SHORTEST_TOKEN_SECONDS {
        let detail = "may not specify a duration less than 10 minutes";
        causes.push(invalid(path.field("expirationSeconds"), seconds, detail));
    }
    if seconds > LONGEST_TOKEN_SECONDS {
        let detail = "may not specify a duration larger than 2^32 seconds";
        causes.push(invalid(path.field("expirationSeconds"), seconds, detail));
    }
    validate_file(&token.path, &path.field("path"), causes);
}
