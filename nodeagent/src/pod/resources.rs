//! Requests and limits of a container as cgroup settings.
//! <https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#how-pods-with-resource-limits-are-run>

use super::qos::{Class, amount, class};
use crate::runtime::Limits;
use k8s_openapi::api::core::v1::{Container, Pod};
use kubus_proto::quantity::Quantity;

/// Period of the CPU limit in microseconds.
const CPU_PERIOD_US: i64 = 100_000;
/// Shares of one CPU.
const SHARES_PER_CPU: i64 = 1024;
/// Least shares the kernel takes.
const SHARES_MINIMUM: i64 = 2;
/// Least quota the kernel takes, in microseconds.
const QUOTA_MINIMUM_US: i64 = 1_000;
/// Least memory limit Docker takes, in bytes.
const MEMORY_MINIMUM_BYTES: i64 = 6 * 1024 * 1024;

/// Cgroup settings of `container` on a node with `node_memory_bytes`.
pub fn limits(pod: &Pod, container: &Container, node_memory_bytes: i64) -> Limits {
    let resources = container.resources.as_ref();
    let requests = resources.and_then(|r| r.requests.as_ref());
    let limits = resources.and_then(|r| r.limits.as_ref());
    let milli = |list, name| amount(list, name).map(Quantity::milli_value);
    let cpu_limit = milli(limits, "cpu");
    let cpu_request = milli(requests, "cpu").or(cpu_limit).unwrap_or(0);
    let memory_limit = amount(limits, "memory").map(Quantity::value);
    Limits {
        cpu_shares: (cpu_request * SHARES_PER_CPU / 1_000).max(SHARES_MINIMUM),
        cpu_quota_us: cpu_limit.map_or(0, |m| (m * CPU_PERIOD_US / 1_000).max(QUOTA_MINIMUM_US)),
        cpu_period_us: CPU_PERIOD_US,
        memory_bytes: memory_limit.map_or(0, |bytes| bytes.max(MEMORY_MINIMUM_BYTES)),
        oom_score_adj: oom_score(pod, container, node_memory_bytes),
    }
}

/// How gladly the kernel kills a container, after
/// <https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#node-out-of-memory-behavior>.
fn oom_score(pod: &Pod, container: &Container, node_memory_bytes: i64) -> i64 {
    match class(pod) {
        Class::Guaranteed => -997,
        Class::BestEffort => 1000,
        Class::Burstable => {
            let requests = container.resources.as_ref().and_then(|r| r.requests.as_ref());
            let request = amount(requests, "memory").map_or(0, Quantity::value);
            (1000 - 1000 * request / node_memory_bytes.max(1)).clamp(3, 999)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn resources_become_cgroup_settings() {
        const GIB: i64 = 1 << 30;
        for (resources, shares, quota, memory, score) in [
            (json!({}), 2, 0, 0, 1000),
            (json!({"requests": {"cpu": "500m", "memory": "1Gi"}}), 512, 0, 0, 750),
            (json!({"limits": {"cpu": "250m", "memory": "64Mi"}}), 256, 25_000, 64 << 20, -997),
            (json!({"limits": {"cpu": "1m", "memory": "1Mi"}, "requests": {"cpu": "1m"}}), 2, 1_000, 6 << 20, -997),
        ] {
            let pod = json!({"spec": {"containers": [{"name": "c", "resources": resources}]}});
            let pod: Pod = serde_json::from_value(pod).expect("a pod");
            let container = &pod.spec.as_ref().expect("spec").containers[0];
            let got = limits(&pod, container, 4 * GIB);
            let got = (got.cpu_shares, got.cpu_quota_us, got.memory_bytes, got.oom_score_adj);
            assert_eq!(got, (shares, quota, memory, score), "{resources}");
        }
    }
}
