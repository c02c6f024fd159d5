//! The cache of one kind, fed by a watch, with indexes by owner, namespace and node.

use crate::ledger::Seen;
use crate::object::{self, Key};
use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube::runtime::watcher::Event;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// By what objects are found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Index {
    /// Objects managed by the owner with this uid.
    Owner(String),
    /// Objects of a namespace that nobody manages.
    Orphans(String),
    /// Objects of a namespace.
    Namespace(String),
    /// Pods bound to a node.
    Node(String),
}

/// An object before and after something happened to it; `None` where it was not or is no more.
#[derive(Debug)]
pub struct Difference<K> {
    /// Before.
    pub before: Option<Arc<K>>,
    /// After.
    pub after: Option<Arc<K>>,
}

/// Kinds that can be cached: their metadata and, for pods, their node.
pub trait Cacheable: Resource + Clone + Send + Sync + 'static {
    /// Node the object is bound to.
    fn node(&self) -> Option<&str> {
        None
    }
}

impl Cacheable for Pod {
    fn node(&self) -> Option<&str> {
        self.spec.as_ref().and_then(|s| s.node_name.as_deref()).filter(|n| !n.is_empty())
    }
}
impl Cacheable for k8s_openapi::api::core::v1::Node {}
impl Cacheable for k8s_openapi::api::core::v1::Namespace {}
impl Cacheable for k8s_openapi::api::core::v1::ReplicationController {}
impl Cacheable for k8s_openapi::api::apps::v1::ReplicaSet {}
impl Cacheable for k8s_openapi::api::apps::v1::Deployment {}
impl Cacheable for kube::core::DynamicObject {}

/// The cache of one kind.
#[derive(Debug)]
pub struct Store<K> {
    inner: RwLock<Inner<K>>,
}

#[derive(Debug)]
struct Inner<K> {
    objects: HashMap<Key, Arc<K>>,
    index: HashMap<Index, HashSet<Key>>,
    revision: u64,
    /// Objects of a listing that is not complete yet, and when it began.
    listing: Option<(Duration, HashMap<Key, Arc<K>>)>,
    listed: Option<Duration>,
}

impl<K> Default for Store<K> {
    fn default() -> Self {
        let inner = Inner { objects: HashMap::new(), index: HashMap::new(), revision: 0, listing: None, listed: None };
        Self { inner: RwLock::new(inner) }
    }
}

impl<K: Cacheable> Store<K> {
    /// Takes in what the watch says at `now` (monotonic) and gives what has changed by it, the gone first.
    pub fn apply(&self, event: Event<K>, now: Duration) -> Vec<Difference<K>> {
        let mut inner = self.write();
        match event {
            Event::Apply(object) => inner.put(Arc::new(object)),
            Event::Delete(object) => {
                inner.revision = inner.revision.max(object::revision(object.meta()));
                inner.remove(&Key::of(object.meta()))
            }
            Event::Init => {
                inner.listing = Some((now, HashMap::new()));
                Vec::new()
            }
            Event::InitApply(object) => {
                if let Some((_, listing)) = &mut inner.listing {
                    listing.insert(Key::of(object.meta()), Arc::new(object));
                }
                Vec::new()
            }
            Event::InitDone => {
                let Some((began, listing)) = inner.listing.take() else {
                    return Vec::new();
                };
                inner.listed = Some(began);
                let gone: Vec<Key> = inner.objects.keys().filter(|k| !listing.contains_key(*k)).cloned().collect();
                let mut differences: Vec<_> = gone.iter().flat_map(|k| inner.remove(k)).collect();
                differences.extend(listing.into_values().flat_map(|object| inner.put(object)));
                differences
            }
        }
    }

    /// The object of that key.
    pub fn get(&self, key: &Key) -> Option<Arc<K>> {
        self.read().objects.get(key).cloned()
    }

    /// Every object.
    pub fn all(&self) -> Vec<Arc<K>> {
        self.read().objects.values().cloned().collect()
    }

    /// The objects of an index.
    pub fn select(&self, index: &Index) -> Vec<Arc<K>> {
        let inner = self.read();
        let keys = inner.index.get(index).into_iter().flatten();
        keys.filter_map(|k| inner.objects.get(k).cloned()).collect()
    }

    /// How many objects an index has.
    pub fn count(&self, index: &Index) -> usize {
        self.read().index.get(index).map_or(0, HashSet::len)
    }

    /// Names of all nodes that objects are bound to.
    pub fn nodes(&self) -> Vec<String> {
        let name = |index: &Index| match index {
            Index::Node(name) => Some(name.clone()),
            Index::Owner(_) | Index::Orphans(_) | Index::Namespace(_) => None,
        };
        self.read().index.keys().filter_map(name).collect()
    }

    /// Whether a first listing is complete.
    pub fn is_ready(&self) -> bool {
        self.read().listed.is_some()
    }

    /// The highest revision seen.
    pub fn revision(&self) -> u64 {
        self.read().revision
    }

