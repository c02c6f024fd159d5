//! Validation of environment variables and where their values come from.

use super::{problems, references, text};
use crate::behaviour::causes::{invalid, required};
use crate::behaviour::names::environment_name;
use crate::behaviour::path::FieldPath;
use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar};
use kubus_proto::status::Cause;

/// `env` of a container.
pub fn validate_env(env: &[EnvVar], path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    for (i, variable) in env.iter().enumerate() {
        let path = path.index(i);
        match variable.name.as_str() {
            "" => causes.push(required(path.field("name"), "")),
            name => problems(&path.field("name"), name, environment_name(name), causes),
        }
        validate_value_from(variable, &path.field("valueFrom"), causes);
    }
}

fn validate_value_from(variable: &EnvVar, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let Some(source) = &variable.value_from else { return };
    let mut count = 0;
    if let Some(field) = &source.field_ref {
        count += 1;
        references::validate_field(field, references::Use::Environment, &path.field("fieldRef"), causes);
    }
    if let Some(resource) = &source.resource_field_ref {
        count += 1;
        let path = path.field("resourceFieldRef");
        references::validate_resource_field(resource, references::Use::Environment, &path, causes);
    }
    if let Some(key) = &source.config_map_key_ref {
        count += 1;
        references::validate_key(&key.name, &key.key, &path.field("configMapKeyRef"), causes);
    }
    if let Some(key) = &source.secret_key_ref {
        count += 1;
        references::validate_key(&key.name, &key.key, &path.field("secretKeyRef"), causes);
    }
    if let Some(file) = &source.file_key_ref {
        count += 1;
        let path = path.field("fileKeyRef");
        for (field, value) in [("volumeName", &file.volume_name), ("path", &file.path), ("key", &file.key)] {
            if value.is_empty() {
                causes.push(required(path.field(field), ""));
            }
        }
    }
    if count == 0 {
        let detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
        causes.push(invalid(path, "", detail));
    } else if !text(&variable.value).is_empty() {
        causes.push(invalid(path, "", "may not be specified when `value` is not empty"));
    } else if count > 1 {
        causes.push(invalid(path, "", "may not have more than one field specified at a time"));
    }
}

/// `envFrom` of a container.
pub fn validate_env_from(all: &[EnvFromSource], path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    for (i, source) in all.iter().enumerate() {
        let item = path.index(i);
        if !text(&source.prefix).is_empty() {
            problems(&item.field("prefix"), text(&source.prefix), environment_name(text(&source.prefix)), causes);
        }
        let config_map = source.config_map_ref.as_ref().map(|s| ("configMapRef", &s.name));
        let secret = source.secret_ref.as_ref().map(|s| ("secretRef", &s.name));
        for (field, name) in config_map.into_iter().chain(secret) {
            if name.is_empty() {
                causes.push(required(item.field(field).field("name"), ""));
            }
        }
        match (config_map, secret) {
            (None, None) => causes.push(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")),
            (Some(_), Some(_)) => {
                causes.push(invalid(path, "", "may not have more than one field specified at a time"));
            }
            _ => {}
        }
    }
}
