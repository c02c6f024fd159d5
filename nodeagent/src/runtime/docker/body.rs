//! Sandboxes and containers in Docker's words.

use super::super::{ContainerSpec, Owner, SANDBOX, SandboxSpec, label};
use super::pause;
use bollard::models::{
    ContainerCreateBody, HostConfig, Mount, MountBindOptions, MountBindOptionsPropagationEnum, MountType, PortBinding,
};
use std::collections::HashMap;

/// Weight of a sandbox, which does nothing.
const SANDBOX_CPU_SHARES: i64 = 2;
/// A sandbox is killed for want of memory only after everything else.
const SANDBOX_OOM_SCORE: i64 = -998;

/// Name of a pod's container or sandbox; one attempt can exist only once.
pub(super) fn name(owner: &Owner, container: &str, attempt: u32) -> String {
    let Owner { pod, namespace, uid, .. } = owner;
    format!("k8s_{container}_{pod}_{namespace}_{uid}_{attempt}")
}

/// Labels of a pod's container or sandbox.
pub(super) fn labels(
    owner: &Owner,
    container: &str,
    attempt: u32,
    hash: &str,
    cluster: &str,
    node: &str,
) -> HashMap<String, String> {
    [
        (label::POD_NAME, owner.pod.clone()),
        (label::POD_NAMESPACE, owner.namespace.clone()),
        (label::POD_UID, owner.uid.clone()),
        (label::CONTAINER_NAME, container.to_owned()),
        (label::RESTART_COUNT, attempt.to_string()),
        (label::HASH, hash.to_owned()),
        (label::GRACE_PERIOD, owner.grace_seconds.to_string()),
        (label::CLUSTER, cluster.to_owned()),
        (label::NODE, node.to_owned()),
    ]
    .into_iter()
    .map(|(k, v)| (k.to_owned(), v))
    .collect()
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|l| !l.is_empty())
}

/// A sandbox to create.
pub(super) fn sandbox(spec: &SandboxSpec, cluster: &str, node: &str, oom_floor: i64) -> ContainerCreateBody {
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in &spec.ports {
        let binding = PortBinding {
            host_ip: Some(port.host_ip.clone()).filter(|ip| !ip.is_empty()),
            host_port: Some(port.host_port.to_string()),
        };
        let key = format!("{}/{}", port.container_port, port.protocol);
        bindings.entry(key).or_default().get_or_insert_default().push(binding);
    }
    let exposed: Vec<String> = bindings.keys().cloned().collect();
    ContainerCreateBody {
        // The host's network has the host's name.
        hostname: Some(spec.hostname.clone()).filter(|_| !spec.host_network),
        image: Some(format!("{}:{}", pause::IMAGE.0, pause::IMAGE.1)),
        entrypoint: Some(vec![pause::PATH.to_owned()]),
        exposed_ports: some(exposed),
        labels: Some(labels(&spec.owner, SANDBOX, spec.attempt, "", cluster, node)),
        host_config: Some(HostConfig {
            network_mode: Some(if spec.host_network { "host" } else { "default" }.to_owned()),
            // Others may join it only if it says so.
            ipc_mode: Some(if spec.host_ipc { "host" } else { "shareable" }.to_owned()),
            port_bindings: Some(bindings).filter(|b| !b.is_empty()),
            extra_hosts: some(spec.extra_hosts.clone()),
            dns: some(spec.dns_servers.clone()),
            dns_search: some(spec.dns_search.clone()),
            dns_options: some(spec.dns_options.clone()),
            sysctls: Some(spec.sysctls.clone().into_iter().collect()).filter(|s: &HashMap<_, _>| !s.is_empty()),
            cpu_shares: Some(SANDBOX_CPU_SHARES),
            oom_score_adj: Some(SANDBOX_OOM_SCORE.max(oom_floor)),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// A container to create.
pub(super) fn container(spec: &ContainerSpec, cluster: &str, node: &str, oom_floor: i64) -> ContainerCreateBody {
    let joined = format!("container:{}", spec.sandbox_id);
    let positive = |n: i64| Some(n).filter(|n| *n > 0);
    let limits = &spec.limits;
    let mounts: Vec<Mount> = spec.mounts.iter().filter(|m| m.propagation != "rprivate").map(mount).collect();
    // Binds make a missing directory of the host, mounts refuse it; mounts know propagation.
    let binds = spec.mounts.iter().filter(|m| m.propagation == "rprivate").map(|m| {
        let mode = if m.read_only { "ro" } else { "rw" };
        format!("{}:{}:{mode}", m.source, m.target)
    });
    let pid_mode =
        if spec.host_pid { Some("host".to_owned()) } else { Some(joined.clone()).filter(|_| spec.share_processes) };
    ContainerCreateBody {
        user: Some(spec.user.clone()).filter(|u| !u.is_empty()),
        env: some(spec.env.iter().map(|(k, v)| format!("{k}={v}")).collect()),
        cmd: some(spec.args.clone()),
        entrypoint: some(spec.command.clone()),
        image: Some(spec.image.clone()),
        working_dir: Some(spec.working_dir.clone()).filter(|d| !d.is_empty()),
        labels: Some(labels(&spec.owner, &spec.name, spec.attempt, &spec.hash, cluster, node)),
        open_stdin: Some(spec.stdin),
        stdin_once: Some(spec.stdin_once),
        tty: Some(spec.tty),
        host_config: Some(HostConfig {
            network_mode: Some(joined.clone()),
            ipc_mode: Some(joined),
            pid_mode,
            binds: some(binds.collect()),
            mounts: some(mounts),
            tmpfs: Some(spec.tmpfs.clone().into_iter().collect()).filter(|t: &HashMap<_, _>| !t.is_empty()),
            cpu_shares: positive(limits.cpu_shares),
            cpu_quota: positive(limits.cpu_quota_us),
            cpu_period: positive(limits.cpu_period_us).filter(|_| limits.cpu_quota_us > 0),
            memory: positive(limits.memory_bytes),
            // The same as the memory limit means no swap.
            memory_swap: positive(limits.memory_bytes),
            oom_score_adj: Some(limits.oom_score_adj.max(oom_floor)),
            privileged: Some(spec.privileged),
            readonly_rootfs: Some(spec.read_only),
            cap_add: some(spec.cap_add.clone()),
            cap_drop: some(spec.cap_drop.clone()),
            group_add: some(spec.groups.clone()),
            security_opt: some(spec.security_options.clone()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

fn mount(mount: &super::super::BindMount) -> Mount {
    let propagation = match mount.propagation {
        "rslave" => MountBindOptionsPropagationEnum::RSLAVE,
        "rshared" => MountBindOptionsPropagationEnum::RSHARED,
        _ => MountBindOptionsPropagationEnum::RPRIVATE,
    };
    Mount {
        typ: Some(MountType::BIND),
        source: Some(mount.source.clone()),
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        bind_options: Some(MountBindOptions { propagation: Some(propagation), ..MountBindOptions::default() }),
        ..Mount::default()
    }
}
