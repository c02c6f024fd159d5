//! Deployment controller: declarative updates through ReplicaSets.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/>

pub mod history;
pub mod rolling;
pub mod scaling;
pub mod sizing;
pub mod status;
mod steps;

use crate::controller::{Controller, Observation, Watch, controller_key, no_first_keys, own_key};
use crate::informer::{Caches, Change, Index, Object};
use crate::ledger::InFlight;
use crate::object::{self, Key};
use crate::plan::{Action, FailedVerb, Failure, Found, Live, Lookup, Now, Plan, Severity, Target};
use crate::pods;
use crate::replicas::is_alive;
use history::History;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kubus_proto::Reason;
use kubus_proto::kinds::{deployment, pod, replica_set};
use kubus_proto::selector::Selector;
use rolling::Sizes;
use serde_json::{Value, json};
use sizing::Sizing;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use steps::{apply_sizes, create_new, forget_history, say, write_status};

/// How soon a name that is taken by the ReplicaSet we want anyway is looked for in the cache again.
const CATCH_UP: Duration = Duration::from_millis(200);

/// Row of the controllers table.
pub static CONTROLLER: Controller = Controller {
    name: "deployment",
    watches: &[
        Watch { row: Some(&deployment::ROW), keys: own_key },
        Watch { row: Some(&replica_set::ROW), keys: keys_of_set },
        Watch { row: Some(&pod::ROW), keys: keys_of_pod },
    ],
    plan: reconcile,
    workers: 5,
    first_keys: no_first_keys,
};

fn keys_of_set(caches: &Caches, change: &Change) -> Vec<Key> {
    let mut keys = controller_key(&deployment::ROW, change);
    let Some(Object::ReplicaSet(set)) = &change.after else {
        return keys;
    };
    if object::controller(&set.metadata).is_none() {
        let labels = set.metadata.labels.clone().unwrap_or_default();
        let all = caches.deployments.select(&Index::Namespace(object::namespace(&set.metadata).to_owned()));
        let matching = |d: &Arc<Deployment>| selector(d).is_some_and(|s| s.matches(&labels));
        keys.extend(all.into_iter().filter(matching).map(|d| Key::of(&d.metadata)));
    }
    keys
}

/// A Recreate waits for the last old pod; all else it needs to know is in the ReplicaSets' status.
fn keys_of_pod(caches: &Caches, change: &Change) -> Vec<Key> {
    let Some(Object::Pod(pod)) = change.newest() else {
        return Vec::new();
    };
    let is_over = change.after.is_none() || pods::is_finished(pod);
    let Some(name) = object::controller_of_kind(&pod.metadata, &replica_set::ROW).filter(|_| is_over) else {
        return Vec::new();
    };
    let namespace = object::namespace(&pod.metadata);
    let set = caches.replica_sets.get(&Key::new(namespace, name));
    let owner = set.as_ref().and_then(|s| object::controller_of_kind(&s.metadata, &deployment::ROW));
    let key = owner.map(|d| Key::new(namespace, d));
    let recreates = |k: &Key| caches.deployments.get(k).is_some_and(|d| !Sizing::of(&d).rolling);
    key.filter(recreates).into_iter().collect()
}

fn selector(deployment: &Deployment) -> Option<Selector> {
    let selector = Selector::from_label_selector(&deployment.spec.as_ref()?.selector).ok()?;
    (!selector.is_empty()).then_some(selector)
}

/// The observed state.
pub struct Observed<'a> {
    /// ReplicaSets it manages, as cached.
    pub sets: Vec<Arc<ReplicaSet>>,
    /// ReplicaSets of the namespace that nobody manages.
    pub orphans: Vec<Arc<ReplicaSet>>,
    /// Pods of its ReplicaSets; only a Recreate looks at them.
    pub pods: Vec<Arc<Pod>>,
    /// Own writes the caches do not show yet.
    pub in_flight: &'a InFlight,
    /// Answers of the API.
    pub live: &'a Live,
    /// How the last attempt failed.
    pub failure: Option<&'a Failure>,
    /// Whether the namespace is being deleted.
    pub namespace_terminating: bool,
}

fn reconcile(o: &Observation<'_>, key: &Key) -> Plan {
    let Some(deployment) = o.caches.deployments.get(key) else {
        return Plan::nothing();
    };
    let sets = o.caches.replica_sets.select(&Index::Owner(object::uid(&deployment.metadata).to_owned()));
    let pods = if Sizing::of(&deployment).rolling {
        Vec::new()
    } else {
        let of_set = |s: &Arc<ReplicaSet>| o.caches.pods.select(&Index::Owner(object::uid(&s.metadata).to_owned()));
        sets.iter().flat_map(of_set).collect()
    };
    let observed = Observed {
        sets,
        orphans: o.caches.replica_sets.select(&Index::Orphans(key.namespace.clone())),
        pods,
        in_flight: o.in_flight,
        live: o.live,
        failure: o.failure,
        namespace_terminating: o.caches.is_terminating(&key.namespace),
    };
    plan(o.now, &deployment, &observed)
}

