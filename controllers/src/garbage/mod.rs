//! Garbage collector: objects whose owners are gone go, too; owners that wait for their dependents are let go last.
//! <https://kubernetes.io/docs/concepts/architecture/garbage-collection/>

pub mod graph;

use crate::controller::{Controller, Observation, Watch, no_first_keys};
use crate::informer::{Caches, Change};
use crate::object::{self, Key};
use crate::plan::{Action, Found, Live, Lookup, Plan, Propagation, Target};
use graph::Item;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kubus_proto::kinds::by_kind;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The finalizer of an object whose dependents are deleted before it.
pub const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer of an object whose dependents are let go before it is deleted.
pub const ORPHAN: &str = "orphan";
/// How soon a foreground deletion looks at its dependents again even if none of them changes.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Row of the controllers table. Its keys are uids.
pub static CONTROLLER: Controller = Controller {
    name: "garbagecollector",
    watches: &[Watch { row: None, keys: keys_of_change }],
    plan: reconcile,
    workers: 8,
    first_keys: no_first_keys,
};

fn key(uid: &str) -> Key {
    Key::new("", uid)
}

fn keys_of_change(caches: &Caches, change: &Change) -> Vec<Key> {
    let Some(newest) = change.newest() else {
        return Vec::new();
    };
    let metadata = newest.metadata();
    let uid = object::uid(metadata);
    let owners = metadata.owner_references.iter().flatten();
    let mut keys = Vec::new();
    if change.after.is_none() {
        // Its dependents may be orphans now, and its owners may have waited for it.
        keys.extend(caches.graph.dependent_uids(uid).iter().map(|d| key(d)));
        keys.extend(owners.filter(|o| o.block_owner_deletion == Some(true)).map(|o| key(&o.uid)));
        return keys;
    }
    let before = change.before.as_ref().map(|o| o.metadata());
    let was = |f: fn(&k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> bool| before.is_some_and(f);
    let owners_changed = before.is_none_or(|b| b.owner_references != metadata.owner_references);
    if metadata.owner_references.is_some() && (owners_changed || was(object::is_deleting)) {
        keys.push(key(uid));
    }
    if object::is_deleting(metadata) {
        let finalizers = metadata.finalizers.iter().flatten();
        if finalizers.clone().any(|f| f == FOREGROUND || f == ORPHAN) {
            keys.push(key(uid));
        }
        if finalizers.clone().any(|f| f == FOREGROUND) && !was(object::is_deleting) {
            keys.extend(caches.graph.dependent_uids(uid).iter().map(|d| key(d)));
        }
    }
    if owners_changed {
        // An owner that waits may have lost its last dependent.
        let former = before.into_iter().flat_map(|b| b.owner_references.iter().flatten());
        keys.extend(
            former
                .chain(owners)
                .map(|o| key(&o.uid))
                .filter(|k| caches.graph.get(&k.name).is_some_and(|owner| owner.deleting)),
        );
    }
    keys
}

fn reconcile(o: &Observation<'_>, key: &Key) -> Plan {
    let Some(item) = o.caches.graph.get(&key.name) else {
        return Plan::nothing();
    };
    let dependents = o.caches.graph.dependents(&item.uid);
    plan(&item, &dependents, &|uid| o.caches.graph.get(uid), o.live)
}

/// What becomes of `item`. `known` finds owners in the cache; one that is not there is looked up by the API, since the
/// cache may not have heard of it yet.
pub fn plan(item: &Item, dependents: &[Arc<Item>], known: &dyn Fn(&str) -> Option<Arc<Item>>, live: &Live) -> Plan {
    let mut plan = Plan::nothing();
    if item.deleting {
        if item.has_finalizer(ORPHAN) {
            orphan_dependents(item, dependents, &mut plan);
        } else if item.has_finalizer(FOREGROUND) {
            delete_dependents_first(item, dependents, &mut plan);
        }
        return plan;
    }
    let mut owners = Owners::default();
    for owner in &item.owners {
        owners.sort_in(item, owner, known, live, &mut plan);
    }
    if !plan.lookups.is_empty() || owners.is_uncertain || item.owners.is_empty() {
        return plan;
    }
    let propagation = if !owners.solid.is_empty() {
        if owners.solid.len() < item.owners.len() {
            let patch = json!({"metadata": {"ownerReferences": owners.solid}});
            plan.act(Action::Patch { target: target(item), subresource: "", patch });
        }
        return plan;
    } else if owners.is_awaited && !dependents.is_empty() {
        Propagation::Foreground
    } else if item.has_finalizer(ORPHAN) {
        Propagation::Orphan
    } else if item.has_finalizer(FOREGROUND) {
        Propagation::Foreground
    } else {
        Propagation::Background
    };
    plan.act(delete(item, propagation));
    plan
}

fn target(item: &Item) -> Target {
    Target {
        row: item.row,
        namespace: item.key.namespace.clone(),
        name: item.key.name.clone(),
        uid: item.uid.clone(),
        resource_version: Some(item.resource_version.clone()),
    }
}

/// Owners can change as long as the object lives, so a deletion is for exactly the state that was judged.
fn delete(item: &Item, propagation: Propagation) -> Action {
    Action::Delete { target: target(item), grace_seconds: None, propagation: Some(propagation) }
}

#[derive(Default)]
struct Owners {
    /// There, and not waiting for this object.
    solid: Vec<OwnerReference>,
    /// At least one deletes its dependents before itself, and this is one of them.
    is_awaited: bool,
    /// At least one is of a kind that cannot be looked up: nothing may be concluded.
    is_uncertain: bool,
}

impl Owners {
    fn sort_in(
        &mut self,
        item: &Item,
        owner: &OwnerReference,
        known: &dyn Fn(&str) -> Option<Arc<Item>>,
        live: &Live,
        plan: &mut Plan,
    ) {
        let awaits =
            |deleting: bool, foreground: bool| deleting && foreground && owner.block_owner_deletion == Some(true);
        if let Some(found) = known(&owner.uid) {
            if awaits(found.deleting, found.has_finalizer(FOREGROUND)) {
                self.is_awaited = true;
            } else {
                self.solid.push(owner.clone());
            }
            return;
        }
        let Some(row) = by_kind(&owner.api_version, &owner.kind) else {
            self.is_uncertain = true;
            return;
        };
        if row.namespaced && item.key.namespace.is_empty() {
            // A cluster-wide object cannot have an owner in a namespace; it would be looked for in vain.
            self.is_uncertain = true;
            return;
        }
        let namespace = if row.namespaced { item.key.namespace.clone() } else { String::new() };
        let lookup = Lookup::Object { row, namespace, name: owner.name.clone() };
        match live.get(&lookup) {
            None => plan.lookups.push(lookup),
            Some(Found::Object(found)) if found["metadata"]["uid"] == owner.uid.as_str() => {
                let metadata = &found["metadata"];
                let foreground = metadata["finalizers"].as_array().is_some_and(|f| f.iter().any(|f| f == FOREGROUND));
                if awaits(!metadata["deletionTimestamp"].is_null(), foreground) {
                    self.is_awaited = true;
                } else {
                    self.solid.push(owner.clone());
                }
            }
            // A namesake is not the owner.
            Some(Found::Object(_) | Found::Missing | Found::Content { .. }) => {}
        }
    }
}

/// Lets every dependent go, then the object itself. A step that fails keeps the finalizer in its place.
fn orphan_dependents(item: &Item, dependents: &[Arc<Item>], plan: &mut Plan) {
    for dependent in dependents {
        let left: Vec<_> = dependent.owners.iter().filter(|o| o.uid != item.uid).cloned().collect();
        let patch = json!({"metadata": {"ownerReferences": left}});
        plan.act(Action::Patch { target: target(dependent), subresource: "", patch });
    }
    remove_finalizer(item, ORPHAN, plan);
}

fn delete_dependents_first(item: &Item, dependents: &[Arc<Item>], plan: &mut Plan) {
    let blocking: Vec<_> = dependents.iter().filter(|d| d.blocks(&item.uid)).collect();
    if blocking.is_empty() {
        remove_finalizer(item, FOREGROUND, plan);
        return;
    }
    // Each dependent is judged by its own key, because it may have another owner that lives on.
    plan.again_after(LOOK_AGAIN);
}

fn remove_finalizer(item: &Item, name: &str, plan: &mut Plan) {
    let left: Vec<_> = item.finalizers.iter().filter(|f| *f != name).collect();
    let patch = json!({"metadata": {"finalizers": left}});
    plan.act(Action::Patch { target: target(item), subresource: "", patch });
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
