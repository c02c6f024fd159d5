//! A Deployment's ReplicaSets as its history: which one is new, what revision each has, which can be forgotten.

use crate::object;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kubus_proto::names;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Label that tells the pods of one template from those of another.
pub const HASH_LABEL: &str = "pod-template-hash";
/// Position in the history.
pub const REVISION: &str = "deployment.kubernetes.io/revision";
/// Former positions of a ReplicaSet that was rolled back to.
pub const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// spec.replicas of the Deployment when the ReplicaSet was last sized.
pub const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
/// The same and maxSurge.
pub const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";
/// Longest revision history in bytes.
const REVISION_HISTORY_LIMIT: usize = 2_000;

/// Annotations that are the Deployment's or the ReplicaSet's own and are not passed on.
const NOT_COPIED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
];

/// Hash of a template: any stable one will do, since two equal hashes of different templates are told apart by
/// `collisions`.
pub fn template_hash(template: &PodTemplateSpec, collisions: i32) -> String {
    let mut bytes = serde_json::to_vec(template).unwrap_or_default();
    if collisions > 0 {
        bytes.extend(collisions.to_le_bytes());
    }
    names::safe_encode(&names::fnv32a(&bytes).to_string())
}

/// Whether two templates are the same but for the hash label.
pub fn same_template(a: &PodTemplateSpec, b: &PodTemplateSpec) -> bool {
    let bare = |template: &PodTemplateSpec| {
        let mut template = template.clone();
        let metadata = template.metadata.get_or_insert_default();
        let labels = metadata.labels.get_or_insert_default();
        labels.remove(HASH_LABEL);
        template.metadata = Some(ObjectMeta {
            labels: metadata.labels.take(),
            annotations: metadata.annotations.take().filter(|a| !a.is_empty()),
            finalizers: metadata.finalizers.take(),
            ..ObjectMeta::default()
        });
        template
    };
    bare(a) == bare(b)
}

/// The ReplicaSets of a Deployment, told apart.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The one with the Deployment's template.
    pub new: Option<Arc<ReplicaSet>>,
    /// All others, oldest first.
    pub old: Vec<Arc<ReplicaSet>>,
}

impl History {
    /// Sorts out `sets`. Of several with the right template the oldest is the new one, so that everyone agrees.
    pub fn of(deployment: &Deployment, mut sets: Vec<Arc<ReplicaSet>>) -> Self {
        sets.sort_by_key(|s| (object::created(&s.metadata), object::name(&s.metadata).to_owned()));
        let wanted = deployment.spec.as_ref().map(|s| &s.template);
        let is_new = |set: &Arc<ReplicaSet>| {
            let template = set.spec.as_ref().and_then(|s| s.template.as_ref());
            template.zip(wanted).is_some_and(|(a, b)| same_template(a, b))
        };
        let new = sets.iter().position(is_new).map(|i| sets.remove(i));
        Self { new, old: sets }
    }

    /// Old and new.
    pub fn all(&self) -> impl Iterator<Item = &Arc<ReplicaSet>> {
        self.old.iter().chain(self.new.iter())
    }

    /// Revision the new ReplicaSet should have.
    pub fn next_revision(&self) -> i64 {
        self.old.iter().map(|s| revision(&s.metadata)).max().unwrap_or(0) + 1
    }

    /// Old ReplicaSets beyond the revisionHistoryLimit that have nothing left to do, oldest revision first.
    pub fn forgettable(&self, limit: i32) -> Vec<Arc<ReplicaSet>> {
        let mut alive: Vec<_> = self.old.iter().filter(|s| !object::is_deleting(&s.metadata)).collect();
        alive.sort_by_key(|s| (revision(&s.metadata), object::created(&s.metadata)));
        let surplus = alive.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        let is_idle = |s: &&&Arc<ReplicaSet>| {
            let observed = s.status.as_ref().and_then(|s| s.observed_generation).unwrap_or(0);
            replicas(s) == 0
                && s.status.as_ref().is_none_or(|s| s.replicas == 0)
                && s.metadata.generation.unwrap_or(0) <= observed
        };
        alive.iter().take(surplus).filter(is_idle).map(|s| (*s).clone()).collect()
    }
}

/// spec.replicas.
pub fn replicas(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().map_or(0, |s| s.replicas.unwrap_or(1))
}

