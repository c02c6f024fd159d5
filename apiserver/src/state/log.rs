//! The change log: the last changes with each object before and after, from which watches catch up, old states are
//! rebuilt and repeated requests are answered. Bounded by count, bytes and age.

use super::{Key, Name, Object, RequestId};
use imbl::{HashMap, Vector};
use kubus_proto::event::{Change, ChangeType};
use std::sync::Arc;

/// Most changes kept.
pub const LOG_COUNT: usize = 100_000;
/// Most memory the changes may take, in bytes.
pub const LOG_BYTES: usize = 64 << 20;
/// How long changes are kept, in milliseconds.
pub const LOG_AGE_MS: i64 = 10 * 60 * 1000;
/// Changes kept however old they are: a quiet cluster's watchers can still catch up.
pub const LOG_FLOOR: usize = 4_096;
/// How long a repeated request is answered whatever the log's size, in milliseconds: twice as long as a client asks.
pub const ANSWER_AGE_MS: i64 = 60 * 1000;
/// How many times the log's bounds may be exceeded for that.
const ANSWER_SLACK: usize = 4;
/// What an entry takes beside the object before, in bytes (measured: texts, counters, map nodes).
const ENTRY_BYTES: usize = 320;

/// Bounds of the change log. They must be the same on all replicas, so only tests use others than the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// See [`LOG_COUNT`].
    pub count: usize,
    /// See [`LOG_BYTES`].
    pub bytes: usize,
    /// See [`LOG_AGE_MS`].
    pub age_ms: i64,
    /// See [`LOG_FLOOR`].
    pub floor: usize,
    /// See [`ANSWER_AGE_MS`].
    pub answer_age_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { count: LOG_COUNT, bytes: LOG_BYTES, age_ms: LOG_AGE_MS, floor: LOG_FLOOR, answer_age_ms: ANSWER_AGE_MS }
    }
}

/// One committed change.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Store revision.
    pub revision: u64,
    /// Revision of the last change of the resource before this one, 0 if none.
    pub previous: u64,
    /// The same within the scope.
    pub previous_in_scope: u64,
    /// The transaction it was part of.
    pub request: RequestId,
    /// The leader's clock, in milliseconds since 1970.
    pub at_ms: i64,
    /// `<group>/<plural>`
    pub resource: Arc<str>,
    /// Namespace and name.
    pub name: Arc<Name>,
    /// The object before, `None` if it is new.
    pub before: Option<Arc<Object>>,
    /// The object after, `None` if it is gone.
    pub after: Option<Arc<Object>>,
}

impl Entry {
    /// Which object changed.
    pub fn key(&self) -> Key {
        Key::new(&*self.resource, &*self.name.namespace, &*self.name.name)
    }

    /// Whether this is the change of `key`.
    pub fn is_of(&self, key: &Key) -> bool {
        *self.resource == *key.resource && *self.name.namespace == *key.namespace && *self.name.name == *key.name
    }

    /// The scope whose chain this change belongs to: that of the object after, or of its last state.
    pub fn scope(&self) -> &str {
        self.after.as_ref().or(self.before.as_ref()).map_or("", |object| &object.scope)
    }

    /// The object after the change; of a deletion its last state with the deletion's revision.
    pub fn published(&self) -> bytes::Bytes {
        match (&self.after, &self.before) {
            (Some(after), _) => after.bytes.clone(),
            (None, Some(before)) => before.bytes_at(self.revision),
            (None, None) => bytes::Bytes::new(),
        }
    }

    /// As it is published and replayed.
    pub fn to_change(&self) -> Change {
        let change = match (&self.before, &self.after) {
            (None, _) => ChangeType::Added,
            (Some(_), Some(_)) => ChangeType::Modified,
            (Some(_), None) => ChangeType::Deleted,
        };
        Change {
            revision: self.revision,
            previous: self.previous,
            previous_in_scope: self.previous_in_scope,
            change,
            namespace: self.name.namespace.to_string(),
            name: self.name.name.to_string(),
            scope: self.scope().to_owned(),
            before: self.before.as_ref().map(|object| object.selectable()),
            object: self.published(),
        }
    }

    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.before.as_ref().map_or(0, |object| object.bytes.len())
    }
}

/// The entries, one a revision without holes.
#[derive(Clone, Debug, Default)]
pub(super) struct ChangeLog {
    entries: Vector<Arc<Entry>>,
    /// Revision of the first entry of each transaction.
    answers: HashMap<RequestId, u64>,
    bytes: usize,
}

impl ChangeLog {
    pub fn push(&mut self, entry: Arc<Entry>) {
        self.bytes += entry.bytes();
        self.answers.entry(entry.request).or_insert(entry.revision);
        self.entries.push_back(entry);
    }

    /// Drops what is beyond `limits` at `now_ms`.
    pub fn trim(&mut self, limits: &Limits, now_ms: i64) {
        while let Some(first) = self.entries.front() {
            let count = self.entries.len();
            let age_ms = now_ms.saturating_sub(first.at_ms);
            let aged = count > limits.floor && age_ms > limits.age_ms;
            let within = |times: usize| {
                count <= limits.count.saturating_mul(times) && self.bytes <= limits.bytes.saturating_mul(times)
            };
            let asked_again = age_ms < limits.answer_age_ms;
            if within(1) && !aged || asked_again && within(ANSWER_SLACK) {
                break;
            }
            self.bytes -= first.bytes();
            // A transaction that is partly dropped could not be answered in full: it is forgotten as a whole.
            self.answers.remove(&first.request);
            self.entries.pop_front();
        }
    }

    /// Revision of the oldest entry.
    pub fn first(&self) -> Option<u64> {
        self.entries.front().map(|entry| entry.revision)
    }

    pub fn get(&self, revision: u64) -> Option<&Arc<Entry>> {
        let index = revision.checked_sub(self.first()?)?;
        self.entries.get(usize::try_from(index).ok()?)
    }

    /// The changes of a transaction that was carried out.
    pub fn answer(&self, id: &RequestId) -> Option<impl Iterator<Item = &Arc<Entry>>> {
        let first = *self.answers.get(id)?;
        let id = *id;
        Some((first..).map_while(move |revision| self.get(revision).filter(|entry| entry.request == id)))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.iter()
    }
}