    /// When the last complete listing began, monotonic.
    pub fn listed(&self) -> Option<Duration> {
        self.read().listed
    }

    /// What expectations want to know of an object.
    pub fn seen(&self, key: &Key) -> Option<Seen> {
        self.read().objects.get(key).map(|object| Seen {
            uid: object::uid(object.meta()).to_owned(),
            revision: object::revision(object.meta()),
            deleting: object::is_deleting(object.meta()),
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner<K>> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner<K>> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Cacheable> Inner<K> {
    fn put(&mut self, object: Arc<K>) -> Vec<Difference<K>> {
        let key = Key::of(object.meta());
        let revision = object::revision(object.meta());
        self.revision = self.revision.max(revision);
        let mut differences = Vec::new();
        let mut before = self.objects.get(&key).cloned();
        if let Some(old) = &before {
            if object::uid(old.meta()) != object::uid(object.meta()) {
                // The old one was deleted and a namesake made while nobody looked.
                differences = self.remove(&key);
                before = None;
            } else if object::revision(old.meta()) >= revision && revision > 0 {
                return differences;
            } else {
                self.unindex(&key, &old.clone());
            }
        }
        for index in indexes(object.as_ref()) {
            self.index.entry(index).or_default().insert(key.clone());
        }
        self.objects.insert(key, object.clone());
        differences.push(Difference { before, after: Some(object) });
        differences
    }

    fn remove(&mut self, key: &Key) -> Vec<Difference<K>> {
        let Some(old) = self.objects.remove(key) else {
            return Vec::new();
        };
        self.unindex(key, &old);
        vec![Difference { before: Some(old), after: None }]
    }

    fn unindex(&mut self, key: &Key, old: &Arc<K>) {
        for index in indexes(old.as_ref()) {
            if let Some(keys) = self.index.get_mut(&index) {
                keys.remove(key);
                if keys.is_empty() {
                    self.index.remove(&index);
                }
            }
        }
    }
}

fn indexes<K: Cacheable>(object: &K) -> Vec<Index> {
    let metadata = object.meta();
    let namespace = object::namespace(metadata).to_owned();
    let mut all = vec![match object::controller(metadata) {
        Some(owner) => Index::Owner(owner.uid.clone()),
        None => Index::Orphans(namespace.clone()),
    }];
    all.push(Index::Namespace(namespace));
    all.extend(object.node().map(|n| Index::Node(n.to_owned())));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, uid: &str, version: u64, owner: Option<&str>, node: Option<&str>) -> Pod {
        let owners = owner.map(|o| {
            json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": o,
            "controller": true}])
        });
        serde_json::from_value(json!({
            "metadata": {"namespace": "ns", "name": name, "uid": uid, "resourceVersion": version.to_string(),
                "ownerReferences": owners},
            "spec": {"containers": [], "nodeName": node},
        }))
        .expect("pod")
    }

    #[test]
    fn indexes_follow_the_objects() {
        let store = Store::default();
        let t0 = Duration::ZERO;
        store.apply(Event::Apply(pod("a", "1", 1, None, None)), t0);
        assert_eq!(store.count(&Index::Orphans("ns".into())), 1);
        let changed = store.apply(Event::Apply(pod("a", "1", 2, Some("o"), Some("n1"))), t0);
        assert_eq!(changed.len(), 1);
        assert!(changed[0].before.is_some() && changed[0].after.is_some());
        assert_eq!(store.count(&Index::Orphans("ns".into())), 0);
        assert_eq!(store.count(&Index::Owner("o".into())), 1);
        assert_eq!(store.nodes(), ["n1"]);
        assert!(store.apply(Event::Apply(pod("a", "1", 1, None, None)), t0).is_empty(), "an older state is no news");
        store.apply(Event::Delete(pod("a", "1", 3, Some("o"), Some("n1"))), t0);
        assert_eq!((store.count(&Index::Owner("o".into())), store.revision()), (0, 3));
        assert!(store.nodes().is_empty());
    }

    #[test]
    fn a_listing_replaces_all_at_once() {
        let store = Store::default();
        let t = Duration::from_secs;
        store.apply(Event::Apply(pod("a", "1", 1, None, None)), t(0));
        store.apply(Event::Apply(pod("b", "2", 2, None, None)), t(0));
        assert!(!store.is_ready());
        store.apply(Event::Init, t(5));
        store.apply(Event::InitApply(pod("b", "3", 4, None, None)), t(6));
        assert_eq!(store.all().len(), 2, "not before it is complete");
        let changed = store.apply(Event::InitDone, t(7));
        let gone = changed.iter().filter(|d| d.after.is_none()).count();
        assert_eq!((changed.len(), gone), (3, 2), "a is gone, b is another b");
        assert_eq!(store.listed(), Some(t(5)));
        assert_eq!(store.seen(&Key::new("ns", "b")).map(|s| s.uid), Some("3".to_owned()));
    }
}
