//! Bindings: where a policy counts, with which parameters, and what becomes of failures.

use crate::dynamic::matching::Matcher;
use crate::state::State;
use kubus_proto::kinds::validating_admission_policy_binding::ROW;
use serde_json::Value;

/// One binding.
#[derive(Debug)]
pub(super) struct Binding {
    /// Its name.
    pub(super) name: String,
    /// Name of the policy.
    pub(super) policy: String,
    /// Which requests it narrows the policy to.
    pub(super) matcher: Option<Matcher>,
    /// What becomes of failures.
    pub(super) actions: Vec<String>,
    /// Which parameters, null for none.
    pub(super) param_ref: Value,
}

/// Every binding, in the order of their names.
pub(super) fn bindings(state: &State) -> Vec<Binding> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let read = |name: &str, binding: &Value| {
        let spec = &binding["spec"];
        Binding {
            name: name.to_owned(),
            policy: text(&spec["policyName"]),
            matcher: spec["matchResources"].is_object().then(|| Matcher::read(&spec["matchResources"])),
            actions: spec["validationActions"].as_array().into_iter().flatten().map(text).collect(),
            param_ref: spec["paramRef"].clone(),
        }
    };
    let all = state.list(&ROW.resource_key(), None, None);
    all.filter_map(|(name, object)| Some(read(&name.name, &object.decode().ok()?))).collect()
}
