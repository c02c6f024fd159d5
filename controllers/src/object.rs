//! What every controller reads from an object's metadata: its key, its controller, its revision.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kubus_proto::KindRow;
use serde_json::{Value, json};

/// Namespace and name of an object; the namespace is empty for cluster-wide ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Namespace, empty for cluster-wide objects.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Key {
    /// A key from its parts.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of the object with this metadata.
    pub fn of(metadata: &ObjectMeta) -> Self {
        Self::new(metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

/// The uid, empty where there is none.
pub fn uid(metadata: &ObjectMeta) -> &str {
    metadata.uid.as_deref().unwrap_or_default()
}

/// The name, empty where there is none.
pub fn name(metadata: &ObjectMeta) -> &str {
    metadata.name.as_deref().unwrap_or_default()
}

/// The namespace, empty where there is none.
pub fn namespace(metadata: &ObjectMeta) -> &str {
    metadata.namespace.as_deref().unwrap_or_default()
}

/// resourceVersion as the store's revision, 0 where it is none.
pub fn revision(metadata: &ObjectMeta) -> u64 {
    metadata.resource_version.as_deref().and_then(|v| v.parse().ok()).unwrap_or(0)
}

/// Whether the object is being deleted.
pub fn is_deleting(metadata: &ObjectMeta) -> bool {
    metadata.deletion_timestamp.is_some()
}

/// The owner that manages the object, if any.
pub fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    metadata.owner_references.iter().flatten().find(|o| o.controller == Some(true))
}

/// The controller's name where the object is managed by one of `row`'s kind.
pub fn controller_of_kind<'a>(metadata: &'a ObjectMeta, row: &KindRow) -> Option<&'a str> {
    controller(metadata).filter(|o| o.kind == row.kind && o.api_version == row.api_version()).map(|o| o.name.as_str())
}

/// Whether the object is managed by the owner with that uid.
pub fn is_controlled_by(metadata: &ObjectMeta, owner_uid: &str) -> bool {
    controller(metadata).is_some_and(|o| o.uid == owner_uid)
}

/// An ownerReference that says "managed by" and keeps a foreground deletion of the owner waiting.
pub fn controller_reference(row: &KindRow, owner: &ObjectMeta) -> Value {
    json!({
        "apiVersion": row.api_version(), "kind": row.kind, "name": name(owner), "uid": uid(owner),
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// Moment of creation; what has none counts as oldest.
pub fn created(metadata: &ObjectMeta) -> Timestamp {
    metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |t| t.0)
}

/// A moment as the API writes it: RFC 3339 in whole seconds.
pub fn timestamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `at` cut to whole seconds, as it comes back from the API.
pub fn time(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}
