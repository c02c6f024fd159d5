//! Who manages which field of an object (`metadata.managedFields`), and server-side apply, which works by it.
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/>
//!
//! Types come from [`types`] in one form, whether they are Kubernetes' own or a custom kind's; sets of fields are kept in
//! the form in which they are stored, see [`set`]. All of it is pure: the time is an argument.

mod apply;
mod builtin;
mod compare;
mod conflict;
mod custom;
mod describe;
mod entry;
mod kinds;
mod last_applied;
mod manager;
mod merge;
mod scope;
mod set;
mod step;
mod types;
mod update;

pub use apply::{Applied, ApplyError};
pub use conflict::Conflicts;
pub use kinds::types_of;
pub use manager::{MANAGER_LIMIT_BYTES, manager_of, wrong_manager};
pub use scope::Scope;
pub use types::Types;

use serde_json::Value;

/// Who writes, through what, and when.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// The field manager.
    pub manager: &'a str,
    /// The version the writer speaks.
    pub api_version: &'a str,
    /// The subresource it writes through, empty for the object itself.
    pub subresource: &'a str,
    /// Now, RFC 3339 in whole seconds.
    pub time: &'a str,
}

/// Takes the managed fields out of an object; null where there are none.
pub fn take(object: &mut Value) -> Value {
    object
        .get_mut("metadata")
        .and_then(Value::as_object_mut)
        .and_then(|metadata| metadata.remove("managedFields"))
        .unwrap_or_default()
}

/// Puts managed fields into an object.
pub fn put(object: &mut Value, managed: Option<Value>) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    match managed {
        Some(managed) if !managed.is_null() => metadata.insert("managedFields".to_owned(), managed),
        _ => metadata.remove("managedFields"),
    };
}

/// The managed fields of a new object, which does not hold any; `sent` are those that its writer sent.
pub fn created(types: &Types, scope: Scope, object: &Value, sent: &Value, writer: &Writer<'_>) -> Option<Value> {
    update::created(types, scope, object, sent, writer)
}

/// The managed fields of an object after a write.
#[derive(Clone, Debug, PartialEq)]
pub struct Managed {
    /// What is to be stored; none where nobody owns anything.
    pub fields: Option<Value>,
    /// Whether they are other than before.
    pub changed: bool,
}

impl Managed {
    /// What an apply leaves of `stored`. New times alone are no change.
    pub fn after(fields: Option<Value>, stored: Value) -> Self {
        if fields.as_ref().is_none_or(|fields| entry::same_but_for_times(fields, &stored)) {
            let changed = fields.is_none() && !stored.is_null();
            return Self { fields: Some(stored).filter(|_| !changed), changed };
        }
        Self { fields, changed: true }
    }
}

/// The managed fields of a changed object: of the old one and the new one, of which neither holds any. `stored` are those
/// of the old object; `sent` are those that came with the new one, none where the writer may not write them.
pub fn updated(
    types: &Types,
    scope: Scope,
    objects: (&Value, &Value),
    stored: Value,
    sent: Option<Value>,
    writer: &Writer<'_>,
) -> Managed {
    update::updated(types, scope, objects, stored, sent, writer)
}

/// What becomes of an object to which `config` is applied: `live` does not hold its managed fields, they are in `stored`.
/// Of an object that is not there `live` is an empty map.
pub fn applied(
    types: &Types,
    scope: Scope,
    live: (&Value, &Value),
    config: &Value,
    force: bool,
    writer: &Writer<'_>,
) -> Result<Applied, ApplyError> {
    apply::applied(types, scope, live, config, force, writer)
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
