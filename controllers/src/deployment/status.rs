//! Status of a Deployment: counts, and the Available and Progressing conditions with Kubernetes' reasons and messages.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status>

use super::history::{History, replicas};
use super::sizing::Sizing;
use crate::object;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus};
use std::time::Duration;

/// Most seconds that count as a deadline: Kubernetes' "no deadline".
const NO_DEADLINE: i32 = i32::MAX;

/// The status the ReplicaSets add up to, with the Available condition brought up to date.
pub fn calculate(now: Timestamp, deployment: &Deployment, history: &History) -> DeploymentStatus {
    let sizing = Sizing::of(deployment);
    let old = deployment.status.clone().unwrap_or_default();
    let sum = |f: fn(&k8s_openapi::api::apps::v1::ReplicaSetStatus) -> i32| -> i32 {
        history.all().filter_map(|s| s.status.as_ref()).map(f).sum()
    };
    let some = |n: i32| (n != 0).then_some(n);
    let available = sum(|s| s.available_replicas.unwrap_or(0));
    let wanted: i32 = history.all().map(|s| replicas(s)).sum();
    let updated = history.new.as_ref().and_then(|s| s.status.as_ref()).map_or(0, |s| s.replicas);
    let mut status = DeploymentStatus {
        observed_generation: deployment.metadata.generation,
        replicas: some(sum(|s| s.replicas)),
        updated_replicas: some(updated),
        ready_replicas: some(sum(|s| s.ready_replicas.unwrap_or(0))),
        available_replicas: some(available),
        unavailable_replicas: some((wanted - available).max(0)),
        terminating_replicas: Some(sum(|s| s.terminating_replicas.unwrap_or(0))),
        collision_count: old.collision_count,
        conditions: old.conditions,
    };
    let condition = if available >= sizing.floor() {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    set_condition(&mut status, now, "Available", condition.0, condition.1, condition.2.to_owned());
    status
}

/// Whether every pod is of the new template and available.
pub fn is_complete(deployment: &Deployment, status: &DeploymentStatus) -> bool {
    let wanted = Sizing::of(deployment).replicas;
    let all = [status.updated_replicas, status.replicas, status.available_replicas];
    all.iter().all(|n| n.unwrap_or(0) == wanted)
        && status.observed_generation.unwrap_or(0) >= deployment.metadata.generation.unwrap_or(0)
}

/// Whether `new` is a step forward from `old`.
fn is_progressing(old: &DeploymentStatus, new: &DeploymentStatus) -> bool {
    let count = |n: Option<i32>| n.unwrap_or(0);
    let outdated = |s: &DeploymentStatus| count(s.replicas) - count(s.updated_replicas);
    count(new.updated_replicas) > count(old.updated_replicas)
        || outdated(new) < outdated(old)
        || count(new.ready_replicas) > count(old.ready_replicas)
        || count(new.available_replicas) > count(old.available_replicas)
}

/// The deadline for progress; `None` where there is none.
pub fn progress_deadline(deployment: &Deployment) -> Option<SignedDuration> {
    let seconds = deployment.spec.as_ref().and_then(|s| s.progress_deadline_seconds)?;
    (seconds != NO_DEADLINE).then(|| SignedDuration::from_secs(i64::from(seconds)))
}

/// Brings the Progressing and ReplicaFailure conditions of a rollout up to date. Gives when the deadline must be
/// looked at.
pub fn report_progress(
    now: Timestamp,
    deployment: &Deployment,
    history: &History,
    status: &mut DeploymentStatus,
) -> Option<Duration> {
    let old = deployment.status.clone().unwrap_or_default();
    copy_replica_failure(now, history, status);
    let Some(deadline) = progress_deadline(deployment) else {
        remove_condition(status, "Progressing");
        return None;
    };
    let current = condition(status, "Progressing").cloned();
    let finished = status.replicas == status.updated_replicas
        && current.as_ref().and_then(|c| c.reason.as_deref()) == Some("NewReplicaSetAvailable");
    if finished {
        return None;
    }
    let about = match &history.new {
        Some(set) => format!("ReplicaSet {:?}", object::name(&set.metadata)),
        None => format!("Deployment {:?}", object::name(&deployment.metadata)),
    };
    if is_complete(deployment, status) {
        let message = format!("{about} has successfully progressed.");
        set_condition(status, now, "Progressing", "True", "NewReplicaSetAvailable", message);
        return None;
    }
    if is_progressing(&old, status) {
        // Each step forward starts the deadline anew, so an equal condition is written with a new time, too.
        remove_condition(status, "Progressing");
        let message = format!("{about} is progressing.");
        set_condition(status, now, "Progressing", "True", "ReplicaSetUpdated", message);
        if let (Some(before), Some(condition)) = (current.filter(|c| c.status == "True"), progressing_mut(status)) {
            condition.last_transition_time = before.last_transition_time;
        }
        return Some(duration(deadline));
    }
    let since = current.as_ref()?.last_update_time.as_ref().or(current.as_ref()?.last_transition_time.as_ref())?.0;
    if current.as_ref().and_then(|c| c.reason.as_deref()) == Some("NewReplicaSetAvailable") {
        return None;
    }
    let left = deadline - now.duration_since(since);
    if left.is_negative() {
        let message = format!("{about} has timed out progressing.");
        set_condition(status, now, "Progressing", "False", "ProgressDeadlineExceeded", message);
        return None;
    }
    // A second more: timestamps are cut to whole seconds.
    Some(duration(left) + Duration::from_secs(1))
}

fn duration(signed: SignedDuration) -> Duration {
    Duration::try_from(signed).unwrap_or(Duration::ZERO)
}

fn copy_replica_failure(now: Timestamp, history: &History, status: &mut DeploymentStatus) {
    let failure = |s: &&std::sync::Arc<k8s_openapi::api::apps::v1::ReplicaSet>| {
        let conditions = s.status.as_ref()?.conditions.as_ref()?;
        conditions.iter().find(|c| c.type_ == "ReplicaFailure").cloned()
    };
    let found = history.new.iter().chain(history.old.iter()).find_map(|s| failure(&s));
    match found {
        Some(c) => {
            let (reason, message) = (c.reason.unwrap_or_default(), c.message.unwrap_or_default());
            set_condition(status, now, "ReplicaFailure", &c.status, &reason, message);
        }
        None => remove_condition(status, "ReplicaFailure"),
    }
}

fn progressing_mut(status: &mut DeploymentStatus) -> Option<&mut DeploymentCondition> {
    status.conditions.iter_mut().flatten().find(|c| c.type_ == "Progressing")
}

/// A condition of the status.
pub fn condition<'a>(status: &'a DeploymentStatus, kind: &str) -> Option<&'a DeploymentCondition> {
    status.conditions.iter().flatten().find(|c| c.type_ == kind)
}

/// Sets a condition; one with the same status and reason stays as it is.
pub fn set_condition(
    status: &mut DeploymentStatus,
    now: Timestamp,
    kind: &str,
    value: &str,
    reason: &str,
    message: String,
) {
    let conditions = status.conditions.get_or_insert_default();
    let before = conditions.iter().position(|c| c.type_ == kind).map(|i| conditions[i].clone());
    if before.as_ref().is_some_and(|c| c.status == value && c.reason.as_deref() == Some(reason)) {
        return;
    }
    let same_status = before.filter(|c| c.status == value);
    conditions.retain(|c| c.type_ != kind);
    conditions.push(DeploymentCondition {
        type_: kind.to_owned(),
        status: value.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message),
        last_update_time: Some(object::time(now)),
        last_transition_time: same_status.and_then(|c| c.last_transition_time).or_else(|| Some(object::time(now))),
    });
}

/// Takes a condition away.
pub fn remove_condition(status: &mut DeploymentStatus, kind: &str) {
    if let Some(conditions) = &mut status.conditions {
        conditions.retain(|c| c.type_ != kind);
    }
}
