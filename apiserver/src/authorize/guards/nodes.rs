//! What a node may say of itself: it keeps its hands off other nodes, off labels that say where pods may run, and off its
//! taints once it is registered.
//! <https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction>

use super::Write;
use kubus_proto::ApiError;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Labels of Kubernetes' own that a node may give itself.
const OWN_LABELS: &[&str] = &[
    "kubernetes.io/hostname",
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
];
/// Prefixes of labels that a node may give itself, each also with something and a dot before it.
const OWN_PREFIXES: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];
/// Domains whose labels are Kubernetes' own.
const RESERVED: [&str; 2] = ["kubernetes.io", "k8s.io"];

fn is_in(domain: &str, prefix: &str) -> bool {
    prefix.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether a node may not give itself this label.
fn is_reserved(label: &str) -> bool {
    let prefix = label.split_once('/').map_or("", |(prefix, _)| prefix);
    RESERVED.iter().any(|domain| is_in(domain, prefix))
        && !OWN_LABELS.contains(&label)
        && !OWN_PREFIXES.iter().any(|own| is_in(own, prefix))
}

fn labels(node: &Value) -> BTreeMap<&str, &Value> {
    node["metadata"]["labels"].as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value)).collect()
}

/// A node that is made or changed by a node.
pub fn check(write: &Write<'_>) -> Result<(), ApiError> {
    let Some(node) = write.caller.node() else { return Ok(()) };
    let refuse = |what: &str| Err(write.forbidden(&format!("node {node:?} is not allowed to {what}")));
    if write.name() != node {
        return refuse(&format!("modify node {:?}", write.name()));
    }
    let now = labels(write.new);
    let Some(old) = write.old else {
        let reserved: Vec<&str> = now.keys().copied().filter(|label| is_reserved(label)).collect();
        if !reserved.is_empty() {
            return refuse(&format!("set the following labels: {}", reserved.join(", ")));
        }
        return Ok(());
    };
    let before = labels(old);
    let all: BTreeSet<&str> = before.keys().chain(now.keys()).copied().collect();
    let changed = all.into_iter().filter(|label| before.get(label) != now.get(label));
    let reserved: Vec<&str> = changed.filter(|label| is_reserved(label)).collect();
    if !reserved.is_empty() {
        return refuse(&format!("modify labels: {}", reserved.join(", ")));
    }
    if write.new["spec"]["taints"] != old["spec"]["taints"] {
        return refuse("modify taints");
    }
    if write.new["metadata"]["ownerReferences"] != old["metadata"]["ownerReferences"] {
        return refuse("modify ownerReferences");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_say_where_pods_run_are_not_the_nodes_to_set() {
        for (label, reserved) in [
            ("kubernetes.io/hostname", false),
            ("topology.kubernetes.io/zone", false),
            ("node.kubernetes.io/anything", false),
            ("x.node.kubernetes.io/anything", false),
            ("kubelet.kubernetes.io/x", false),
            ("example.com/x", false),
            ("plain", false),
            ("mykubernetes.io/x", false),
            ("node-role.kubernetes.io/control-plane", true),
            ("node-restriction.kubernetes.io/fips", true),
            ("kubernetes.io/other", true),
            ("scheduling.k8s.io/x", true),
        ] {
            assert_eq!(is_reserved(label), reserved, "{label}");
        }
    }
}