/// Whether the ReplicaSet's status is about its present size.
pub fn is_settled(set: &ReplicaSet) -> bool {
    let observed = set.status.as_ref().and_then(|s| s.observed_generation).unwrap_or(0);
    observed >= set.metadata.generation.unwrap_or(0)
}

/// Available pods that can be relied on: a status about a former size tells of pods that may be on their way out, and
/// those beyond the size are.
pub fn available(set: &ReplicaSet) -> i32 {
    if !is_settled(set) {
        return 0;
    }
    set.status.as_ref().and_then(|s| s.available_replicas).unwrap_or(0).min(replicas(set))
}

/// The revision annotation, 0 where there is none.
pub fn revision(metadata: &ObjectMeta) -> i64 {
    number(metadata, REVISION).unwrap_or(0)
}

/// An annotation that holds a number.
pub fn number(metadata: &ObjectMeta, annotation: &str) -> Option<i64> {
    metadata.annotations.as_ref()?.get(annotation)?.parse().ok()
}

/// Annotations that a ReplicaSet with `old` ones should have as the new one of `deployment` at `revision`; only those
/// that differ.
pub fn annotations_to_set(deployment: &Deployment, old: &ObjectMeta, revision: i64) -> BTreeMap<String, String> {
    let mut wanted: BTreeMap<String, String> = deployment.metadata.annotations.clone().unwrap_or_default();
    wanted.retain(|key, _| !NOT_COPIED.contains(&key.as_str()));
    let before = self::revision(old);
    if before < revision {
        wanted.insert(REVISION.to_owned(), revision.to_string());
        if before > 0 {
            let history = old.annotations.as_ref().and_then(|a| a.get(REVISION_HISTORY)).cloned().unwrap_or_default();
            wanted.insert(REVISION_HISTORY.to_owned(), append(&history, before));
        }
    }
    let have = old.annotations.clone().unwrap_or_default();
    wanted.retain(|key, value| have.get(key) != Some(value));
    wanted
}

/// `1,3` and 5 is `1,3,5`, without its oldest parts where it grows too long.
fn append(history: &str, revision: i64) -> String {
    let mut parts: Vec<String> = history.split(',').filter(|p| !p.is_empty()).map(str::to_owned).collect();
    let text = revision.to_string();
    if parts.last() != Some(&text) {
        parts.push(text);
    }
    while parts.iter().map(|p| p.len() + 1).sum::<usize>() > REVISION_HISTORY_LIMIT {
        parts.remove(0);
    }
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn templates_are_compared_without_the_hash() {
        let template = |labels: serde_json::Value, image: &str| -> PodTemplateSpec {
            serde_json::from_value(json!({"metadata": {"labels": labels}, "spec": {"containers":
                [{"name": "c", "image": image}]}}))
            .expect("template")
        };
        let plain = template(json!({"app": "web"}), "nginx");
        assert!(same_template(&plain, &template(json!({"app": "web", HASH_LABEL: "x"}), "nginx")));
        assert!(!same_template(&plain, &template(json!({"app": "web"}), "nginx:2")));
        assert_eq!(template_hash(&plain, 0), template_hash(&plain, 0));
        assert_ne!(template_hash(&plain, 0), template_hash(&plain, 1));
        assert_ne!(template_hash(&plain, 0), template_hash(&template(json!({"app": "web"}), "nginx:2"), 0));
    }

    #[test]
    fn a_rollback_remembers_the_former_revision() {
        let deployment: Deployment = serde_json::from_value(json!({"metadata": {"annotations": {
            "kubernetes.io/change-cause": "undo", REVISION: "3",
            "kubectl.kubernetes.io/last-applied-configuration": "{}"}}}))
        .expect("deployment");
        let old: ObjectMeta =
            serde_json::from_value(json!({"annotations": {REVISION: "2", REVISION_HISTORY: "1"}})).expect("metadata");
        let set = annotations_to_set(&deployment, &old, 4);
        assert_eq!(set.get(REVISION).map(String::as_str), Some("4"));
        assert_eq!(set.get(REVISION_HISTORY).map(String::as_str), Some("1,2"));
        assert_eq!(set.get("kubernetes.io/change-cause").map(String::as_str), Some("undo"));
        assert_eq!(set.len(), 3);
        assert!(annotations_to_set(&Deployment::default(), &old, 2).is_empty());
        assert!(append(&"123456789,".repeat(300), 7).len() <= REVISION_HISTORY_LIMIT);
    }
}
