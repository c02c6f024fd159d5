//! ReplicaSet controller. <https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/>

use super::status::{Condition, Status};
use super::{Desired, Observed};
use crate::controller::{Controller, Observation, Watch, controller_key, no_first_keys, own_key};
use crate::informer::{Caches, Change, Index, Object};
use crate::object::{self, Key};
use crate::plan::Plan;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use kubus_proto::kinds::{pod, replica_set};
use kubus_proto::selector::Selector;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Row of the controllers table.
pub static CONTROLLER: Controller = Controller {
    name: "replicaset",
    watches: &[
        Watch { row: Some(&replica_set::ROW), keys: own_key },
        Watch { row: Some(&pod::ROW), keys: keys_of_pod },
    ],
    plan: reconcile,
    workers: 5,
    first_keys: no_first_keys,
};

fn keys_of_pod(caches: &Caches, change: &Change) -> Vec<Key> {
    let mut keys = controller_key(&replica_set::ROW, change);
    let Some(Object::Pod(pod)) = &change.after else {
        return keys;
    };
    if object::controller(&pod.metadata).is_none() {
        let labels = pod.metadata.labels.clone().unwrap_or_default();
        let namespace = object::namespace(&pod.metadata).to_owned();
        let sets = caches.replica_sets.select(&Index::Namespace(namespace));
        let matching = |set: &Arc<ReplicaSet>| selector(set).is_some_and(|s| !s.is_empty() && s.matches(&labels));
        keys.extend(sets.into_iter().filter(matching).map(|set| Key::of(&set.metadata)));
    }
    keys
}

fn selector(set: &ReplicaSet) -> Option<Selector> {
    Selector::from_label_selector(&set.spec.as_ref()?.selector).ok()
}

/// The wanted state of a ReplicaSet; `None` where its selector is none.
pub fn desired(set: &ReplicaSet) -> Option<Desired<'_>> {
    let spec = set.spec.as_ref()?;
    let selector = selector(set).filter(|s| !s.is_empty())?;
    let status = set.status.as_ref().map_or_else(Status::default, |s| Status {
        replicas: s.replicas,
        fully_labeled: s.fully_labeled_replicas.unwrap_or(0),
        ready: s.ready_replicas.unwrap_or(0),
        available: s.available_replicas.unwrap_or(0),
        terminating: s.terminating_replicas,
        observed_generation: s.observed_generation.unwrap_or(0),
        conditions: s
            .conditions
            .iter()
            .flatten()
            .map(|c| Condition {
                type_: c.type_.clone(),
                status: c.status.clone(),
                reason: c.reason.clone().unwrap_or_default(),
                message: c.message.clone().unwrap_or_default(),
                last_transition: c.last_transition_time.as_ref().map(|t| t.0),
            })
            .collect(),
    });
    Some(Desired {
        row: &replica_set::ROW,
        metadata: &set.metadata,
        replicas: usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0),
        selector,
        template: spec.template.as_ref(),
        min_ready_seconds: spec.min_ready_seconds.unwrap_or(0),
        status,
        component: "replicaset-controller",
    })
}

fn reconcile(o: &Observation<'_>, key: &Key) -> Plan {
    let Some(set) = o.caches.replica_sets.get(key) else {
        return Plan::nothing();
    };
    let Some(desired) = desired(&set) else {
        return Plan::nothing();
    };
    super::plan(o.now, &desired, &Observed::gather(o, &set.metadata, related(o.caches, &set)))
}

/// Pods of all ReplicaSets with the same controller: what a Deployment spreads over nodes.
fn related(caches: &Caches, set: &ReplicaSet) -> Option<Vec<Arc<Pod>>> {
    let owner = object::controller(&set.metadata)?;
    let sets: BTreeMap<String, _> = caches
        .replica_sets
        .select(&Index::Owner(owner.uid.clone()))
        .into_iter()
        .map(|s| (object::uid(&s.metadata).to_owned(), s))
        .collect();
    Some(sets.into_keys().flat_map(|uid| caches.pods.select(&Index::Owner(uid))).collect())
}
