//! Validation of containers: app, init and ephemeral.

use super::volumes::Volumes;
use super::{
    RESTART_POLICIES, environment, mounts, one_of, ports, probes, problems, required_one_of, resources, security,
};
use crate::behaviour::causes::{duplicate, forbidden, invalid, not_found, required};
use crate::behaviour::names::dns_label;
use crate::behaviour::path::FieldPath;
use k8s_openapi::api::core::v1::{Container, EphemeralContainer, PodSpec};
use kubus_proto::status::Cause;
use std::collections::BTreeSet;

/// What containers of a pod refer to.
pub struct Scope<'a> {
    /// The pod's good volumes.
    pub volumes: &'a Volumes<'a>,
    /// Names of the pod's resource claims.
    pub claims: BTreeSet<&'a str>,
    /// How long the pod may take to end.
    pub grace_seconds: i64,
    /// Its operating system, empty if it does not say.
    pub os: &'a str,
}

const PULL_POLICIES: &[&str] = &["Always", "IfNotPresent", "Never"];
const MESSAGE_POLICIES: &[&str] = &["FallbackToLogsOnError", "File"];

/// App containers.
pub fn validate_containers(all: &[Container], scope: &Scope<'_>, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if all.is_empty() {
        causes.push(required(path, ""));
    }
    let mut names = BTreeSet::new();
    for (i, container) in all.iter().enumerate() {
        let path = path.index(i);
        validate_common(container, scope, &path, causes);
        if !names.insert(container.name.as_str()) {
            causes.push(duplicate(path.field("name"), container.name.as_str()));
        }
        validate_hooks(container, scope, &path, causes);
        one_of(&path.field("restartPolicy"), &container.restart_policy, RESTART_POLICIES, causes);
    }
    ports::validate_host_ports(all, path, causes);
}

/// Lifecycle and probes.
fn validate_hooks(container: &Container, scope: &Scope<'_>, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if let Some(lifecycle) = &container.lifecycle {
        probes::validate_lifecycle(lifecycle, scope.grace_seconds, scope.os, &path.field("lifecycle"), causes);
    }
    if let Some(probe) = &container.liveness_probe {
        probes::validate_probe(probe, probes::Kind::Liveness, &path.field("livenessProbe"), causes);
    }
    if let Some(probe) = &container.readiness_probe {
        probes::validate_probe(probe, probes::Kind::Readiness, &path.field("readinessProbe"), causes);
    }
    if let Some(probe) = &container.startup_probe {
        probes::validate_probe(probe, probes::Kind::Startup, &path.field("startupProbe"), causes);
    }
}

/// Init containers; those with `restartPolicy: Always` are sidecars and may have what app containers have.
pub fn validate_init_containers(spec: &PodSpec, scope: &Scope<'_>, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let mut names: BTreeSet<&str> = spec.containers.iter().map(|c| c.name.as_str()).collect();
    for (i, container) in spec.init_containers.iter().flatten().enumerate() {
        let path = path.index(i);
        validate_common(container, scope, &path, causes);
        one_of(&path.field("restartPolicy"), &container.restart_policy, RESTART_POLICIES, causes);
        if !names.insert(container.name.as_str()) {
            causes.push(duplicate(path.field("name"), container.name.as_str()));
        }
        // Init containers run one after another, so each may take the same host ports.
        ports::validate_host_ports(std::slice::from_ref(container), &path, causes);
        if container.restart_policy.as_deref() == Some("Always") {
            validate_hooks(container, scope, &path, causes);
            continue;
        }
        for (field, given) in [
            ("lifecycle", container.lifecycle.is_some()),
            ("livenessProbe", container.liveness_probe.is_some()),
            ("readinessProbe", container.readiness_probe.is_some()),
            ("startupProbe", container.startup_probe.is_some()),
        ] {
            if given {
                let detail = "may not be set for init containers without restartPolicy=Always";
                causes.push(forbidden(path.field(field), detail));
            }
        }
    }
}

