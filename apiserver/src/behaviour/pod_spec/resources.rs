//! Validation of resource requests and limits.
//! <https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/>

use super::qos::same_amount;
use crate::behaviour::causes::{duplicate, forbidden, invalid, not_found, required};
use crate::behaviour::names::qualified_name;
use crate::behaviour::path::FieldPath;
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource;
use kubus_proto::quantity::Quantity;
use kubus_proto::status::Cause;
use std::collections::{BTreeMap, BTreeSet};

/// What a container can ask for by a plain name.
const CONTAINER_RESOURCES: &[&str] = &["cpu", "memory", "ephemeral-storage"];
/// Plain names that mean something, but not in a container.
const OTHER_RESOURCES: &[&str] = &[
    "configmaps",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "persistentvolumeclaims",
    "pods",
    "replicationcontrollers",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
    "requests.storage",
    "resourcequotas",
    "secrets",
    "services",
    "services.loadbalancers",
    "services.nodeports",
    "storage",
];
const HUGE_PAGES: &str = "hugepages-";

type Amounts = BTreeMap<String, resource::Quantity>;

/// `resources` of a container or of a pod; `claims` are the names of the pod's resource claims.
pub fn validate_resources(
    resources: &ResourceRequirements,
    claims: &BTreeSet<&str>,
    path: &FieldPath<'_>,
    causes: &mut Vec<Cause>,
) {
    let none = Amounts::new();
    let limits = resources.limits.as_ref().unwrap_or(&none);
    let requests = resources.requests.as_ref().unwrap_or(&none);
    let (limits_path, requests_path) = (path.field("limits"), path.field("requests"));
    validate_amounts(limits, &limits_path, causes);
    for (name, amount) in requests {
        validate_amount(name, amount, &requests_path.key(name), causes);
        let (Ok(asked), limit) = (Quantity::parse(&amount.0), limits.get(name)) else { continue };
        match limit.map(|limit| Quantity::parse(&limit.0)) {
            Some(Ok(limit)) if overcommits(name) && asked > limit => {
                let detail = format!("must be less than or equal to {name} limit of {limit}");
                causes.push(invalid(requests_path, asked.to_string(), detail));
            }
            Some(Ok(limit)) if !overcommits(name) && !same_amount(asked, limit) => {
                let detail = format!("must be equal to {name} limit of {limit}");
                causes.push(invalid(requests_path, asked.to_string(), detail));
            }
            None if !overcommits(name) => {
                causes.push(required(limits_path, "Limit must be set for non overcommitable resources"));
            }
            _ => {}
        }
    }
    let mut names = limits.keys().chain(requests.keys());
    let has_huge_pages = names.clone().any(|name| name.starts_with(HUGE_PAGES));
    if has_huge_pages && !names.any(|name| name == "cpu" || name == "memory") {
        causes.push(forbidden(path, "HugePages require cpu or memory"));
    }
    let mut seen = BTreeSet::new();
    for (i, claim) in resources.claims.iter().flatten().enumerate() {
        let path = path.field("claims");
        let path = path.index(i);
        match claim.name.as_str() {
            "" => causes.push(required(path.field("name"), "")),
            name if !seen.insert((name, claim.request.as_deref())) => causes.push(duplicate(path, name)),
            name if !claims.contains(name) => causes.push(not_found(path.field("name"), name)),
            _ => {}
        }
    }
}

/// Names and amounts of resources.
pub fn validate_amounts(amounts: &Amounts, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    for (name, amount) in amounts {
        validate_amount(name, amount, &path.key(name), causes);
    }
}

fn validate_amount(name: &str, amount: &resource::Quantity, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    validate_container_resource(name, path, causes);
    let Ok(amount) = Quantity::parse(&amount.0) else { return };
    if amount.is_negative() {
        causes.push(invalid(path, amount.to_string(), "must be greater than or equal to 0"));
    }
    if !amount.is_whole() && name != "cpu" && !CONTAINER_RESOURCES.contains(&name) {
        causes.push(invalid(path, amount.to_string(), "must be an integer"));
    }
}

/// The name of a resource of a container or a pod.
pub fn validate_container_resource(name: &str, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let before = causes.len();
    validate_any_resource(name, path, causes);
    if name.contains('/') {
        if causes.len() == before && !is_native(name) && name.starts_with("requests.") {
            causes.push(invalid(path, name, "doesn't follow extended resource name standard"));
        }
    } else if qualified_name(name).is_empty() && !is_of_containers(name) {
        causes.push(invalid(path, name, "must be a standard resource for containers"));
    }
}

/// The name of anything that can be counted.
pub fn validate_any_resource(name: &str, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let wrong = qualified_name(name);
    causes.extend(wrong.iter().map(|problem| invalid(path, name, problem)));
    if wrong.is_empty() && !name.contains('/') && !is_of_containers(name) && !OTHER_RESOURCES.contains(&name) {
        causes.push(invalid(path, name, "must be a standard resource type or fully qualified"));
    }
}

fn is_of_containers(name: &str) -> bool {
    CONTAINER_RESOURCES.contains(&name) || name.starts_with(HUGE_PAGES)
}

/// Without a domain, or in Kubernetes' own.
fn is_native(name: &str) -> bool {
    name.split_once('/').is_none_or(|(domain, _)| domain == "kubernetes.io" || domain.ends_with(".kubernetes.io"))
}

/// Whether a node may promise more of it than it has.
pub fn overcommits(name: &str) -> bool {
    is_native(name) && !name.starts_with(HUGE_PAGES)
}
