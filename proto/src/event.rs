//! A change as it is published and replayed, and the bookmarks that let a watcher notice what it missed.

use crate::codec::CodecError;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ChangeType {
    /// It is new.
    Added,
    /// It was there before.
    Modified,
    /// It is gone; the object is its last state with the revision of the deletion.
    Deleted,
}

/// One committed change. A watcher of a whole resource has missed something exactly when `previous` is greater than
/// the last revision it knows; a watcher of one scope compares `previous_in_scope`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Change {
    /// Store revision, the object's new resourceVersion.
    pub revision: u64,
    /// Revision of the last change of the same resource before this one, 0 if none.
    pub previous: u64,
    /// Revision of the last change of the same resource in the same scope before this one, 0 if none.
    pub previous_in_scope: u64,
    /// What happened.
    pub change: ChangeType,
    /// Namespace, empty for cluster-wide objects.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The node a pod is bound to or a Node's own name, else empty.
    #[serde(default)]
    pub scope: String,
    /// Labels and selectable fields before the change, `None` for ADDED: what a selector watcher needs to turn a
    /// change into ADDED or DELETED.
    #[serde(default)]
    pub before: Option<Selectable>,
    /// The object, MessagePack.
    pub object: Bytes,
}

/// A [`Change`] whose object is still a part of the message it came in.
#[derive(Deserialize)]
struct BorrowedChange<'a> {
    revision: u64,
    previous: u64,
    previous_in_scope: u64,
    change: ChangeType,
    namespace: String,
    name: String,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    before: Option<Selectable>,
    #[serde(borrow, with = "serde_bytes")]
    object: &'a [u8],
}

impl BorrowedChange<'_> {
    fn owned(self, message: &Bytes) -> Change {
        Change {
            revision: self.revision,
            previous: self.previous,
            previous_in_scope: self.previous_in_scope,
            change: self.change,
            namespace: self.namespace,
            name: self.name,
            scope: self.scope,
            before: self.before,
            object: message.slice_ref(self.object),
        }
    }
}

impl Change {
    /// Decodes a change; its object stays a part of `message` and is not copied.
    pub fn decode(message: &Bytes) -> Result<Self, CodecError> {
        Ok(rmp_serde::from_slice::<BorrowedChange>(message)?.owned(message))
    }
}

impl Changes {
    /// Decodes an answer to a watch; its objects stay a part of `message` and are not copied.
    pub fn decode(message: &Bytes) -> Result<Self, CodecError> {
        #[derive(Deserialize)]
        struct Borrowed<'a> {
            #[serde(borrow)]
            changes: Vec<BorrowedChange<'a>>,
            revision: u64,
            more: bool,
        }
        let read: Borrowed = rmp_serde::from_slice(message)?;
        let changes = read.changes.into_iter().map(|change| change.owned(message)).collect();
        Ok(Self { changes, revision: read.revision, more: read.more })
    }
}

/// What selectors look at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selectable {
    /// metadata.labels
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Selectable fields of the kind, with their paths (`spec.nodeName`).
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
}

/// Answer to `GET …?watch=true&resourceVersion=R` on the bus: every change of the resource (of the scope, where
/// `fieldSelector=spec.nodeName=…` names one) after `R` in order. The watcher then knows everything up to `revision`.
/// With `R` older than the change log the answer is 410.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Changes {
    /// The changes, oldest first.
    pub changes: Vec<Change>,
    /// Store revision these changes are complete up to.
    pub revision: u64,
    /// Whether more changes follow `revision` and the watcher must ask again from there.
    pub more: bool,
}

/// Published every second by the leader on [`crate::subject::BOOKMARKS`], and at once by a new leader.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bookmark {
    /// Raft term of the leader that says so; a lower term than seen before is ignored.
    pub term: u64,
    /// Store revision.
    pub revision: u64,
    /// Last revision of each resource, by `<group>/<plural>`.
    pub resources: BTreeMap<String, u64>,
}

/// Published on [`crate::subject::scope_bookmark`] at 1, 2, 4 … seconds after the last change of a scope.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScopeBookmark {
    /// Raft term of the leader.
    pub term: u64,
    /// Store revision.
    pub revision: u64,
    /// Last revision of the scope.
    pub last: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode, encode};

    #[test]
    fn changes_are_read_without_copies_as_they_are_read_with() {
        let change = |revision, before| Change {
            revision,
            previous: revision - 1,
            previous_in_scope: 0,
            change: ChangeType::Modified,
            namespace: "a".into(),
            name: "b".into(),
            scope: "n1".into(),
            before,
            object: Bytes::from(vec![revision as u8; 40]),
        };
        let changes =
            Changes { changes: vec![change(7, None), change(9, Some(Selectable::default()))], revision: 9, more: true };
        let message: Bytes = encode(&changes).expect("encode").into();
        let copied: Changes = decode(&message).expect("copied");
        let borrowed = Changes::decode(&message).expect("borrowed");
        assert_eq!(format!("{copied:?}"), format!("{borrowed:?}"));
        let message: Bytes = encode(&changes.changes[1]).expect("encode").into();
        assert_eq!(format!("{:?}", Change::decode(&message).expect("change")), format!("{:?}", changes.changes[1]));
    }
}
