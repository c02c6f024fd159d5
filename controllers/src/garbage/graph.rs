//! Who owns whom, over all kinds, from the informers' metadata.

use crate::informer::Change;
use crate::object::{self, Key};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kubus_proto::KindRow;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

/// What the garbage collector knows of an object.
#[derive(Clone, Debug)]
pub struct Item {
    /// Kind.
    pub row: &'static KindRow,
    /// Namespace and name.
    pub key: Key,
    /// uid.
    pub uid: String,
    /// resourceVersion.
    pub resource_version: String,
    /// Its owners.
    pub owners: Vec<OwnerReference>,
    /// What must happen before it is gone.
    pub finalizers: Vec<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
}

impl Item {
    /// From metadata.
    pub fn new(row: &'static KindRow, metadata: &ObjectMeta) -> Self {
        Self {
            row,
            key: Key::of(metadata),
            uid: object::uid(metadata).to_owned(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            owners: metadata.owner_references.clone().unwrap_or_default(),
            finalizers: metadata.finalizers.clone().unwrap_or_default(),
            deleting: object::is_deleting(metadata),
        }
    }

    /// Whether it has that finalizer.
    pub fn has_finalizer(&self, name: &str) -> bool {
        self.finalizers.iter().any(|f| f == name)
    }

    /// Whether it keeps a foreground deletion of the owner with that uid waiting.
    pub fn blocks(&self, owner_uid: &str) -> bool {
        self.owners.iter().any(|o| o.uid == owner_uid && o.block_owner_deletion == Some(true))
    }
}

/// The graph. An owner that is not in it may still have dependents (a virtual node).
#[derive(Debug, Default)]
pub struct Graph {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    items: HashMap<String, Arc<Item>>,
    dependents: HashMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Takes in a change.
    pub fn apply(&self, change: &Change) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = &change.before {
            let uid = object::uid(before.metadata());
            for owner in before.metadata().owner_references.iter().flatten() {
                if let Some(all) = inner.dependents.get_mut(&owner.uid) {
                    all.remove(uid);
                    if all.is_empty() {
                        inner.dependents.remove(&owner.uid);
                    }
                }
            }
            inner.items.remove(uid);
        }
        if let Some(after) = &change.after {
            let item = Item::new(change.row, after.metadata());
            for owner in &item.owners {
                inner.dependents.entry(owner.uid.clone()).or_default().insert(item.uid.clone());
            }
            inner.items.insert(item.uid.clone(), Arc::new(item));
        }
    }

    /// The object with that uid.
    pub fn get(&self, uid: &str) -> Option<Arc<Item>> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).items.get(uid).cloned()
    }

    /// uids of all that name `uid` as an owner.
    pub fn dependent_uids(&self, uid: &str) -> Vec<String> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.dependents.get(uid).into_iter().flatten().cloned().collect()
    }

    /// All that name `uid` as an owner.
    pub fn dependents(&self, uid: &str) -> Vec<Arc<Item>> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.dependents.get(uid).into_iter().flatten().filter_map(|d| inner.items.get(d).cloned()).collect()
    }
}