/// What must be done next. Sizes of several ReplicaSets depend on each other, so nothing is decided while a write of
/// the last plan is not seen.
pub fn plan(now: Now, deployment: &Deployment, observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::nothing();
    if !observed.in_flight.is_empty() {
        return plan;
    }
    let Some(selector) = selector(deployment) else {
        let message = "This deployment is selecting all pods. A non-empty selector is required.";
        plan.events.push(say(deployment, Severity::Warning, "SelectingAll", message.to_owned()));
        return plan;
    };
    if object::is_deleting(&deployment.metadata) {
        let history = History::of(deployment, observed.sets.clone());
        write_status(deployment, status::calculate(now.wall, deployment, &history), &mut plan);
        return plan;
    }
    if claim(deployment, &selector, observed, &mut plan) {
        return plan;
    }
    if let Some(waiting) = resolve_taken_name(deployment, observed) {
        return waiting;
    }
    let history = History::of(deployment, observed.sets.clone());
    let noted = note_pause_and_find(now, deployment, &history);
    let sizing = Sizing::of(deployment);
    let paused = noted.spec.as_ref().and_then(|s| s.paused).unwrap_or(false);
    if paused || scaling::is_scaling(&sizing, &history) {
        let former = deployment.status.as_ref().and_then(|s| s.replicas).unwrap_or(0);
        let sizes = scaling::scaled_sizes(&sizing, &history, former);
        apply_sizes(deployment, &sizing, &history, &sizes, &mut plan);
        if paused {
            forget_history(deployment, &history, &mut plan);
        }
        write_status(deployment, status::calculate(now.wall, &noted, &history), &mut plan);
        return plan;
    }
    let mut status = status::calculate(now.wall, &noted, &history);
    roll_out(deployment, &sizing, &history, observed, &mut plan);
    if history.new.is_none()
        && let Some(name) = created_name(&plan)
        && status::progress_deadline(deployment).is_some()
    {
        let message = format!("Created new replica set {name:?}");
        status::set_condition(&mut status, now.wall, "Progressing", "True", "NewReplicaSetCreated", message);
    }
    if let Some(delay) = status::report_progress(now.wall, &noted, &history, &mut status) {
        plan.again_after(delay);
    }
    write_status(deployment, status, &mut plan);
    plan
}

fn created_name(plan: &Plan) -> Option<String> {
    plan.steps.iter().find_map(|s| match &s.action {
        Action::Create { name, .. } => Some(name.clone()),
        Action::Patch { .. } | Action::Delete { .. } | Action::DeleteAll { .. } | Action::Finalize { .. } => None,
    })
}

/// Takes over matching ReplicaSets and lets go of those that match no more. True where there is something to wait for.
fn claim(deployment: &Deployment, selector: &Selector, observed: &Observed<'_>, plan: &mut Plan) -> bool {
    let none = BTreeMap::new();
    let matches = |s: &ReplicaSet| selector.matches(s.metadata.labels.as_ref().unwrap_or(&none));
    let wanted = |s: &&Arc<ReplicaSet>| matches(s) && !object::is_deleting(&s.metadata);
    let orphans: Vec<_> = observed.orphans.iter().filter(wanted).collect();
    if !orphans.is_empty() {
        if is_alive(&deployment::ROW, &deployment.metadata, observed.live, plan) {
            for set in orphans {
                let mut owners = json!(set.metadata.owner_references.clone().unwrap_or_default());
                if let Value::Array(owners) = &mut owners {
                    owners.push(object::controller_reference(&deployment::ROW, &deployment.metadata));
                }
                own(set, &owners, plan);
            }
        }
        return true;
    }
    let uid = object::uid(&deployment.metadata);
    for set in observed.sets.iter().filter(|s| !matches(s) && !object::is_deleting(&s.metadata)) {
        let left: Vec<_> = set.metadata.owner_references.iter().flatten().filter(|o| o.uid != uid).cloned().collect();
        own(set, &json!(left), plan);
    }
    !plan.steps.is_empty()
}

fn own(set: &ReplicaSet, owners: &Value, plan: &mut Plan) {
    let patch = json!({"metadata": {"ownerReferences": owners}});
    plan.act(Action::Patch { target: Target::exact(&replica_set::ROW, &set.metadata), subresource: "", patch });
}

