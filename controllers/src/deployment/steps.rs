//! Steps of a rollout: the requests that make, size and forget ReplicaSets, and write the status.

use super::history::{self, History};
use super::rolling::{self, Sizes};
use super::sizing::Sizing;
use crate::object;
use crate::plan::{Action, EventDraft, Plan, Severity, Step, Target};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use kubus_proto::kinds::{deployment, replica_set};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const COMPONENT: &str = "deployment-controller";
const STATUS: &str = "status";

/// An event about the Deployment.
pub(super) fn say(deployment: &Deployment, severity: Severity, reason: &'static str, message: String) -> EventDraft {
    EventDraft::new(COMPONENT, (&deployment::ROW, &deployment.metadata), severity, reason, message)
}

/// Makes the ReplicaSet of a new template, as large as it may be at once.
pub(super) fn create_new(deployment: &Deployment, sizing: &Sizing, history: &History, plan: &mut Plan) {
    let Some(spec) = &deployment.spec else {
        return;
    };
    let collisions = deployment.status.as_ref().and_then(|s| s.collision_count).unwrap_or(0);
    let hash = history::template_hash(&spec.template, collisions);
    let name = format!("{}-{hash}", object::name(&deployment.metadata));
    let namespace = object::namespace(&deployment.metadata).to_owned();
    let replicas = rolling::new_size(sizing, history.all(), 0);
    let revision = history.next_revision();
    let mut annotations = history::annotations_to_set(deployment, &Default::default(), revision);
    annotations.extend(size_annotations(sizing));
    let mut template = spec.template.clone();
    let labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
    labels.insert(history::HASH_LABEL.to_owned(), hash.clone());
    let labels = labels.clone();
    let mut selector = spec.selector.clone();
    selector.match_labels.get_or_insert_default().insert(history::HASH_LABEL.to_owned(), hash);
    let object = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": name, "namespace": namespace, "labels": labels, "annotations": annotations,
            "ownerReferences": [object::controller_reference(&deployment::ROW, &deployment.metadata)],
        },
        "spec": {
            "replicas": replicas, "minReadySeconds": spec.min_ready_seconds.filter(|s| *s > 0),
            "selector": selector, "template": template,
        },
    });
    let message = format!("Scaled up replica set {name} from 0 to {replicas}");
    plan.steps.push(Step {
        then: (replicas > 0).then(|| say(deployment, Severity::Normal, "ScalingReplicaSet", message)),
        otherwise: None,
        action: Action::Create { row: &replica_set::ROW, namespace, name, object },
    });
    annotate_revision(deployment, revision, plan);
}

fn size_annotations(sizing: &Sizing) -> [(String, String); 2] {
    [
        (history::DESIRED_REPLICAS.to_owned(), sizing.replicas.to_string()),
        (history::MAX_REPLICAS.to_owned(), sizing.ceiling().to_string()),
    ]
}

/// Notes the revision on the Deployment, through its status: written through the Deployment itself it would count as a
/// new generation.
fn annotate_revision(deployment: &Deployment, revision: i64, plan: &mut Plan) {
    if history::revision(&deployment.metadata) != revision {
        let patch = json!({"metadata": {"annotations": {history::REVISION: revision.to_string()}}});
        let target = Target::exact(&deployment::ROW, &deployment.metadata);
        plan.act(Action::Patch { target, subresource: STATUS, patch });
    }
}

/// Writes new sizes, and what else the new ReplicaSet should have from its Deployment: annotations, minReadySeconds.
pub(super) fn apply_sizes(deployment: &Deployment, sizing: &Sizing, history: &History, sizes: &Sizes, plan: &mut Plan) {
    let new_uid = history.new.as_ref().map(|s| object::uid(&s.metadata).to_owned());
    for set in history.all() {
        let uid = object::uid(&set.metadata);
        let is_new = new_uid.as_deref() == Some(uid);
        let mut annotations = BTreeMap::new();
        let mut spec = serde_json::Map::new();
        let mut event = None;
        if is_new {
            annotations = history::annotations_to_set(deployment, &set.metadata, history.next_revision());
            let wanted = deployment.spec.as_ref().and_then(|s| s.min_ready_seconds).unwrap_or(0);
            if set.spec.as_ref().and_then(|s| s.min_ready_seconds).unwrap_or(0) != wanted {
                spec.insert("minReadySeconds".to_owned(), json!(Some(wanted).filter(|s| *s > 0)));
            }
        }
        if let Some(&size) = sizes.get(uid) {
            let have = set.metadata.annotations.clone().unwrap_or_default();
            annotations.extend(size_annotations(sizing).into_iter().filter(|(k, v)| have.get(k) != Some(v)));
            let before = history::replicas(set);
            if size != before {
                spec.insert("replicas".to_owned(), json!(size));
                let direction = if size > before { "up" } else { "down" };
                let name = object::name(&set.metadata);
                let message = format!("Scaled {direction} replica set {name} from {before} to {size}");
                event = Some(say(deployment, Severity::Normal, "ScalingReplicaSet", message));
            }
        }
        if annotations.is_empty() && spec.is_empty() {
            continue;
        }
        let mut patch = json!({});
        if !annotations.is_empty() {
            patch["metadata"] = json!({"annotations": annotations});
        }
        if !spec.is_empty() {
            patch["spec"] = Value::Object(spec);
        }
        let target = Target::exact(&replica_set::ROW, &set.metadata);
        plan.steps.push(Step {
            action: Action::Patch { target, subresource: "", patch },
            then: event,
            otherwise: None,
        });
    }
    if let Some(new) = &history.new {
        annotate_revision(deployment, history.next_revision().max(history::revision(&new.metadata)), plan);
    }
}

/// Deletes ReplicaSets beyond the revisionHistoryLimit.
pub(super) fn forget_history(deployment: &Deployment, history: &History, plan: &mut Plan) {
    let Some(limit) = deployment.spec.as_ref().and_then(|s| s.revision_history_limit) else {
        return;
    };
    for set in history.forgettable(limit) {
        let target = Target::exact(&replica_set::ROW, &set.metadata);
        plan.act(Action::Delete { target, grace_seconds: None, propagation: None });
    }
}

/// Writes the fields of the status that differ, together with a revision that is to be noted; what is no more is written
/// as null.
pub(super) fn write_status(deployment: &Deployment, status: DeploymentStatus, plan: &mut Plan) {
    let (old, new) = (json!(deployment.status.clone().unwrap_or_default()), json!(status));
    if old == new {
        return;
    }
    let mut patch = serde_json::Map::new();
    for (key, value) in new.as_object().into_iter().flatten() {
        if old.get(key) != Some(value) {
            patch.insert(key.clone(), value.clone());
        }
    }
    for (key, _) in old.as_object().into_iter().flatten() {
        if new.get(key).is_none() {
            patch.insert(key.clone(), Value::Null);
        }
    }
    let target = Target::exact(&deployment::ROW, &deployment.metadata);
    let noted = plan.steps.iter_mut().find_map(|step| match &mut step.action {
        Action::Patch { target: other, subresource: STATUS, patch } if other.uid == target.uid => Some(patch),
        _ => None,
    });
    match noted {
        Some(noted) => noted["status"] = Value::Object(patch),
        None => plan.act(Action::Patch { target, subresource: STATUS, patch: json!({"status": patch}) }),
    }
}
