//! What is right in the spec of a pod, alone or in a template: its defaults, its validation, what an update may change.
//! <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#PodSpec>

mod affinity;
mod containers;
mod defaults;
mod dns;
mod environment;
mod mounts;
mod ports;
mod probes;
mod qos;
mod references;
mod remote_volumes;
mod resources;
mod security;
mod spread;
mod tolerations;
mod update;
pub mod volume_sources;
mod volumes;

pub use affinity::validate_node_selector;
pub use containers::validate_images_of_pod;
pub use defaults::{default_pod_only, default_pod_spec};
pub use ports::PROTOCOLS;
pub use qos::qos_class;
pub use resources::{overcommits, validate_amounts, validate_any_resource, validate_container_resource};
pub use tolerations::{validate_taint_effect, validate_tolerations};
pub use update::{differences, validate_pod_update};

use super::causes::{invalid, not_supported, required};
use super::labels::{validate_label_name, validate_labels};
use super::names::{dns_label, dns_subdomain, range};
use super::path::FieldPath;
use containers::Scope;
use k8s_openapi::api::core::v1::PodSpec;
use kubus_proto::status::Cause;

const RESTART_POLICIES: &[&str] = &["Always", "Never", "OnFailure"];
/// What pods may do to less important ones.
pub const PREEMPTION_POLICIES: &[&str] = &["Never", "PreemptLowerPriority"];

/// Text that may be left out.
pub fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or_default()
}

/// One cause for each problem with `value`.
pub fn problems(path: &FieldPath<'_>, value: &str, problems: Vec<String>, causes: &mut Vec<Cause>) {
    causes.extend(problems.iter().map(|problem| invalid(path, value, problem)));
}

/// A number that must not be below zero.
fn not_negative(path: &FieldPath<'_>, value: impl Into<i64>, causes: &mut Vec<Cause>) {
    let value = value.into();
    if value < 0 {
        causes.push(invalid(path, value, "must be greater than or equal to 0"));
    }
}

/// A word out of a set; nothing is said of a word that was left out.
pub fn one_of(path: &FieldPath<'_>, value: &Option<String>, supported: &[&str], causes: &mut Vec<Cause>) {
    if let Some(value) = value.as_deref().filter(|value| !supported.contains(value)) {
        causes.push(not_supported(path, value, supported));
    }
}

/// A word out of a set that must be there.
pub fn required_one_of(path: &FieldPath<'_>, value: &Option<String>, supported: &[&str], causes: &mut Vec<Cause>) {
    match text(value) {
        "" => causes.push(required(path, "")),
        value if !supported.contains(&value) => causes.push(not_supported(path, value, supported)),
        _ => {}
    }
}

/// Checks a pod's or a template's spec after defaulting, in Kubernetes' order.
pub fn validate_pod_spec(spec: &PodSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if spec.termination_grace_period_seconds.is_none() {
        causes.push(required(path.field("terminationGracePeriodSeconds"), ""));
    }
    let volumes =
        volumes::validate_volumes(spec.volumes.as_deref().unwrap_or_default(), &path.field("volumes"), causes);
    let scope = Scope {
        volumes: &volumes,
        claims: spec.resource_claims.iter().flatten().map(|claim| claim.name.as_str()).collect(),
        grace_seconds: spec.termination_grace_period_seconds.unwrap_or_default(),
        os: spec.os.as_ref().map_or("", |os| os.name.as_str()),
    };
    containers::validate_containers(&spec.containers, &scope, &path.field("containers"), causes);
    containers::validate_init_containers(spec, &scope, &path.field("initContainers"), causes);
    containers::validate_ephemeral_containers(spec, &scope, &path.field("ephemeralContainers"), causes);
    if let Some(resources) = &spec.resources {
        resources::validate_resources(resources, &scope.claims, &path.field("resources"), causes);
    }
    ports::validate_host_network(spec, path, causes);
    required_one_of(&path.field("restartPolicy"), &spec.restart_policy, RESTART_POLICIES, causes);
    required_one_of(&path.field("dnsPolicy"), &spec.dns_policy, dns::POLICIES, causes);
    validate_labels(spec.node_selector.as_ref(), &path.field("nodeSelector"), causes);
    security::validate_pod_security(spec, &path.field("securityContext"), causes);
    security::validate_host_users(spec, path, causes);
    for (i, secret) in spec.image_pull_secrets.iter().flatten().enumerate() {
        if secret.name.is_empty() {
            causes.push(required(path.field("imagePullSecrets").index(i).field("name"), ""));
        }
    }
    if let Some(affinity) = &spec.affinity {
        affinity::validate_affinity(affinity, &path.field("affinity"), causes);
    }
    dns::validate_dns_config(spec, &path.field("dnsConfig"), causes);
    for (i, gate) in spec.readiness_gates.iter().flatten().enumerate() {
        validate_label_name(
            &gate.condition_type,
            &path.field("readinessGates").index(i).field("conditionType"),
            causes,
        );
    }
    for (i, gate) in spec.scheduling_gates.iter().flatten().enumerate() {
        let gates = path.field("schedulingGates");
        validate_label_name(&gate.name, &gates.index(i).field("name"), causes);
        if spec.scheduling_gates.iter().flatten().take(i).any(|other| other.name == gate.name) {
            causes.push(super::causes::duplicate(gates.index(i), gate.name.as_str()));
        }
    }
    spread::validate_spread(spec, &path.field("topologySpreadConstraints"), causes);
    validate_resource_claims(spec, &path.field("resourceClaims"), causes);
    validate_names(spec, path, causes);
    tolerations::validate_tolerations(
        spec.tolerations.as_deref().unwrap_or_default(),
        &path.field("tolerations"),
        causes,
    );
    dns::validate_host_aliases(spec, &path.field("hostAliases"), causes);
    validate_priority(spec, path, causes);
}

