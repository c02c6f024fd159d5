//! What ReplicaSet and ReplicationController have in common: as many pods of one template as wanted, no more, no less.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/>

pub mod ranking;
pub mod replica_set;
pub mod replication_controller;
pub mod status;

use crate::controller::Observation;
use crate::informer::Index;
use crate::ledger::InFlight;
use crate::object::{self, Key};
use crate::plan::{Action, EventDraft, Failure, Found, Live, Lookup, Now, Plan, Severity, Step, Target};
use crate::pods;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kubus_proto::kinds::pod;
use kubus_proto::selector::Selector;
use kubus_proto::{KindRow, names};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most pods created or deleted by one plan.
const BURST: usize = 500;

/// The wanted state: the part of a ReplicaSet or ReplicationController that counts.
pub struct Desired<'a> {
    /// Its kind.
    pub row: &'static KindRow,
    /// Its metadata.
    pub metadata: &'a ObjectMeta,
    /// How many pods.
    pub replicas: usize,
    /// Which pods are its own.
    pub selector: Selector,
    /// What new pods look like.
    pub template: Option<&'a PodTemplateSpec>,
    /// How long a pod must be ready to be available.
    pub min_ready_seconds: i32,
    /// The status as it stands.
    pub status: status::Status,
    /// Who reports events.
    pub component: &'static str,
}

/// The observed state.
pub struct Observed<'a> {
    /// Pods it manages, as cached, finished and terminating ones too.
    pub owned: Vec<Arc<Pod>>,
    /// Pods of the namespace that nobody manages.
    pub orphans: Vec<Arc<Pod>>,
    /// Pods of all sets with the same controller, for ranking; its own where there is none.
    pub related: Vec<Arc<Pod>>,
    /// Own writes the cache does not show yet.
    pub in_flight: &'a InFlight,
    /// Answers of the API.
    pub live: &'a Live,
    /// How the last attempt failed.
    pub failure: Option<&'a Failure>,
    /// Whether the namespace is being deleted, so that nothing can be made in it.
    pub namespace_terminating: bool,
    /// A random number for names.
    pub seed: u64,
}

impl<'a> Observed<'a> {
    /// Gathers from the caches what concerns the set with this metadata.
    pub fn gather(o: &'a Observation<'_>, metadata: &ObjectMeta, related: Option<Vec<Arc<Pod>>>) -> Self {
        let namespace = object::namespace(metadata);
        let owned = o.caches.pods.select(&Index::Owner(object::uid(metadata).to_owned()));
        let related = related.unwrap_or_else(|| owned.clone());
        Self {
            owned,
            orphans: o.caches.pods.select(&Index::Orphans(namespace.to_owned())),
            related,
            in_flight: o.in_flight,
            live: o.live,
            failure: o.failure,
            namespace_terminating: o.caches.is_terminating(namespace),
            seed: o.seed,
        }
    }
}

/// What must be done so that the observed state becomes the desired one.
pub fn plan(now: Now, desired: &Desired<'_>, observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::nothing();
    let (mut claimed, released): (Vec<_>, Vec<_>) =
        observed.owned.iter().cloned().partition(|p| matches(&desired.selector, p));
    if !object::is_deleting(desired.metadata) {
        if !adopt(desired, observed, &mut claimed, &mut plan) {
            return plan;
        }
        for pod in released.iter().filter(|p| !object::is_deleting(&p.metadata)) {
            release(desired, pod, &mut plan);
        }
        scale(desired, observed, &claimed, &mut plan);
    }
    let own = Key::of(desired.metadata);
    let (status, available_in) = status::calculate(now.wall, desired, &claimed, observed);
    if status != desired.status && !observed.in_flight.changed.contains(&own) {
        let target = Target::exact(desired.row, desired.metadata);
        let patch = json!({"status": status.patch(&desired.status)});
        plan.act(Action::Patch { target, subresource: "status", patch });
    }
    if let Some(delay) = available_in {
        plan.again_after(delay);
    }
    plan
}

fn matches(selector: &Selector, pod: &Pod) -> bool {
    pod.metadata.labels.as_ref().map_or_else(|| selector.matches(&BTreeMap::new()), |l| selector.matches(l))
}

/// Takes over matching pods that nobody manages. The API is asked first whether the set itself is still there: a cache
/// that lags would give pods to the dead. False while the answer is not there, and when the set is not.
fn adopt(desired: &Desired<'_>, observed: &Observed<'_>, claimed: &mut Vec<Arc<Pod>>, plan: &mut Plan) -> bool {
    let adoptable = |p: &&Arc<Pod>| {
        pods::is_active(p)
            && matches(&desired.selector, p)
            && !observed.in_flight.changed.contains(&Key::of(&p.metadata))
    };
    let orphans: Vec<_> = observed.orphans.iter().filter(adoptable).collect();
    if orphans.is_empty() {
        return true;
    }
    if !is_alive(desired.row, desired.metadata, observed.live, plan) {
        return false;
    }
    for pod in orphans {
        let mut owners = json!(pod.metadata.owner_references.clone().unwrap_or_default());
        if let Value::Array(owners) = &mut owners {
            owners.push(object::controller_reference(desired.row, desired.metadata));
        }
        let patch = json!({"metadata": {"ownerReferences": owners}});
        plan.act(Action::Patch { target: Target::exact(&pod::ROW, &pod.metadata), subresource: "", patch });
        claimed.push(pod.clone());
    }
    true
}

