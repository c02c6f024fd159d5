//! The checks of each level, in the order their violations are told: one row a check.

use super::super::items;
use super::Level;
use serde_json::Value;

/// Capabilities that baseline lets containers add.
const BASELINE_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// Kernel settings that are safe to change.
const SAFE_SYSCTLS: [&str; 10] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
];
/// Kinds of volumes that restricted lets pods have.
const RESTRICTED_VOLUMES: [&str; 8] =
    ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"];

/// Finds what is wrong with a pod, by what is to be said.
type Check = fn(&Value) -> Option<String>;

static BASELINE: &[Check] =
    &[host_namespaces, privileged, added_capabilities, host_paths, host_ports, unmasked_proc, seccomp_off, sysctls];
static RESTRICTED: &[Check] = &[escalation, capabilities, volumes, non_root, user_zero, seccomp];

/// Everything a level refuses in a pod.
pub(super) fn violations(level: Level, spec: &Value, _metadata: &Value) -> Vec<String> {
    let checks: &[&[Check]] = match level {
        Level::Privileged => &[],
        Level::Baseline => &[BASELINE],
        // What restricted says of capabilities and seccomp includes what baseline does.
        Level::Restricted => &[BASELINE, RESTRICTED],
    };
    checks.iter().flat_map(|rows| rows.iter()).filter_map(|check| check(spec)).collect()
}

fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(|list| items(spec, list))
}

/// Names of the containers that are wrong, as messages write them.
fn named(spec: &Value, wrong: impl Fn(&Value) -> bool) -> Option<String> {
    let names: Vec<String> = containers(spec).filter(|c| wrong(c)).map(|c| c["name"].to_string()).collect();
    match names.len() {
        0 => None,
        1 => Some(format!("container {}", names[0])),
        _ => Some(format!("containers {}", names.join(", "))),
    }
}

fn host_namespaces(spec: &Value) -> Option<String> {
    let set: Vec<String> = ["hostNetwork", "hostPID", "hostIPC"]
        .into_iter()
        .filter(|key| spec[*key] == true)
        .map(|key| format!("{key}=true"))
        .collect();
    (!set.is_empty()).then(|| format!("host namespaces ({})", set.join(", ")))
}

fn privileged(spec: &Value) -> Option<String> {
    let names = named(spec, |container| container["securityContext"]["privileged"] == true)?;
    Some(format!("privileged ({names} must not set securityContext.privileged=true)"))
}

fn added(container: &Value) -> impl Iterator<Item = &str> {
    items(&container["securityContext"]["capabilities"], "add").filter_map(Value::as_str)
}

fn added_capabilities(spec: &Value) -> Option<String> {
    let wrong = |name: &&str| !BASELINE_CAPABILITIES.contains(name);
    let names = named(spec, |container| added(container).any(|name| wrong(&name)))?;
    let mut all: Vec<&str> = containers(spec).flat_map(added).filter(wrong).collect();
    all.sort_unstable();
    all.dedup();
    let all: Vec<String> = all.iter().map(|name| format!("{name:?}")).collect();
    Some(format!(
        "non-default capabilities ({names} must not include {} in securityContext.capabilities.add)",
        all.join(", ")
    ))
}

fn of_volumes(spec: &Value, wrong: impl Fn(&Value) -> bool) -> Option<String> {
    let names: Vec<String> = items(spec, "volumes").filter(|v| wrong(v)).map(|v| v["name"].to_string()).collect();
    match names.len() {
        0 => None,
        1 => Some(format!("volume {}", names[0])),
        _ => Some(format!("volumes {}", names.join(", "))),
    }
}

fn host_paths(spec: &Value) -> Option<String> {
    let names = of_volumes(spec, |volume| !volume["hostPath"].is_null())?;
    Some(format!("hostPath volumes ({names})"))
}

fn host_ports(spec: &Value) -> Option<String> {
    let uses = |container: &Value| items(container, "ports").any(|port| port["hostPort"].as_i64().unwrap_or(0) != 0);
    let names = named(spec, uses)?;
    let ports = containers(spec).flat_map(|container| items(container, "ports"));
    let mut ports: Vec<i64> = ports.filter_map(|port| port["hostPort"].as_i64()).filter(|port| *port != 0).collect();
    ports.sort_unstable();
    ports.dedup();
    let word = if ports.len() == 1 { "hostPort" } else { "hostPorts" };
    let ports: Vec<String> = ports.iter().map(i64::to_string).collect();
    Some(format!("hostPort ({names} uses {word} {})", ports.join(", ")))
}

