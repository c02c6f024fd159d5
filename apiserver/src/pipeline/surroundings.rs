//! What a new object meets around it: ranges, quotas, classes and the levels of its namespace, read from the state for
//! the plug-ins of [`crate::admission`], which decide.

use super::Api;
use super::create::encode;
use crate::admission::{limit_range, pod_security, priority, quota, storage_class};
use crate::state::{Action, Key, Object, Op, Require, State};
use kubus_proto::kinds::{self, namespace, pod};
use kubus_proto::{ApiError, KIND_TABLE, KindRow};
use serde_json::{Value, json};
use std::sync::Arc;

/// Kinds whose charge depends on more than their number.
const WEIGHED: [&str; 3] = ["pods", "services", "persistentvolumeclaims"];

fn home_of(object: &Value) -> &str {
    object["metadata"]["namespace"].as_str().unwrap_or_default()
}

/// Objects of a kind, in one namespace or (with an empty one) everywhere.
fn all(row: &KindRow, namespace: &str, state: &State) -> Vec<Value> {
    let objects = state.list(&row.resource_key(), (!namespace.is_empty()).then_some(namespace), None);
    objects.filter_map(|(_, object)| object.decode().ok()).collect()
}

/// Fills in what ranges and classes say about a new object, and refuses what they do not allow.
pub(super) fn fill(row: &KindRow, object: &mut Value, state: &State) -> Result<(), ApiError> {
    if !row.group.is_empty() || !matches!(row.plural, "pods" | "persistentvolumeclaims") {
        return Ok(());
    }
    let ranges = all(&kinds::limit_range::ROW, home_of(object), state);
    if row.plural == "pods" {
        priority::fill(row, object, &all(&kinds::priority_class::ROW, "", state))?;
    } else {
        storage_class::fill(row, object, &all(&kinds::storage_class::ROW, "", state));
    }
    limit_range::fill(row, object, &ranges);
    limit_range::check(row, object, &ranges)
}

/// Holds a new object against the level of its namespace; gives warnings.
pub(super) fn secure(row: &KindRow, object: &Value, state: &State) -> Result<Vec<String>, ApiError> {
    let key = Key::new(namespace::ROW.resource_key(), "", home_of(object));
    let labels = state.get(&key).map(|home| home.selectable().labels).unwrap_or_default();
    pod_security::check(row, object, &json!({"metadata": {"labels": labels}}))
}

/// The quota whose writers a new object must line up with, if its namespace has one.
pub(super) fn line(row: &KindRow, object: &Value, state: &State) -> Option<Key> {
    let resource = kinds::resource_quota::ROW.resource_key();
    let first = state.list(&resource, Some(home_of(object)), None).next().filter(|_| row.namespaced)?;
    Some(Key::new(resource, home_of(object), first.0.name.as_ref()))
}

/// Counts a new object in every quota of its namespace: the quotas' new states are part of the transaction that stores
/// it, each on the state it was decided on, so that no two objects take the same room.
pub(super) fn charge(row: &'static KindRow, object: &Value, state: &State) -> Result<Vec<Op>, ApiError> {
    if !row.namespaced {
        return Ok(Vec::new());
    }
    let resource = kinds::resource_quota::ROW.resource_key();
    let mut ops = Vec::new();
    for (name, stored) in state.list(&resource, Some(home_of(object)), None) {
        let Ok(quota) = stored.decode() else { continue };
        if !quota::is_about(&quota, row) || !quota::covers(&quota, row, object) {
            continue;
        }
        let used = quota::usage(&quota, counted(&quota, row, state).into_iter());
        let after = quota::admit(&quota, &used, row, object)?;
        let key = Key::new(resource.clone(), home_of(object), name.name.as_ref());
        ops.push(put(key, &quota, &after, stored)?);
    }
    Ok(ops)
}

fn put(key: Key, quota: &Value, used: &crate::admission::Amounts, stored: &Arc<Object>) -> Result<Op, ApiError> {
    let draft = encode(&kinds::resource_quota::ROW, &quota::with_status(quota, used))?;
    Ok(Op { key, require: Require::revision(stored.revision), action: Action::Put(draft) })
}

/// Every object that a quota counts; `beside` is a kind that may not be in the table.
fn counted(quota: &Value, beside: &'static KindRow, state: &State) -> Vec<(&'static KindRow, Value)> {
    let mut rows: Vec<&'static KindRow> = KIND_TABLE.iter().copied().filter(|row| row.namespaced).collect();
    if !rows.iter().any(|row| (row.group, row.plural) == (beside.group, beside.plural)) {
        rows.push(beside);
    }
    let mut objects = Vec::new();
    for row in rows.into_iter().filter(|row| quota::is_about(quota, row)) {
        if row.group.is_empty() && WEIGHED.contains(&row.plural) {
            objects.extend(all(row, home_of(quota), state).into_iter().map(|object| (row, object)));
        } else {
            let number = state.list(&row.resource_key(), Some(home_of(quota)), None).count();
            objects.extend(std::iter::repeat_with(|| (row, Value::Null)).take(number));
        }
    }
    objects
}

/// The status of a quota as things are, where it is not what is stored.
fn recounted(quota: &Value, state: &State) -> Option<Value> {
    let used = quota::usage(quota, counted(quota, &pod::ROW, state).into_iter());
    let fresh = quota::with_status(quota, &used);
    (fresh["status"] != quota["status"]).then_some(fresh)
}

impl Api {
    /// The revision of this replica's state.
    pub fn revision(&self) -> u64 {
        self.store.state().revision()
    }

    /// The revision of this replica's state, and the quotas in it whose status is not what their objects come to.
    pub fn stale_quotas(&self) -> (u64, Vec<Value>) {
        let state = self.store.state();
        let quotas = all(&kinds::resource_quota::ROW, "", &state);
        (state.revision(), quotas.iter().filter_map(|quota| recounted(quota, &state)).collect())
    }
}