/// Whether the API says that the object lives on under the same uid; asks it where it has not answered.
pub fn is_alive(row: &'static KindRow, metadata: &ObjectMeta, live: &Live, plan: &mut Plan) -> bool {
    let lookup = Lookup::Object {
        row,
        namespace: object::namespace(metadata).to_owned(),
        name: object::name(metadata).to_owned(),
    };
    match live.get(&lookup) {
        Some(Found::Object(found)) => {
            found["metadata"]["uid"] == object::uid(metadata) && found["metadata"]["deletionTimestamp"].is_null()
        }
        Some(Found::Missing | Found::Content { .. }) => false,
        None => {
            plan.lookups.push(lookup);
            false
        }
    }
}

/// Lets go of a pod whose labels no longer match.
fn release(desired: &Desired<'_>, pod: &Pod, plan: &mut Plan) {
    let uid = object::uid(desired.metadata);
    let left: Vec<_> = pod.metadata.owner_references.iter().flatten().filter(|o| o.uid != uid).cloned().collect();
    let patch = json!({"metadata": {"ownerReferences": left}});
    plan.act(Action::Patch { target: Target::exact(&pod::ROW, &pod.metadata), subresource: "", patch });
}

/// Creates what is missing or deletes what is too much; what is in flight counts as done.
fn scale(desired: &Desired<'_>, observed: &Observed<'_>, claimed: &[Arc<Pod>], plan: &mut Plan) {
    let going = |p: &Pod| observed.in_flight.deleted.contains(object::uid(&p.metadata));
    let mut active: Vec<_> = claimed.iter().filter(|p| pods::is_active(p) && !going(p)).cloned().collect();
    let have = active.len() + observed.in_flight.created.len();
    if have < desired.replicas {
        let Some(template) = desired.template.filter(|_| !observed.namespace_terminating) else {
            return;
        };
        for i in 0..(desired.replicas - have).min(BURST) {
            plan.steps.push(create(desired, template, observed.seed.wrapping_add(mix(i))));
        }
    } else if have > desired.replicas && observed.in_flight.created.is_empty() {
        // Pods just made are the first that could go, and they cannot be chosen before they are seen: ready ones would
        // go in their place.
        let too_many = (have - desired.replicas).min(BURST);
        ranking::sort(&mut active, &observed.related);
        for pod in active.iter().take(too_many) {
            plan.steps.push(delete(desired, pod));
        }
    }
}

/// Spreads consecutive numbers, so that the names of one plan do not differ in one letter only.
fn mix(i: usize) -> u64 {
    (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn create(desired: &Desired<'_>, template: &PodTemplateSpec, seed: u64) -> Step {
    let prefix = format!("{}-", object::name(desired.metadata));
    let name = names::generate(&prefix, seed);
    let namespace = object::namespace(desired.metadata).to_owned();
    let empty = ObjectMeta::default();
    let metadata = template.metadata.as_ref().unwrap_or(&empty);
    let mut object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "generateName": prefix, "namespace": namespace,
            "ownerReferences": [object::controller_reference(desired.row, desired.metadata)],
        },
        "spec": template.spec,
    });
    let parts = [
        ("labels", json!(metadata.labels)),
        ("annotations", json!(metadata.annotations)),
        ("finalizers", json!(metadata.finalizers)),
    ];
    for (key, value) in parts {
        if !value.is_null() {
            object["metadata"][key] = value;
        }
    }
    let event = |severity, reason, message| {
        EventDraft::new(desired.component, (desired.row, desired.metadata), severity, reason, message)
    };
    Step {
        then: Some(event(Severity::Normal, "SuccessfulCreate", format!("Created pod: {name}"))),
        otherwise: Some(event(Severity::Warning, "FailedCreate", "Error creating: ".to_owned())),
        action: Action::Create { row: &pod::ROW, namespace, name, object },
    }
}

fn delete(desired: &Desired<'_>, pod: &Pod) -> Step {
    let name = object::name(&pod.metadata);
    let event = |severity, reason, message| {
        EventDraft::new(desired.component, (desired.row, desired.metadata), severity, reason, message)
    };
    Step {
        then: Some(event(Severity::Normal, "SuccessfulDelete", format!("Deleted pod: {name}"))),
        otherwise: Some(event(Severity::Warning, "FailedDelete", "Error deleting: ".to_owned())),
        action: Action::Delete {
            target: Target::any_version(&pod::ROW, &pod.metadata),
            grace_seconds: None,
            propagation: None,
        },
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