fn unmasked_proc(spec: &Value) -> Option<String> {
    let names = named(spec, |container| {
        container["securityContext"]["procMount"].as_str().is_some_and(|mount| mount != "Default")
    })?;
    Some(format!("procMount ({names} must not set securityContext.procMount to \"Unmasked\")"))
}

fn seccomp_type(holder: &Value) -> Option<&str> {
    holder["securityContext"]["seccompProfile"]["type"].as_str()
}

fn seccomp_off(spec: &Value) -> Option<String> {
    let off = |holder: &Value| seccomp_type(holder) == Some("Unconfined");
    let holders = match (off(spec), named(spec, off)) {
        (false, None) => return None,
        (true, None) => "pod".to_owned(),
        (false, Some(names)) => names,
        (true, Some(names)) => format!("pod and {names}"),
    };
    Some(format!("seccompProfile ({holders} must not set securityContext.seccompProfile.type to \"Unconfined\")"))
}

fn sysctls(spec: &Value) -> Option<String> {
    let set = items(&spec["securityContext"], "sysctls").filter_map(|sysctl| sysctl["name"].as_str());
    let wrong: Vec<&str> = set.filter(|name| !SAFE_SYSCTLS.contains(name)).collect();
    (!wrong.is_empty()).then(|| format!("forbidden sysctls ({})", wrong.join(", ")))
}

fn escalation(spec: &Value) -> Option<String> {
    let names = named(spec, |container| container["securityContext"]["allowPrivilegeEscalation"] != false)?;
    Some(format!("allowPrivilegeEscalation != false ({names} must set securityContext.allowPrivilegeEscalation=false)"))
}

fn capabilities(spec: &Value) -> Option<String> {
    let keeps = |container: &Value| {
        !items(&container["securityContext"]["capabilities"], "drop").any(|dropped| dropped == "ALL")
    };
    let adds = |container: &Value| added(container).any(|name| name != "NET_BIND_SERVICE");
    let mut wrong = Vec::new();
    if let Some(names) = named(spec, keeps) {
        wrong.push(format!("{names} must set securityContext.capabilities.drop=[\"ALL\"]"));
    }
    if let Some(names) = named(spec, adds) {
        wrong.push(format!(
            "{names} must not include anything but NET_BIND_SERVICE in securityContext.capabilities.add"
        ));
    }
    (!wrong.is_empty()).then(|| format!("unrestricted capabilities ({})", wrong.join("; ")))
}

fn volumes(spec: &Value) -> Option<String> {
    let kinds = |volume: &Value| -> Vec<String> {
        let keys = volume.as_object().into_iter().flatten().map(|(key, _)| key.clone());
        keys.filter(|key| key != "name" && !RESTRICTED_VOLUMES.contains(&key.as_str())).collect()
    };
    let names = of_volumes(spec, |volume| !kinds(volume).is_empty())?;
    let mut all: Vec<String> = items(spec, "volumes").flat_map(kinds).collect();
    all.sort();
    all.dedup();
    let all: Vec<String> = all.iter().map(|kind| format!("{kind:?}")).collect();
    Some(format!("restricted volume types ({names} uses restricted volume type {})", all.join(", ")))
}

fn non_root(spec: &Value) -> Option<String> {
    let of_pod = spec["securityContext"]["runAsNonRoot"] == true;
    let names = named(spec, |container| match container["securityContext"]["runAsNonRoot"].as_bool() {
        Some(own) => !own,
        None => !of_pod,
    })?;
    let holder = if of_pod { names } else { format!("pod or {names}") };
    Some(format!("runAsNonRoot != true ({holder} must set securityContext.runAsNonRoot=true)"))
}

fn user_zero(spec: &Value) -> Option<String> {
    let zero = |holder: &Value| holder["securityContext"]["runAsUser"] == 0;
    let holders = match (zero(spec), named(spec, zero)) {
        (false, None) => return None,
        (true, None) => "pod".to_owned(),
        (false, Some(names)) => names,
        (true, Some(names)) => format!("pod and {names}"),
    };
    Some(format!("runAsUser=0 ({holders} must not set runAsUser=0)"))
}

fn seccomp(spec: &Value) -> Option<String> {
    let good = |kind: Option<&str>| matches!(kind, Some("RuntimeDefault" | "Localhost"));
    let of_pod = good(seccomp_type(spec));
    // What is switched off on purpose, the baseline's check tells.
    let names = named(spec, |container| seccomp_type(container).is_none() && !of_pod)?;
    if seccomp_type(spec) == Some("Unconfined") {
        return None;
    }
    Some(format!(
        "seccompProfile (pod or {names} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \
         \"Localhost\")"
    ))
}
