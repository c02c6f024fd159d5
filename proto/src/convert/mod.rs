//! Between the versions of a kind: pure functions from what a client of one version sends to what is stored, and back. Which
//! version has which conversion says [`crate::kinds::versions`].

mod autoscaler;
mod certificate;
mod disruption_budget;
mod endpoint_slice;
mod event;
mod ingress;
mod role_binding;
mod workload;

pub use autoscaler::{AUTOSCALER_V1, AUTOSCALER_V2BETA1};
pub use certificate::REQUEST_V1BETA1;
pub use disruption_budget::DISRUPTION_BUDGET_V1BETA1;
pub use endpoint_slice::SLICE_V1BETA1;
pub use event::EVENT;
pub use ingress::INGRESS_V1BETA1;
pub use role_binding::BINDING_V1ALPHA1;
pub use workload::{
    DAEMON_SET_EXTENSIONS, DEPLOYMENT_APPS_V1BETA1, DEPLOYMENT_EXTENSIONS, REPLICA_SET_EXTENSIONS,
    STATEFUL_SET_APPS_V1BETA1,
};

use serde_json::{Map, Value};

/// How objects of one version become stored ones and back. `apiVersion` is not its business.
#[derive(Debug)]
pub struct Conversion {
    /// Fills in what the version leaves out in its own way; what it leaves out in the stored version's way comes later.
    /// Only for whole objects: the configuration that server-side apply sends has none.
    pub defaults: fn(&mut Value),
    /// To the stored version. Fields that no version has stay, so that they are found to be unknown.
    pub to_stored: fn(&mut Value),
    /// From the stored version.
    pub from_stored: fn(&mut Value),
    /// Selectable fields that are called otherwise in this version, with their stored names.
    pub field_labels: &'static [(&'static str, &'static str)],
}

/// For a version that differs from the stored one in its name only.
pub const SAME: Conversion = Conversion { defaults: |_| {}, to_stored: |_| {}, from_stored: |_| {}, field_labels: &[] };

/// The fields of a map in `value`, none where there is no map.
fn fields<'a>(value: &'a mut Value, key: &str) -> Option<&'a mut Map<String, Value>> {
    value.get_mut(key).and_then(Value::as_object_mut)
}

/// Moves a field to another name, unless it is not there.
fn rename(fields: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = fields.remove(from) {
        fields.insert(to.to_owned(), value);
    }
}

/// Sets a field that is not there or null.
fn put(fields: &mut Map<String, Value>, key: &str, value: impl FnOnce() -> Value) {
    if fields.get(key).is_none_or(Value::is_null) {
        fields.insert(key.to_owned(), value());
    }
}
