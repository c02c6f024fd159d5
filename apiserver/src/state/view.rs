//! One resource at one revision: what a list, torn or not by later writes, is read from.

use super::key::NameRef;
use super::{Name, Object};
use imbl::OrdMap;
use std::ops::Bound;
use std::sync::Arc;

pub(super) type Objects = OrdMap<Arc<Name>, Arc<Object>>;

/// All objects of one resource at one revision; cheap to clone and never changed.
#[derive(Clone, Debug, Default)]
pub struct View {
    pub(super) objects: Objects,
    pub(super) revision: u64,
}

impl View {
    /// Store revision this view shows.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// How many objects there are in all namespaces.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// One object.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Object>> {
        self.objects.get(&NameRef { namespace, name })
    }

    /// Objects in order of namespace and name: of one namespace or all, behind `after` (namespace and name) or all.
    pub fn list<'a>(
        &'a self,
        namespace: Option<&'a str>,
        after: Option<(&'a str, &'a str)>,
    ) -> impl Iterator<Item = (&'a Arc<Name>, &'a Arc<Object>)> + use<'a> {
        list(&self.objects, namespace, after)
    }
}

pub(super) fn list<'a>(
    objects: &'a Objects,
    namespace: Option<&'a str>,
    after: Option<(&'a str, &'a str)>,
) -> impl Iterator<Item = (&'a Arc<Name>, &'a Arc<Object>)> + use<'a> {
    let head = namespace.map(|namespace| NameRef { namespace, name: "" });
    let after = after.map(|(namespace, name)| NameRef { namespace, name });
    let start = match (head, after) {
        (None, None) => Bound::Unbounded,
        (Some(head), Some(after)) if after < head => Bound::Included(head),
        (_, Some(after)) => Bound::Excluded(after),
        (Some(head), None) => Bound::Included(head),
    };
    let range = objects.range::<_, NameRef<'_>>((start, Bound::Unbounded));
    range.take_while(move |(key, _)| namespace.is_none_or(|namespace| *key.namespace == *namespace))
}
