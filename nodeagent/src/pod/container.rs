//! A container of a pod as the runtime is told to make it.

use super::env::Surroundings;
use super::expansion::expand;
use super::resources;
use super::state::spec;
use crate::runtime::{BindMount, ContainerSpec, HostPort, ImageInfo, Owner, SandboxSpec};
use k8s_openapi::api::core::v1::{Container, Pod};
use std::collections::BTreeMap;

/// Longest host name Linux takes.
const HOSTNAME_LIMIT: usize = 63;

/// Whom the containers of `pod` belong to.
pub fn owner(pod: &Pod) -> Owner {
    let meta = &pod.metadata;
    Owner {
        namespace: meta.namespace.clone().unwrap_or_default(),
        pod: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        grace_seconds: spec(pod).termination_grace_period_seconds.unwrap_or(super::state::DEFAULT_GRACE_S),
    }
}

/// Host name of a pod: its `spec.hostname`, else its name.
pub fn hostname(pod: &Pod) -> String {
    let name = spec(pod).hostname.as_ref().filter(|h| !h.is_empty()).or(pod.metadata.name.as_ref());
    let name: String = name.map(String::as_str).unwrap_or_default().chars().take(HOSTNAME_LIMIT).collect();
    name.trim_end_matches(['-', '.']).to_owned()
}

/// The sandbox of `pod`.
pub fn sandbox(pod: &Pod, attempt: u32) -> SandboxSpec {
    let spec = spec(pod);
    let host_network = spec.host_network == Some(true);
    let ports = super::state::containers(pod).flat_map(|(c, _)| c.ports.iter().flatten());
    let ports = ports.filter(|_| !host_network).filter_map(|p| {
        Some(HostPort {
            container_port: u16::try_from(p.container_port).ok()?,
            host_port: u16::try_from(p.host_port?).ok().filter(|p| *p > 0)?,
            protocol: p.protocol.as_deref().unwrap_or("TCP").to_lowercase(),
            host_ip: p.host_ip.clone().unwrap_or_default(),
        })
    });
    let aliases = spec.host_aliases.iter().flatten();
    let dns = spec.dns_config.clone().unwrap_or_default();
    let options = dns.options.into_iter().flatten().filter_map(|o| {
        let name = o.name?;
        Some(o.value.map_or(name.clone(), |v| format!("{name}:{v}")))
    });
    let sysctls = spec.security_context.as_ref().and_then(|s| s.sysctls.as_ref());
    SandboxSpec {
        owner: owner(pod),
        attempt,
        hostname: hostname(pod),
        host_network,
        host_ipc: spec.host_ipc == Some(true),
        ports: ports.collect(),
        extra_hosts: aliases
            .flat_map(|a| a.hostnames.iter().flatten().map(move |name| format!("{name}:{}", a.ip)))
            .collect(),
        dns_servers: dns.nameservers.unwrap_or_default(),
        dns_search: dns.searches.unwrap_or_default(),
        dns_options: options.collect(),
        sysctls: sysctls.into_iter().flatten().map(|s| (s.name.clone(), s.value.clone())).collect(),
    }
}

/// What is known when a container is about to start.
pub struct Start<'a> {
    /// Its pod.
    pub pod: &'a Pod,
    /// Its part of the spec.
    pub container: &'a Container,
    /// Counts up with each start.
    pub attempt: u32,
    /// Sandbox to join.
    pub sandbox_id: &'a str,
    /// What it runs.
    pub image: &'a ImageInfo,
    /// Its variables.
    pub env: Vec<(String, String)>,
    /// Its mounts.
    pub mounts: Vec<BindMount>,
    /// Its in-memory file systems.
    pub tmpfs: BTreeMap<String, String>,
    /// What the node is.
    pub around: &'a Surroundings,
}

