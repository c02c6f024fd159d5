//! Shared informers: one watch a kind, one cache a kind, and what each change means to the controllers.

pub mod store;
pub mod watch;

use crate::garbage::graph::Graph;
use crate::ledger::{Seen, View};
use crate::object::Key;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, ReplicationController};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use kubus_proto::KindRow;
use kubus_proto::kinds::{
    KIND_TABLE, Verb, deployment, event, namespace, node, pod, replica_set, replication_controller,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
pub use store::{Index, Store};

/// Kinds that no informer follows: Events are too many and neither own nor are owned.
pub fn is_followed(row: &KindRow) -> bool {
    row.plural != event::ROW.plural && row.verbs.contains(&Verb::Watch)
}

/// An object as its cache holds it.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Object {
    Pod(Arc<Pod>),
    Node(Arc<Node>),
    Namespace(Arc<Namespace>),
    ReplicaSet(Arc<ReplicaSet>),
    ReplicationController(Arc<ReplicationController>),
    Deployment(Arc<Deployment>),
    /// Only metadata is kept of every other kind.
    Other(Arc<DynamicObject>),
}

impl Object {
    /// Its metadata.
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Object::Pod(o) => &o.metadata,
            Object::Node(o) => &o.metadata,
            Object::Namespace(o) => &o.metadata,
            Object::ReplicaSet(o) => &o.metadata,
            Object::ReplicationController(o) => &o.metadata,
            Object::Deployment(o) => &o.metadata,
            Object::Other(o) => &o.metadata,
        }
    }
}

macro_rules! object_of {
    ($($kind:ident),*) => {$(
        impl From<Arc<$kind>> for Object {
            fn from(object: Arc<$kind>) -> Self {
                Object::$kind(object)
            }
        }
    )*};
}
object_of!(Pod, Node, Namespace, ReplicaSet, ReplicationController, Deployment);

impl From<Arc<DynamicObject>> for Object {
    fn from(object: Arc<DynamicObject>) -> Self {
        Object::Other(object)
    }
}

/// One change of one object, as the controllers hear of it.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its kind.
    pub row: &'static KindRow,
    /// Before, `None` for a new one.
    pub before: Option<Object>,
    /// After, `None` when it is gone.
    pub after: Option<Object>,
}

impl Change {
    /// The newest state there is.
    pub fn newest(&self) -> Option<&Object> {
        self.after.as_ref().or(self.before.as_ref())
    }

    /// Both states, the newest first.
    pub fn states(&self) -> impl Iterator<Item = &Object> {
        self.after.iter().chain(self.before.iter())
    }
}

/// All caches.
#[derive(Debug)]
pub struct Caches {
    /// Pods.
    pub pods: Store<Pod>,
    /// Nodes.
    pub nodes: Store<Node>,
    /// Namespaces.
    pub namespaces: Store<Namespace>,
    /// ReplicaSets.
    pub replica_sets: Store<ReplicaSet>,
    /// ReplicationControllers.
    pub replication_controllers: Store<ReplicationController>,
    /// Deployments.
    pub deployments: Store<Deployment>,
    /// Metadata of all other kinds, by plural.
    pub others: BTreeMap<&'static str, Store<DynamicObject>>,
    /// Who owns whom, over all kinds.
    pub graph: Graph,
}

impl Default for Caches {
    fn default() -> Self {
        let others = KIND_TABLE
            .iter()
            .filter(|r| is_followed(r) && !is_typed(r))
            .map(|r| (r.plural, Store::default()))
            .collect();
        Self {
            pods: Store::default(),
            nodes: Store::default(),
            namespaces: Store::default(),
            replica_sets: Store::default(),
            replication_controllers: Store::default(),
            deployments: Store::default(),
            others,
            graph: Graph::default(),
        }
    }
}

/// Whether a kind has a typed cache.
fn is_typed(row: &KindRow) -> bool {
    let typed =
        [&pod::ROW, &node::ROW, &namespace::ROW, &replica_set::ROW, &replication_controller::ROW, &deployment::ROW];
    typed.iter().any(|t| t.plural == row.plural && t.group == row.group)
}

/// Does the same with the cache of whichever kind `$plural` names.
macro_rules! with_store {
    ($caches:expr, $plural:expr, |$store:ident| $body:expr, $none:expr) => {
        match $plural {
            "pods" => {
                let $store = &$caches.pods;
                $body
            }
            "nodes" => {
                let $store = &$caches.nodes;
                $body
            }
            "namespaces" => {
                let $store = &$caches.namespaces;
                $body
            }
            "replicasets" => {
                let $store = &$caches.replica_sets;
                $body
            }
            "replicationcontrollers" => {
                let $store = &$caches.replication_controllers;
                $body
            }
            "deployments" => {
                let $store = &$caches.deployments;
                $body
            }
            other => match $caches.others.get(other) {
                Some($store) => $body,
                None => $none,
            },
        }
    };
}

impl Caches {
    /// Whether every cache has a first complete listing.
    pub fn are_ready(&self) -> bool {
        KIND_TABLE.iter().filter(|r| is_followed(r)).all(|r| with_store!(self, r.plural, |s| s.is_ready(), true))
    }

    /// Kinds whose first listing is still missing.
    pub fn missing(&self) -> Vec<&'static str> {
        let missing = |r: &&&KindRow| is_followed(r) && !with_store!(self, r.plural, |s| s.is_ready(), true);
        KIND_TABLE.iter().filter(missing).map(|r| r.plural).collect()
    }

    /// Every cached object as if it had just appeared: what a new leader starts from.
    pub fn everything(&self) -> Vec<Change> {
        let mut all = Vec::new();
        for &row in KIND_TABLE.iter().filter(|r| is_followed(r)) {
            with_store!(
                self,
                row.plural,
                |s| {
                    all.extend(s.all().into_iter().map(|o| Change { row, before: None, after: Some(Object::from(o)) }));
                },
                ()
            );
        }
        all
    }

    /// Whether the namespace is known and is being deleted.
    pub fn is_terminating(&self, namespace: &str) -> bool {
        let found = self.namespaces.get(&Key::new("", namespace));
        found.is_some_and(|n| crate::object::is_deleting(&n.metadata))
    }
}

impl View for Caches {
    fn seen(&self, plural: &str, key: &Key) -> Option<Seen> {
        with_store!(self, plural, |s| s.seen(key), None)
    }

    fn revision(&self, plural: &str) -> u64 {
        with_store!(self, plural, |s| s.revision(), u64::MAX)
    }

    fn listed(&self, plural: &str) -> Option<Duration> {
        with_store!(self, plural, |s| s.listed(), None)
    }
}
