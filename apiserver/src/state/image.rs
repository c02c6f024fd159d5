//! The state as plain records: what the disk and a snapshot hold, and how a state is made of them again.

use super::log::{ChangeLog, Entry};
use super::{Key, Limits, Name, Object, RequestId, Resource, State};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// Last revisions of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceImage {
    /// `<group>/<plural>`
    pub resource: String,
    /// Revision of the last change.
    pub last: u64,
    /// The same for each scope.
    pub scopes: Vec<(String, u64)>,
}

/// One entry of the change log without the object after it, which is found by walking back from the objects of now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// Store revision.
    pub revision: u64,
    /// See [`Entry::previous`].
    pub previous: u64,
    /// See [`Entry::previous_in_scope`].
    pub previous_in_scope: u64,
    /// See [`Entry::request`].
    pub request: RequestId,
    /// See [`Entry::at_ms`].
    pub at_ms: i64,
    /// Which object.
    pub key: Key,
    /// The object before, `None` if it was new.
    pub before: Option<Arc<Object>>,
}

impl From<&Entry> for Undo {
    fn from(entry: &Entry) -> Self {
        Self {
            revision: entry.revision,
            previous: entry.previous,
            previous_in_scope: entry.previous_in_scope,
            request: entry.request,
            at_ms: entry.at_ms,
            key: entry.key(),
            before: entry.before.clone(),
        }
    }
}

/// A whole state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// See [`State::revision`].
    pub revision: u64,
    /// The latest clock of any leader, in milliseconds since 1970.
    pub now_ms: i64,
    /// Last revisions of each resource.
    pub resources: Vec<ResourceImage>,
    /// Every object.
    pub objects: Vec<(Key, Arc<Object>)>,
    /// The change log, oldest first.
    pub undo: Vec<Undo>,
}

/// Objects as they were at some moment, by resource and name.
type Then = HashMap<(Arc<str>, Arc<Name>), Option<Arc<Object>>>;

/// The records do not make a state.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// A change of the log is missing.
    #[error("the change log has a hole: {found} where {expected} should be")]
    Hole {
        /// The revision that is missing.
        expected: u64,
        /// The one that is there instead.
        found: u64,
    },
}

impl State {
    /// The state as records.
    pub fn image(&self) -> Image {
        let resource = |(resource, rows): (&Arc<str>, &Resource)| ResourceImage {
            resource: resource.to_string(),
            last: rows.last,
            scopes: rows.scopes.iter().map(|(scope, last)| (scope.to_string(), *last)).collect(),
        };
        let objects = self.resources.iter().flat_map(|(resource, rows)| {
            rows.objects
                .iter()
                .map(move |(name, object)| (Key::new(&**resource, &*name.namespace, &*name.name), object.clone()))
        });
        Image {
            revision: self.revision,
            now_ms: self.now_ms,
            resources: self.resources.iter().map(resource).collect(),
            objects: objects.collect(),
            undo: self.log.iter().map(|entry| Undo::from(&**entry)).collect(),
        }
    }

    /// A state from its records.
    pub fn restore(image: Image, limits: Limits) -> Result<State, ImageError> {
        let mut state = State { revision: image.revision, now_ms: image.now_ms, limits, ..State::default() };
        for rows in image.resources {
            let scopes = rows.scopes.into_iter().map(|(scope, last)| (scope.into_boxed_str(), last)).collect();
            let resource = Resource { last: rows.last, scopes, ..Resource::default() };
            state.resources.insert(rows.resource.into(), resource);
        }
        for (key, object) in image.objects {
            state.hold(&key, &[], &object.claims);
            let resource = state.interned(&key.resource);
            let name = Arc::new(Name { namespace: key.namespace.into(), name: key.name.into() });
            state.resources.entry(resource).or_default().objects.insert(name, object);
        }
        let mut expected = image.revision;
        // The object after each change, while walking back in time: only objects whose change was met are in here.
        let mut then: Then = HashMap::new();
        let mut newest_first = Vec::with_capacity(image.undo.len());
        for undo in image.undo.into_iter().rev() {
            if undo.revision != expected {
                return Err(ImageError::Hole { expected, found: undo.revision });
            }
            expected = expected.saturating_sub(1);
            let now = state.get(&undo.key).cloned();
            let resource = state.interned(&undo.key.resource);
            let name = Arc::new(Name { namespace: undo.key.namespace.into(), name: undo.key.name.into() });
            let stored = state.resources.get(&*resource).and_then(|rows| rows.objects.get_key_value(&name));
            let name = stored.map_or(name, |(stored, _)| stored.clone());
            let slot = then.entry((resource.clone(), name.clone())).or_insert(now);
            let after = std::mem::replace(slot, undo.before.clone());
            newest_first.push(Arc::new(Entry {
                revision: undo.revision,
                previous: undo.previous,
                previous_in_scope: undo.previous_in_scope,
                request: undo.request,
                at_ms: undo.at_ms,
                resource,
                name,
                before: undo.before,
                after,
            }));
        }
        let mut log = ChangeLog::default();
        newest_first.into_iter().rev().for_each(|entry| log.push(entry));
        state.log = log;
        Ok(state)
    }

    /// The map's own copy of a resource's name, or a new one.
    fn interned(&self, resource: &str) -> Arc<str> {
        self.resources.get_key_value(resource).map_or_else(|| resource.into(), |(stored, _)| stored.clone())
    }
}
