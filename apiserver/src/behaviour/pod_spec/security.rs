//! Validation of security contexts.
//! <https://kubernetes.io/docs/tasks/configure-pod-container/security-context/>

use super::one_of;
use crate::behaviour::causes::{duplicate, forbidden, invalid, not_supported, required};
use crate::behaviour::names::range;
use crate::behaviour::path::FieldPath;
use k8s_openapi::api::core::v1::{AppArmorProfile, PodSpec, SeccompProfile, SecurityContext, Sysctl};
use kubus_proto::status::Cause;
use serde_json::json;

/// Largest user or group id.
const ID_LIMIT: i64 = u32::MAX as i64;
const SYSCTL_LIMIT: usize = 253;
const PROFILE_TYPES: &[&str] = &["Localhost", "RuntimeDefault", "Unconfined"];

fn validate_id(id: Option<i64>, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if let Some(id) = id.filter(|id| !(0..=ID_LIMIT).contains(id)) {
        causes.push(invalid(path, id, range(0, ID_LIMIT)));
    }
}

/// A pod's security context, with what the pod shares.
pub fn validate_pod_security(spec: &PodSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if spec.share_process_namespace == Some(true) && spec.host_pid == Some(true) {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        causes.push(invalid(path.field("shareProcessNamespace"), true, detail));
    }
    let Some(context) = &spec.security_context else { return };
    validate_id(context.fs_group, &path.field("fsGroup"), causes);
    validate_id(context.run_as_user, &path.field("runAsUser"), causes);
    validate_id(context.run_as_group, &path.field("runAsGroup"), causes);
    for (i, group) in context.supplemental_groups.iter().flatten().enumerate() {
        validate_id(Some(*group), &path.field("supplementalGroups").index(i), causes);
    }
    validate_sysctls(context.sysctls.as_deref().unwrap_or_default(), spec, &path.field("sysctls"), causes);
    let policies = &["Always", "OnRootMismatch"];
    one_of(&path.field("fsGroupChangePolicy"), &context.fs_group_change_policy, policies, causes);
    let policies = &["MountOption", "Recursive"];
    one_of(&path.field("seLinuxChangePolicy"), &context.se_linux_change_policy, policies, causes);
    let policies = &["Merge", "Strict"];
    one_of(&path.field("supplementalGroupsPolicy"), &context.supplemental_groups_policy, policies, causes);
    validate_profiles(&context.seccomp_profile, &context.app_armor_profile, path, causes);
}

/// A pod whose users are not the host's shares nothing else with the host either.
pub fn validate_host_users(spec: &PodSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if spec.host_users == Some(false) {
        let shared = [("hostNetwork", spec.host_network), ("hostPID", spec.host_pid), ("hostIPC", spec.host_ipc)];
        for (field, _) in shared.into_iter().filter(|(_, shared)| *shared == Some(true)) {
            causes.push(forbidden(path.field(field), "when `hostUsers` is false"));
        }
    }
}

fn validate_sysctls(sysctls: &[Sysctl], spec: &PodSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let good = |name: &str| {
        let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        name.len() <= SYSCTL_LIMIT
            && name
                .split(['.', '/'])
                .all(|part| edge(part.as_bytes().first()) && edge(part.as_bytes().last()) && part.bytes().all(inner))
    };
    for (i, sysctl) in sysctls.iter().enumerate() {
        let path = path.index(i);
        let name = sysctl.name.as_str();
        if name.is_empty() {
            causes.push(required(path.field("name"), ""));
        } else if !good(name) {
            let detail = format!(
                "must have at most {SYSCTL_LIMIT} characters and match regex \
                 ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
            );
            causes.push(invalid(path.field("name"), name, detail));
        } else if sysctls.iter().take(i).any(|other| other.name == name) {
            causes.push(duplicate(path.field("name"), name));
        }
        let plain = name.replace('/', ".");
        let host = |on: Option<bool>, what: &str| {
            let detail = format!("may not be specified when '{what}' is true");
            (on == Some(true)).then(|| invalid(path.field("name"), name, detail))
        };
        if plain.starts_with("net.") {
            causes.extend(host(spec.host_network, "hostNetwork"));
        } else if plain.starts_with("kernel.shm") || plain.starts_with("kernel.msg") || plain.starts_with("fs.mqueue.")
        {
            causes.extend(host(spec.host_ipc, "hostIPC"));
        }
    }
}

fn validate_profiles(
    seccomp: &Option<SeccompProfile>,
    app_armor: &Option<AppArmorProfile>,
    path: &FieldPath<'_>,
    causes: &mut Vec<Cause>,
) {
    let seccomp = seccomp.as_ref().map(|p| ("seccompProfile", "seccomp", &p.type_, &p.localhost_profile));
    let app_armor = app_armor.as_ref().map(|p| ("appArmorProfile", "AppArmor", &p.type_, &p.localhost_profile));
    for (field, what, kind, profile) in seccomp.into_iter().chain(app_armor) {
        let path = path.field(field);
        match (kind.as_str(), profile) {
            ("Localhost", None) => {
                let detail = format!("must be set when {what} type is Localhost");
                causes.push(required(path.field("localhostProfile"), &detail));
            }
            ("Localhost", Some(profile)) => {
                super::mounts::validate_descending(profile, &path.field("localhostProfile"), causes);
            }
            (_, Some(profile)) => {
                let detail = format!("can only be set when {what} type is Localhost");
                causes.push(invalid(path.field("localhostProfile"), profile.as_str(), detail));
            }
            (_, None) => {}
        }
        match kind.as_str() {
            "" => causes.push(required(path.field("type"), "type is required when seccompProfile is set")),
            kind if !PROFILE_TYPES.contains(&kind) => {
                causes.push(not_supported(path.field("type"), kind, PROFILE_TYPES));
            }
            _ => {}
        }
    }
}

/// A container's security context.
pub fn validate_container_security(context: &SecurityContext, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    validate_id(context.run_as_user, &path.field("runAsUser"), causes);
    validate_id(context.run_as_group, &path.field("runAsGroup"), causes);
    one_of(&path.field("procMount"), &context.proc_mount, &["Default", "Unmasked"], causes);
    validate_profiles(&context.seccomp_profile, &None, path, causes);
    if context.allow_privilege_escalation == Some(false) {
        if context.privileged == Some(true) {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            causes.push(invalid(path, json!(context), detail));
        }
        let added = context.capabilities.iter().flat_map(|c| c.add.iter().flatten());
        if added.into_iter().any(|capability| capability == "CAP_SYS_ADMIN") {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            causes.push(invalid(path, json!(context), detail));
        }
    }
    validate_profiles(&None, &context.app_armor_profile, path, causes);
}
