//! Validation of volume mounts and devices against the pod's volumes.

use super::text;
use super::volumes::Volumes;
use crate::behaviour::causes::{forbidden, invalid, not_found, not_supported, required};
use crate::behaviour::path::FieldPath;
use k8s_openapi::api::core::v1::Container;
use kubus_proto::status::Cause;
use std::collections::BTreeSet;

/// `volumeMounts` of a container.
pub fn validate_mounts(container: &Container, volumes: &Volumes<'_>, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let devices = container.volume_devices.as_deref().unwrap_or_default();
    let mut places = BTreeSet::new();
    for (i, mount) in container.volume_mounts.iter().flatten().enumerate() {
        let path = path.index(i);
        if mount.name.is_empty() {
            causes.push(required(path.field("name"), ""));
        }
        if !volumes.contains_key(mount.name.as_str()) {
            causes.push(not_found(path.field("name"), mount.name.as_str()));
        }
        if mount.mount_path.is_empty() {
            causes.push(required(path.field("mountPath"), ""));
        }
        if !places.insert(mount.mount_path.as_str()) {
            causes.push(invalid(path.field("mountPath"), mount.mount_path.as_str(), "must be unique"));
        }
        if devices.iter().any(|d| d.name == mount.name) {
            let detail = "must not already exist in volumeDevices";
            causes.push(invalid(path.field("name"), mount.name.as_str(), detail));
        }
        if devices.iter().any(|d| d.device_path == mount.mount_path) {
            let detail = "must not already exist as a path in volumeDevices";
            causes.push(invalid(path.field("mountPath"), mount.mount_path.as_str(), detail));
        }
        if !text(&mount.sub_path).is_empty() {
            validate_descending(text(&mount.sub_path), &path.field("subPath"), causes);
        }
        if !text(&mount.sub_path_expr).is_empty() {
            let field = path.field("subPathExpr");
            if !text(&mount.sub_path).is_empty() {
                let detail = "subPathExpr and subPath are mutually exclusive";
                causes.push(invalid(field, text(&mount.sub_path_expr), detail));
            }
            validate_descending(text(&mount.sub_path_expr), &field, causes);
        }
        let privileged = container.security_context.as_ref().and_then(|c| c.privileged) == Some(true);
        validate_propagation(&mount.mount_propagation, privileged, &path.field("mountPropagation"), causes);
        if mount.recursive_read_only.as_deref().is_some_and(|r| r != "Disabled") && mount.read_only != Some(true) {
            let detail = "may only be specified when readOnly is true";
            causes.push(forbidden(path.field("recursiveReadOnly"), detail));
        }
    }
}

fn validate_propagation(mode: &Option<String>, privileged: bool, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    match mode.as_deref() {
        None | Some("HostToContainer" | "None") => {}
        Some("Bidirectional") if privileged => {}
        Some("Bidirectional") => {
            causes.push(forbidden(path, "Bidirectional mount propagation is available only to privileged containers"));
        }
        Some(other) => causes.push(not_supported(path, other, &["Bidirectional", "HostToContainer", "None"])),
    }
}

/// A path below where it starts: relative, and never upwards.
pub fn validate_descending(target: &str, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if target.starts_with('/') {
        causes.push(invalid(path, target, "must be a relative path"));
    }
    validate_no_backsteps(target, path, causes);
}

/// A path that never goes upwards.
pub fn validate_no_backsteps(target: &str, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if target.split('/').any(|part| part == "..") {
        causes.push(invalid(path, target, "must not contain '..'"));
    }
}

/// `volumeDevices` of a container.
pub fn validate_devices(container: &Container, volumes: &Volumes<'_>, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let mounts = container.volume_mounts.as_deref().unwrap_or_default();
    let (mut names, mut places) = (BTreeSet::new(), BTreeSet::new());
    for (i, device) in container.volume_devices.iter().flatten().enumerate() {
        let path = path.index(i);
        let (name, place) = (device.name.as_str(), device.device_path.as_str());
        if name.is_empty() {
            causes.push(required(path.field("name"), ""));
        }
        if !names.insert(name) {
            causes.push(invalid(path.field("name"), name, "must be unique"));
        }
        match volumes.get(name) {
            None => causes.push(not_found(path.field("name"), name)),
            Some(volume) if volume.persistent_volume_claim.is_none() && volume.ephemeral.is_none() => {
                let detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                causes.push(invalid(path.field("name"), name, detail));
            }
            Some(_) => {}
        }
        if place.is_empty() {
            causes.push(required(path.field("devicePath"), ""));
        } else {
            validate_no_backsteps(place, &path.field("devicePath"), causes);
        }
        if !places.insert(place) {
            causes.push(invalid(path.field("devicePath"), place, "must be unique"));
        }
        if mounts.iter().any(|m| m.name == name) {
            causes.push(invalid(path.field("name"), name, "must not already exist in volumeMounts"));
        }
        if mounts.iter().any(|m| m.mount_path == place) {
            let detail = "must not already exist as a path in volumeMounts";
            causes.push(invalid(path.field("devicePath"), place, detail));
        }
    }
}
