//! ReplicationController: the older form of ReplicaSet. <https://kubernetes.io/docs/concepts/workloads/controllers/replicationcontroller/>

use super::status::{Condition, Status};
use super::{Desired, Observed};
use crate::controller::{Controller, Observation, Watch, controller_key, no_first_keys, own_key};
use crate::informer::{Caches, Change, Index, Object};
use crate::object::{self, Key};
use crate::plan::Plan;
use k8s_openapi::api::core::v1::ReplicationController;
use kubus_proto::kinds::{pod, replication_controller};
use kubus_proto::selector::Selector;
use std::sync::Arc;

/// Row of the controllers table.
pub static CONTROLLER: Controller = Controller {
    name: "replicationcontroller",
    watches: &[
        Watch { row: Some(&replication_controller::ROW), keys: own_key },
        Watch { row: Some(&pod::ROW), keys: keys_of_pod },
    ],
    plan: reconcile,
    workers: 5,
    first_keys: no_first_keys,
};

fn keys_of_pod(caches: &Caches, change: &Change) -> Vec<Key> {
    let mut keys = controller_key(&replication_controller::ROW, change);
    let Some(Object::Pod(pod)) = &change.after else {
        return keys;
    };
    if object::controller(&pod.metadata).is_none() {
        let labels = pod.metadata.labels.clone().unwrap_or_default();
        let namespace = object::namespace(&pod.metadata).to_owned();
        let all = caches.replication_controllers.select(&Index::Namespace(namespace));
        let matching = |rc: &Arc<ReplicationController>| selector(rc).is_some_and(|s| s.matches(&labels));
        keys.extend(all.into_iter().filter(matching).map(|rc| Key::of(&rc.metadata)));
    }
    keys
}

fn selector(rc: &ReplicationController) -> Option<Selector> {
    let labels = rc.spec.as_ref()?.selector.as_ref()?;
    (!labels.is_empty()).then(|| Selector::from_map(labels))
}

/// The wanted state of a ReplicationController; `None` where its selector is none.
pub fn desired(rc: &ReplicationController) -> Option<Desired<'_>> {
    let spec = rc.spec.as_ref()?;
    let status = rc.status.as_ref().map_or_else(Status::default, |s| Status {
        replicas: s.replicas,
        fully_labeled: s.fully_labeled_replicas.unwrap_or(0),
        ready: s.ready_replicas.unwrap_or(0),
        available: s.available_replicas.unwrap_or(0),
        terminating: None,
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
        row: &replication_controller::ROW,
        metadata: &rc.metadata,
        replicas: usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0),
        selector: selector(rc)?,
        template: spec.template.as_ref(),
        min_ready_seconds: spec.min_ready_seconds.unwrap_or(0),
        status,
        component: "replication-controller",
    })
}

fn reconcile(o: &Observation<'_>, key: &Key) -> Plan {
    let Some(rc) = o.caches.replication_controllers.get(key) else {
        return Plan::nothing();
    };
    match desired(&rc) {
        Some(desired) => super::plan(o.now, &desired, &Observed::gather(o, &rc.metadata, None)),
        None => Plan::nothing(),
    }
}