/// The last attempt found the name of the new ReplicaSet taken: by one that is ours (the cache lags), or by another
/// with the same hash, which the next collision count tells apart.
fn resolve_taken_name(deployment: &Deployment, observed: &Observed<'_>) -> Option<Plan> {
    let failure = observed.failure?;
    if failure.verb != FailedVerb::Create || failure.reason != Some(Reason::AlreadyExists) {
        return None;
    }
    let mut plan = Plan::nothing();
    let namespace = object::namespace(&deployment.metadata).to_owned();
    let lookup = Lookup::Object { row: &replica_set::ROW, namespace, name: failure.name.clone() };
    let found = match observed.live.get(&lookup) {
        None => {
            plan.lookups.push(lookup);
            return Some(plan);
        }
        Some(Found::Object(found)) => serde_json::from_value::<ReplicaSet>(found.clone()).ok()?,
        Some(Found::Missing | Found::Content { .. }) => return None,
    };
    let template = found.spec.as_ref().and_then(|s| s.template.as_ref());
    let same = template.zip(deployment.spec.as_ref()).is_some_and(|(t, d)| history::same_template(t, &d.template));
    if same && object::is_controlled_by(&found.metadata, object::uid(&deployment.metadata)) {
        plan.again_after(CATCH_UP);
        return Some(plan);
    }
    let collisions = deployment.status.as_ref().and_then(|s| s.collision_count).unwrap_or(0);
    let patch = json!({"status": {"collisionCount": collisions + 1}});
    let target = Target::exact(&deployment::ROW, &deployment.metadata);
    plan.act(Action::Patch { target, subresource: "status", patch });
    Some(plan)
}

/// The Deployment with conditions that say whether it is paused, and that its ReplicaSet was found ready-made.
fn note_pause_and_find(now: Now, deployment: &Deployment, history: &History) -> Deployment {
    let mut noted = deployment.clone();
    if status::progress_deadline(deployment).is_none() {
        return noted;
    }
    let paused = deployment.spec.as_ref().and_then(|s| s.paused).unwrap_or(false);
    let status = noted.status.get_or_insert_default();
    let reason = status::condition(status, "Progressing").map(|c| c.reason.clone().unwrap_or_default());
    match (reason.as_deref(), paused) {
        (Some("ProgressDeadlineExceeded" | "DeploymentPaused"), true) => {}
        (_, true) => {
            let message = "Deployment is paused".to_owned();
            status::set_condition(status, now.wall, "Progressing", "Unknown", "DeploymentPaused", message);
        }
        (Some("DeploymentPaused"), false) => {
            let message = "Deployment is resumed".to_owned();
            status::set_condition(status, now.wall, "Progressing", "Unknown", "DeploymentResumed", message);
        }
        (None, false) => {
            if let Some(new) = &history.new {
                let message = format!("Found new replica set {:?}", object::name(&new.metadata));
                status::set_condition(status, now.wall, "Progressing", "True", "FoundNewReplicaSet", message);
            }
        }
        (Some(_), false) => {}
    }
    noted
}

/// One move of the rollout.
fn roll_out(deployment: &Deployment, sizing: &Sizing, history: &History, observed: &Observed<'_>, plan: &mut Plan) {
    if !sizing.rolling {
        let active = history.old.iter().filter(|s| history::replicas(s) > 0);
        let down: Sizes = active.map(|s| (object::uid(&s.metadata).to_owned(), 0)).collect();
        if !down.is_empty() {
            apply_sizes(deployment, sizing, history, &down, plan);
            return;
        }
        let old: BTreeSet<&str> = history.old.iter().map(|s| object::uid(&s.metadata)).collect();
        let is_old = |p: &Arc<Pod>| object::controller(&p.metadata).is_some_and(|o| old.contains(o.uid.as_str()));
        if observed.pods.iter().any(|p| is_old(p) && !pods::is_finished(p)) {
            return;
        }
    }
    match &history.new {
        None if observed.namespace_terminating => {}
        None => create_new(deployment, sizing, history, plan),
        Some(new) => {
            let sizes = if sizing.rolling {
                rolling::next_sizes(sizing, history)
            } else if history::replicas(new) == sizing.replicas {
                Sizes::new()
            } else {
                Sizes::from([(object::uid(&new.metadata).to_owned(), sizing.replicas)])
            };
            apply_sizes(deployment, sizing, history, &sizes, plan);
            let status = deployment.status.clone().unwrap_or_default();
            if sizes.is_empty() && status::is_complete(deployment, &status) {
                forget_history(deployment, history, plan);
            }
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