/// Ephemeral containers: no ports, probes, lifecycle or resources, and a target that is there.
pub fn validate_ephemeral_containers(spec: &PodSpec, scope: &Scope<'_>, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let others = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let mut names: BTreeSet<&str> = others.map(|c| c.name.as_str()).collect();
    for (i, ephemeral) in spec.ephemeral_containers.iter().flatten().enumerate() {
        let path = path.index(i);
        validate_common(&as_container(ephemeral), scope, &path, causes);
        if !names.insert(ephemeral.name.as_str()) {
            causes.push(duplicate(path.field("name"), ephemeral.name.as_str()));
        }
        if let Some(target) = ephemeral.target_container_name.as_deref().filter(|target| !target.is_empty())
            && !spec.containers.iter().any(|c| c.name == target)
        {
            causes.push(not_found(path.field("targetContainerName"), target));
        }
        for (field, given) in [
            ("ports", ephemeral.ports.as_ref().is_some_and(|ports| !ports.is_empty())),
            ("livenessProbe", ephemeral.liveness_probe.is_some()),
            ("readinessProbe", ephemeral.readiness_probe.is_some()),
            ("startupProbe", ephemeral.startup_probe.is_some()),
            ("lifecycle", ephemeral.lifecycle.is_some()),
            ("resources", ephemeral.resources.as_ref().is_some_and(|r| r.limits.is_some() || r.requests.is_some())),
        ] {
            if given {
                causes.push(forbidden(path.field(field), "cannot be set for an Ephemeral Container"));
            }
        }
    }
}

/// The part of an ephemeral container that is like any container's.
fn as_container(ephemeral: &EphemeralContainer) -> Container {
    Container {
        name: ephemeral.name.clone(),
        image: ephemeral.image.clone(),
        env: ephemeral.env.clone(),
        env_from: ephemeral.env_from.clone(),
        volume_mounts: ephemeral.volume_mounts.clone(),
        volume_devices: ephemeral.volume_devices.clone(),
        image_pull_policy: ephemeral.image_pull_policy.clone(),
        security_context: ephemeral.security_context.clone(),
        termination_message_policy: ephemeral.termination_message_policy.clone(),
        ..Container::default()
    }
}

/// What is checked of every container.
fn validate_common(container: &Container, scope: &Scope<'_>, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    match container.name.as_str() {
        "" => causes.push(required(path.field("name"), "")),
        name => problems(&path.field("name"), name, dns_label(name), causes),
    }
    if container.image.as_deref().unwrap_or_default().is_empty() {
        causes.push(required(path.field("image"), ""));
    }
    let policy = &container.termination_message_policy;
    required_one_of(&path.field("terminationMessagePolicy"), policy, MESSAGE_POLICIES, causes);
    ports::validate_ports(container.ports.as_deref().unwrap_or_default(), &path.field("ports"), causes);
    environment::validate_env(container.env.as_deref().unwrap_or_default(), &path.field("env"), causes);
    environment::validate_env_from(container.env_from.as_deref().unwrap_or_default(), &path.field("envFrom"), causes);
    mounts::validate_mounts(container, scope.volumes, &path.field("volumeMounts"), causes);
    mounts::validate_devices(container, scope.volumes, &path.field("volumeDevices"), causes);
    required_one_of(&path.field("imagePullPolicy"), &container.image_pull_policy, PULL_POLICIES, causes);
    if let Some(resources) = &container.resources {
        resources::validate_resources(resources, &scope.claims, &path.field("resources"), causes);
    }
    for (i, policy) in container.resize_policy.iter().flatten().enumerate() {
        let path = path.field("resizePolicy");
        let path = path.index(i);
        let restart = Some(policy.restart_policy.clone());
        required_one_of(&path.field("resourceName"), &Some(policy.resource_name.clone()), &["cpu", "memory"], causes);
        required_one_of(&path.field("restartPolicy"), &restart, &["NotRequired", "RestartContainer"], causes);
    }
    if let Some(context) = &container.security_context {
        security::validate_container_security(context, &path.field("securityContext"), causes);
    }
}

/// What is checked of a pod's containers but not of a template's.
pub fn validate_images_of_pod(all: &[Container], path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    for (i, container) in all.iter().enumerate() {
        let image = container.image.as_deref().unwrap_or_default();
        if image.trim() != image {
            causes.push(invalid(path.index(i).field("image"), image, "must not have leading or trailing whitespace"));
        }
    }
}
