//! The store's state: objects, revisions and the change log as one immutable value that is cheap to clone. No I/O.
//!
//! Writers apply a [`Command`] to a clone and put it in place of the old one; readers hold the one they began with, so
//! a list is never torn.

mod apply;
pub mod claims;
mod command;
mod image;
mod key;
mod log;
mod object;
mod view;

#[cfg(test)]
mod tests;

pub use apply::Applied;
pub use command::{Action, Command, Conflict, Op, Outcome, RequestId, Require, Transaction};
pub use image::{Image, ImageError, ResourceImage, Undo};
pub use key::{Key, Name};
pub use log::{Entry, LOG_AGE_MS, LOG_BYTES, LOG_COUNT, LOG_FLOOR, Limits};
pub use object::{Draft, DraftError, Object, PackedSelectable};
pub use view::View;

use imbl::OrdMap;
use key::NameRef;
use kubus_proto::event::Changes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a change takes in an answer beside its object, in bytes.
const CHANGE_BYTES: usize = 512;

/// The change log does not reach back that far (HTTP 410).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the requested revision has been compacted")]
pub struct Compacted;

/// One resource's objects and last revisions.
#[derive(Clone, Debug, Default)]
struct Resource {
    objects: view::Objects,
    /// Revision of the last change, 0 if none.
    last: u64,
    /// The same for each scope.
    scopes: OrdMap<Box<str>, u64>,
}

/// Everything that is stored, at one revision.
#[derive(Clone, Debug, Default)]
pub struct State {
    revision: u64,
    /// The latest clock of any leader, in milliseconds since 1970.
    now_ms: i64,
    resources: OrdMap<Arc<str>, Resource>,
    /// Who holds what only one may hold.
    claims: OrdMap<Box<str>, Arc<Key>>,
    log: log::ChangeLog,
    limits: Limits,
}

impl State {
    /// An empty state whose change log has other bounds than the default.
    pub fn with_limits(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Revision of the last change, 0 if there was none.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The latest clock of any leader that applied a command, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Revision of the oldest change in the log; of the next one to come where the log is empty.
    pub fn log_first(&self) -> u64 {
        self.log.first().unwrap_or(self.revision + 1)
    }

    /// Revision of the last change of `resource` (`<group>/<plural>`), 0 if there was none.
    pub fn resource_revision(&self, resource: &str) -> u64 {
        self.resource(resource).map_or(0, |rows| rows.last)
    }

    /// The same for one scope (node) of the resource.
    pub fn scope_revision(&self, resource: &str, scope: &str) -> u64 {
        self.resource(resource).and_then(|rows| rows.scopes.get(scope)).copied().unwrap_or_default()
    }

    /// Last revision of every resource that ever changed, for bookmarks.
    pub fn resource_revisions(&self) -> BTreeMap<String, u64> {
        self.resources.iter().map(|(resource, rows)| (resource.to_string(), rows.last)).collect()
    }

    /// Number of objects of all resources.
    pub fn len(&self) -> usize {
        self.resources.values().map(|rows| rows.objects.len()).sum()
    }

    /// Whether there is no object.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One object.
    pub fn get(&self, key: &Key) -> Option<&Arc<Object>> {
        self.resource(&key.resource)?.objects.get(&NameRef { namespace: &key.namespace, name: &key.name })
    }

    /// Objects of a resource in order of namespace and name: of one namespace or all, behind `after` or all.
    pub fn list<'a>(
        &'a self,
        resource: &str,
        namespace: Option<&'a str>,
        after: Option<(&'a str, &'a str)>,
    ) -> impl Iterator<Item = (&'a Arc<Name>, &'a Arc<Object>)> + use<'a> {
        let rows = self.resource(resource);
        rows.into_iter().flat_map(move |rows| view::list(&rows.objects, namespace, after))
    }

    /// A resource as it is now.
    pub fn view(&self, resource: &str) -> View {
        let objects = self.resource(resource).map(|rows| rows.objects.clone()).unwrap_or_default();
        View { objects, revision: self.revision }
    }

    /// A resource as it was at `revision`, by undoing the changes after it. A revision of the future is taken for now.
    pub fn at(&self, resource: &str, revision: u64) -> Result<View, Compacted> {
        let mut view = self.view(resource);
        view.revision = revision.min(self.revision);
        for entry in self.newer(self.resource_revision(resource), revision, |entry| entry.previous) {
            let entry = entry?;
            match &entry.before {
                Some(object) => view.objects.insert(entry.name.clone(), object.clone()),
                None => view.objects.remove(&entry.name),
            };
        }
        Ok(view)
    }

    /// One object as it was at `revision`.
    pub fn object_at(&self, key: &Key, revision: u64) -> Result<Option<Arc<Object>>, Compacted> {
        let mut object = self.get(key).cloned();
        for entry in self.newer(self.resource_revision(&key.resource), revision, |entry| entry.previous) {
            let entry = entry?;
            if entry.is_of(key) {
                object = entry.before.clone();
            }
        }
        Ok(object)
    }

    /// The change that made `revision`, if it is still in the log.
    pub fn entry(&self, revision: u64) -> Option<&Arc<Entry>> {
        self.log.get(revision)
    }

    /// Every change of `resource` (of one scope of it) after revision `after`, oldest first, up to about `limit_bytes`
    /// and at least one.
    pub fn changes(
        &self,
        resource: &str,
        scope: Option<&str>,
        after: u64,
        limit_bytes: usize,
    ) -> Result<Changes, Compacted> {
        let newest_first: Vec<&Arc<Entry>> = match scope {
            None => {
                self.newer(self.resource_revision(resource), after, |entry| entry.previous).collect::<Result<_, _>>()?
            }
            Some(scope) => self
                .newer(self.scope_revision(resource, scope), after, |entry| entry.previous_in_scope)
                .collect::<Result<_, _>>()?,
        };
        let mut answer = Changes { changes: Vec::new(), revision: self.revision, more: false };
        let mut bytes = 0;
        for entry in newest_first.into_iter().rev() {
            let change = entry.to_change();
            bytes += change.object.len() + CHANGE_BYTES;
            if bytes > limit_bytes
                && let Some(last) = answer.changes.last()
            {
                answer.revision = last.revision;
                answer.more = true;
                break;
            }
            answer.changes.push(change);
        }
        Ok(answer)
    }

    /// What a transaction that was carried out changed, with the revisions of that time. `None` if there was no such
    /// transaction, or it is older than the change log.
    pub fn answered(&self, id: &RequestId) -> Option<Vec<(Key, u64)>> {
        Some(self.log.answer(id)?.map(|entry| (entry.key(), entry.revision)).collect())
    }

    fn resource(&self, resource: &str) -> Option<&Resource> {
        self.resources.get(resource)
    }

    /// Walks a chain of changes from `last` back to, and without, `revision`.
    fn newer<'a>(
        &'a self,
        last: u64,
        revision: u64,
        previous: impl Fn(&Entry) -> u64 + 'a,
    ) -> impl Iterator<Item = Result<&'a Arc<Entry>, Compacted>> + 'a {
        let mut next = last;
        std::iter::from_fn(move || {
            if next <= revision {
                return None;
            }
            let entry = self.log.get(next);
            next = entry.map_or(0, |entry| previous(entry));
            Some(entry.ok_or(Compacted))
        })
    }
}
