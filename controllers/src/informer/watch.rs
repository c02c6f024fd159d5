//! The watches behind the caches: one task a kind that lists, watches, and starts over when the bus loses something.

use super::store::Cacheable;
use super::{Caches, Change, Object, Store, is_followed};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, ReplicationController};
use kube::api::ApiResource;
use kube::core::DynamicObject;
use kube::runtime::utils::Backoff;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use kubus_proto::KindRow;
use kubus_proto::kinds::{KIND_TABLE, deployment, namespace, node, pod, replica_set, replication_controller};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// First pause after a watch failed.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause between two attempts.
const LAST_PAUSE: Duration = Duration::from_secs(3);

/// Who hears of changes: called by one watch at a time for each kind, in order.
pub trait Listener: Send + Sync + 'static {
    /// Monotonic time.
    fn monotonic(&self) -> Duration;
    /// The caches already show the change.
    fn changed(&self, change: Change);
}

/// Pauses that double from [`FIRST_PAUSE`] to [`LAST_PAUSE`].
struct Pauses {
    next: Duration,
}

impl Iterator for Pauses {
    type Item = Duration;
    fn next(&mut self) -> Option<Duration> {
        let pause = self.next;
        self.next = (pause * 2).min(LAST_PAUSE);
        Some(pause)
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.next = FIRST_PAUSE;
    }
}

/// Starts a task of `tasks` for each followed kind; they run until they are aborted.
pub fn spawn_all<L: Listener>(tasks: &mut JoinSet<()>, client: &Client, caches: &Arc<Caches>, listener: &Arc<L>) {
    macro_rules! typed {
        ($($kind:ty: $row:expr, $store:ident;)*) => {$({
            let (caches, listener) = (caches.clone(), listener.clone());
            let api: Api<$kind> = Api::all(client.clone());
            tasks.spawn(async move { follow(api, $row, &caches, |c| Some(&c.$store), listener.as_ref()).await });
        })*};
    }
    typed! {
        Pod: &pod::ROW, pods;
        Node: &node::ROW, nodes;
        Namespace: &namespace::ROW, namespaces;
        ReplicaSet: &replica_set::ROW, replica_sets;
        ReplicationController: &replication_controller::ROW, replication_controllers;
        Deployment: &deployment::ROW, deployments;
    }
    for &row in KIND_TABLE.iter().filter(|r| is_followed(r) && caches.others.contains_key(r.plural)) {
        let (caches, listener) = (caches.clone(), listener.clone());
        let resource = ApiResource {
            group: row.group.to_owned(),
            version: row.version.to_owned(),
            api_version: row.api_version(),
            kind: row.kind.to_owned(),
            plural: row.plural.to_owned(),
        };
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        tasks.spawn(async move {
            follow(api, row, &caches, |c| c.others.get(row.plural), listener.as_ref()).await;
        });
    }
}

async fn follow<K, L>(
    api: Api<K>,
    row: &'static KindRow,
    caches: &Caches,
    store: impl Fn(&Caches) -> Option<&Store<K>>,
    listener: &L,
) where
    K: Cacheable + Slim + DeserializeOwned + Debug,
    Object: From<Arc<K>>,
    L: Listener,
{
    let Some(store) = store(caches) else {
        return;
    };
    let events = watcher(api, watcher::Config::default()).backoff(Pauses { next: FIRST_PAUSE });
    let mut events = std::pin::pin!(events.into_stream());
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => take_in(row, store, caches, listener, event.modify(K::slim)),
            Err(error) => tracing::warn!(kind = row.kind, %error, "watch failed, trying again"),
        }
    }
}

/// Applies one watch event to the caches and tells the listener.
pub fn take_in<K, L>(row: &'static KindRow, store: &Store<K>, caches: &Caches, listener: &L, event: watcher::Event<K>)
where
    K: Cacheable,
    Object: From<Arc<K>>,
    L: Listener,
{
    for difference in store.apply(event, listener.monotonic()) {
        let change =
            Change { row, before: difference.before.map(Object::from), after: difference.after.map(Object::from) };
        caches.graph.apply(&change);
        listener.changed(change);
    }
}

/// What need not be kept of an object.
pub trait Slim {
    /// Drops it.
    fn slim(&mut self);
}

macro_rules! without_managed_fields {
    ($($kind:ty),*) => {$(
        impl Slim for $kind {
            fn slim(&mut self) {
                self.metadata.managed_fields = None;
            }
        }
    )*};
}
without_managed_fields!(Pod, Node, Namespace, ReplicaSet, ReplicationController, Deployment);

impl Slim for DynamicObject {
    fn slim(&mut self) {
        self.metadata.managed_fields = None;
        self.data = serde_json::Value::Null;
    }
}
