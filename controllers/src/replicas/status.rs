//! Status of a ReplicaSet or ReplicationController: how many pods there are, and whether the last attempt failed.

use super::{Desired, Observed};
use crate::object;
use crate::plan::{FailedVerb, Failure};
use crate::pods;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A condition of the status (`ReplicaFailure`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Condition {
    pub type_: String,
    pub status: String,
    pub reason: String,
    pub message: String,
    pub last_transition: Option<Timestamp>,
}

/// The status both kinds share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Status {
    pub replicas: i32,
    pub fully_labeled: i32,
    pub ready: i32,
    pub available: i32,
    /// Pods that are on their way out; ReplicationControllers do not have it.
    pub terminating: Option<i32>,
    pub observed_generation: i64,
    pub conditions: Vec<Condition>,
}

impl Status {
    /// The fields of `status` in which this differs from `old`. Zero is written as null, as Kubernetes omits it.
    pub fn patch(&self, old: &Self) -> Value {
        let number = |n: i32| if n == 0 { Value::Null } else { json!(n) };
        let mut patch = serde_json::Map::new();
        patch.insert("replicas".to_owned(), json!(self.replicas));
        patch.insert("observedGeneration".to_owned(), json!(self.observed_generation));
        for (key, new, old) in [
            ("fullyLabeledReplicas", self.fully_labeled, old.fully_labeled),
            ("readyReplicas", self.ready, old.ready),
            ("availableReplicas", self.available, old.available),
        ] {
            if new != old {
                patch.insert(key.to_owned(), number(new));
            }
        }
        if self.terminating != old.terminating {
            patch.insert("terminatingReplicas".to_owned(), json!(self.terminating));
        }
        if self.conditions != old.conditions {
            let conditions: Vec<Value> = self.conditions.iter().map(condition).collect();
            patch.insert("conditions".to_owned(), if conditions.is_empty() { Value::Null } else { json!(conditions) });
        }
        Value::Object(patch)
    }
}

fn condition(c: &Condition) -> Value {
    json!({
        "type": c.type_, "status": c.status, "reason": c.reason, "message": c.message,
        "lastTransitionTime": c.last_transition.map(object::timestamp),
    })
}

/// The status that fits the pods, and when it will change because a ready pod becomes available.
pub fn calculate(
    now: Timestamp,
    desired: &Desired<'_>,
    claimed: &[Arc<Pod>],
    observed: &Observed<'_>,
) -> (Status, Option<Duration>) {
    let template_labels = desired.template.and_then(|t| t.metadata.as_ref()).and_then(|m| m.labels.clone());
    let template_labels = template_labels.unwrap_or_default();
    let mut status = Status {
        observed_generation: desired.metadata.generation.unwrap_or(0),
        conditions: conditions(now, desired, observed.failure),
        // A pod just made is one, whether the cache has it or not: a Deployment relies on the number.
        replicas: i32::try_from(observed.in_flight.created.len()).unwrap_or(i32::MAX),
        ..Status::default()
    };
    let mut next = None;
    for pod in claimed.iter().filter(|p| pods::is_active(p)) {
        status.replicas += 1;
        let none = BTreeMap::new();
        let labels = pod.metadata.labels.as_ref().unwrap_or(&none);
        status.fully_labeled += i32::from(template_labels.iter().all(|(k, v)| labels.get(k) == Some(v)));
        if observed.in_flight.deleted.contains(object::uid(&pod.metadata)) {
            // It may still be one of the pods, but it is not to be relied on any more.
            continue;
        }
        match pods::available_in(pod, desired.min_ready_seconds, now) {
            None => {}
            Some(Duration::ZERO) => {
                status.ready += 1;
                status.available += 1;
            }
            Some(left) => {
                status.ready += 1;
                next = Some(next.map_or(left, |n: Duration| n.min(left)));
            }
        }
    }
    if desired.status.terminating.is_some() || desired.row.kind == "ReplicaSet" {
        let terminating = |p: &&Arc<Pod>| object::is_deleting(&p.metadata) && !pods::is_finished(p);
        status.terminating = Some(i32::try_from(claimed.iter().filter(terminating).count()).unwrap_or(i32::MAX));
    }
    (status, next)
}

fn conditions(now: Timestamp, desired: &Desired<'_>, failure: Option<&Failure>) -> Vec<Condition> {
    let mut all: Vec<_> = desired.status.conditions.iter().filter(|c| c.type_ != "ReplicaFailure").cloned().collect();
    let before = desired.status.conditions.iter().find(|c| c.type_ == "ReplicaFailure");
    let reason = match failure.map(|f| f.verb) {
        Some(FailedVerb::Create) => "FailedCreate",
        Some(FailedVerb::Delete) => "FailedDelete",
        Some(FailedVerb::Change) | None => return all,
    };
    // One that stands stays as it is: messages name the pod that was not made, and each change would be an event that
    // starts the next attempt at once.
    all.push(before.cloned().unwrap_or_else(|| Condition {
        type_: "ReplicaFailure".to_owned(),
        status: "True".to_owned(),
        reason: reason.to_owned(),
        message: failure.map(|f| f.message.clone()).unwrap_or_default(),
        last_transition: Some(object::time(now).0),
    }));
    all
}
