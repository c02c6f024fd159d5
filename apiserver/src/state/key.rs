//! Names of objects: the key an operation carries, and the shared form the maps hold.

use equivalent::{Comparable, Equivalent};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::sync::Arc;

/// Names one object of one resource. Ordered by resource, namespace, name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// `<group>/<plural>`, as `KindRow::resource_key` gives it.
    pub resource: String,
    /// Namespace, empty for cluster-wide objects.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Key {
    /// A key from its three parts.
    pub fn new(resource: impl Into<String>, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { resource: resource.into(), namespace: namespace.into(), name: name.into() }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}/{}", self.resource, self.namespace, self.name)
    }
}

/// Namespace and name within one resource. Shared by the map of objects and the change log, so that a logged change
/// costs no second copy of the texts.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Namespace, empty for cluster-wide objects.
    pub namespace: Box<str>,
    /// Name.
    pub name: Box<str>,
}

/// A borrowed [`Name`], to look one up without building it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NameRef<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
}

impl Equivalent<Arc<Name>> for NameRef<'_> {
    fn equivalent(&self, key: &Arc<Name>) -> bool {
        *self.namespace == *key.namespace && *self.name == *key.name
    }
}

impl Comparable<Arc<Name>> for NameRef<'_> {
    fn compare(&self, key: &Arc<Name>) -> Ordering {
        self.cmp(&NameRef { namespace: &key.namespace, name: &key.name })
    }
}