fn validate_names(spec: &PodSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    type Rule = fn(&str) -> Vec<String>;
    let before: [(&str, &Option<String>, Rule); 2] = [
        ("serviceAccountName", &spec.service_account_name, dns_subdomain),
        ("nodeName", &spec.node_name, dns_subdomain),
    ];
    let after: [(&str, &Option<String>, Rule); 2] =
        [("hostname", &spec.hostname, dns_label), ("subdomain", &spec.subdomain, dns_label)];
    let check = |(field, value, rule): (&str, &Option<String>, Rule), causes: &mut Vec<Cause>| {
        if !text(value).is_empty() {
            problems(&path.field(field), text(value), rule(text(value)), causes);
        }
    };
    before.into_iter().for_each(|row| check(row, causes));
    if let Some(seconds) = spec.active_deadline_seconds.filter(|s| !(1..=i64::from(i32::MAX)).contains(s)) {
        causes.push(invalid(path.field("activeDeadlineSeconds"), seconds, range(1, i32::MAX.into())));
    }
    after.into_iter().for_each(|row| check(row, causes));
}

/// What the pod claims of devices: a claim, or a template of one, under a name of its own.
fn validate_resource_claims(spec: &PodSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    for (i, claim) in spec.resource_claims.iter().flatten().enumerate() {
        let path = path.index(i);
        let earlier = spec.resource_claims.iter().flatten().take(i);
        match claim.name.as_str() {
            "" => causes.push(required(path.field("name"), "")),
            name if earlier.clone().any(|other| other.name == name) => {
                causes.push(super::causes::duplicate(path.field("name"), name));
            }
            name => problems(&path.field("name"), name, dns_label(name), causes),
        }
        let (named, template) = (&claim.resource_claim_name, &claim.resource_claim_template_name);
        match (named, template) {
            (None, None) => {
                let detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`";
                causes.push(invalid(path, serde_json::json!(claim), detail));
            }
            (Some(_), Some(_)) => {
                let detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
                causes.push(invalid(path, serde_json::json!(claim), detail));
            }
            _ => {}
        }
        for (field, name) in [("resourceClaimName", named), ("resourceClaimTemplateName", template)] {
            if let Some(name) = name {
                problems(&path.field(field), name, dns_subdomain(name), causes);
            }
        }
    }
}

fn validate_priority(spec: &PodSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    for (field, value) in
        [("priorityClassName", &spec.priority_class_name), ("runtimeClassName", &spec.runtime_class_name)]
    {
        if !text(value).is_empty() {
            problems(&path.field(field), text(value), dns_subdomain(text(value)), causes);
        }
    }
    one_of(&path.field("preemptionPolicy"), &spec.preemption_policy, PREEMPTION_POLICIES, causes);
    if let Some(overhead) = &spec.overhead {
        resources::validate_amounts(overhead, &path.field("overhead"), causes);
    }
    if let Some(os) = &spec.os {
        required_one_of(&path.field("os").field("name"), &Some(os.name.clone()), &["linux", "windows"], causes);
    }
}

#[cfg(test)]
mod tests;