/// The container to make.
pub fn build(start: Start<'_>) -> ContainerSpec {
    let Start { pod, container, env, .. } = start;
    let expanded = |list: &Option<Vec<String>>| -> Vec<String> {
        let lookup = |name: &str| env.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone());
        list.iter().flatten().map(|text| expand(text, lookup)).collect()
    };
    let (command, args) = (expanded(&container.command), expanded(&container.args));
    let own = container.security_context.clone().unwrap_or_default();
    let shared = spec(pod).security_context.clone().unwrap_or_default();
    let user = own.run_as_user.or(shared.run_as_user);
    let group = own.run_as_group.or(shared.run_as_group);
    let capabilities = own.capabilities.clone().unwrap_or_default();
    let mut security_options = Vec::new();
    if own.allow_privilege_escalation == Some(false) {
        security_options.push("no-new-privileges".to_owned());
    }
    let seccomp = own.seccomp_profile.as_ref().or(shared.seccomp_profile.as_ref());
    if seccomp.is_some_and(|p| p.type_ == "Unconfined") {
        security_options.push("seccomp=unconfined".to_owned());
    }
    let groups = shared.supplemental_groups.iter().flatten().chain(shared.fs_group.iter());
    ContainerSpec {
        owner: owner(pod),
        name: container.name.clone(),
        attempt: start.attempt,
        sandbox_id: start.sandbox_id.to_owned(),
        hash: hash(container),
        image: start.image.id.clone(),
        command,
        args,
        working_dir: container.working_dir.clone().unwrap_or_default(),
        mounts: start.mounts,
        tmpfs: start.tmpfs,
        limits: resources::limits(pod, container, start.around.node_memory_bytes),
        user: match (user, group) {
            (Some(user), Some(group)) => format!("{user}:{group}"),
            (Some(user), None) => user.to_string(),
            (None, Some(group)) => format!("{}:{group}", non_empty(&start.image.user, "0")),
            (None, None) => String::new(),
        },
        groups: groups.map(ToString::to_string).collect(),
        privileged: own.privileged == Some(true),
        read_only: own.read_only_root_filesystem == Some(true),
        cap_add: capabilities.add.unwrap_or_default(),
        cap_drop: capabilities.drop.unwrap_or_default(),
        security_options,
        host_pid: spec(pod).host_pid == Some(true),
        share_processes: spec(pod).share_process_namespace == Some(true),
        stdin: container.stdin == Some(true),
        stdin_once: container.stdin_once == Some(true),
        tty: container.tty == Some(true),
        env,
    }
}

fn non_empty<'a>(text: &'a str, other: &'a str) -> &'a str {
    let text = text.split(':').next().unwrap_or_default();
    if text.is_empty() { other } else { text }
}

/// Hash of a container's part of the spec, to see that it changed.
pub fn hash(container: &Container) -> String {
    let bytes = serde_json::to_vec(container).unwrap_or_default();
    format!("{:x}", kubus_proto::names::fnv32a(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_sandbox_takes_what_the_pod_shares() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p".repeat(62) + "-x", "namespace": "n", "uid": "u"},
            "spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81}]}],
                "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a", "b"]}]},
        }))
        .expect("a pod");
        let sandbox = sandbox(&pod, 2);
        assert_eq!(sandbox.hostname, "p".repeat(62));
        assert_eq!(sandbox.extra_hosts, ["a:10.0.0.1", "b:10.0.0.1"]);
        assert_eq!(sandbox.ports.len(), 1);
        assert_eq!((sandbox.ports[0].host_port, sandbox.ports[0].protocol.as_str()), (8080, "tcp"));
        assert_eq!(sandbox.attempt, 2);
    }

    #[test]
    fn a_container_takes_its_spec() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u"},
            "spec": {"securityContext": {"runAsUser": 5, "fsGroup": 9}, "containers": [{"name": "c",
                "command": ["sh", "-c", "$(A)"], "args": ["$$(A)", "$(B)"],
                "securityContext": {"runAsGroup": 7, "allowPrivilegeEscalation": false,
                    "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}}}]},
        }))
        .expect("a pod");
        let built = build(Start {
            pod: &pod,
            container: &spec(&pod).containers[0],
            attempt: 3,
            sandbox_id: "s",
            image: &ImageInfo { id: "sha256:1".into(), ..ImageInfo::default() },
            env: vec![("A".into(), "echo".into())],
            mounts: vec![],
            tmpfs: BTreeMap::new(),
            around: &Surroundings::default(),
        });
        assert_eq!(built.command, ["sh", "-c", "echo"]);
        assert_eq!(built.args, ["$(A)", "$(B)"]);
        assert_eq!((built.user.as_str(), built.groups.as_slice()), ("5:7", ["9".to_owned()].as_slice()));
        assert_eq!(built.security_options, ["no-new-privileges"]);
        assert_eq!((built.attempt, built.sandbox_id.as_str()), (3, "s"));
    }
}
