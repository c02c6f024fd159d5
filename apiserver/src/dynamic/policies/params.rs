//! Parameters of a policy: objects that its bindings name or select.

use super::binding::Binding;
use super::compiled::Policy;
use crate::custom::registry;
use crate::dynamic::Write;
use crate::state::{Key, State};
use kubus_proto::KindRow;
use kubus_proto::kinds::by_kind;
use kubus_proto::selector::Selector;
use serde_json::Value;

/// Most parameters that a selector may take for one request.
const PARAMS_LIMIT: usize = 100;

/// What was found.
pub(super) enum Params {
    /// The policy has none.
    None,
    /// Each is asked about alone.
    Found(Vec<Value>),
    /// There is none, which is no failure.
    Skip,
}

fn row_of(api_version: &str, kind: &str, state: &State) -> Option<&'static KindRow> {
    by_kind(api_version, kind).or_else(|| {
        let kinds = registry::all(state);
        let mut rows = kinds.iter().flat_map(|found| &found.versions).map(|version| version.row);
        rows.find(|row| row.api_version() == api_version && row.kind == kind)
    })
}

/// The parameters of a binding for a request.
pub(super) fn find(policy: &Policy, binding: &Binding, write: &Write<'_>, state: &State) -> Result<Params, String> {
    let Some((api_version, kind)) = &policy.param_kind else { return Ok(Params::None) };
    let reference = &binding.param_ref;
    if !reference.is_object() {
        return Ok(Params::None);
    }
    let row = row_of(api_version, kind, state)
        .ok_or_else(|| format!("failed to find resource referenced by paramKind: '{api_version}, Kind={kind}'"))?;
    let given = reference["namespace"].as_str().unwrap_or_default();
    let namespace = match (row.namespaced, given) {
        (false, "") => "",
        (false, _) => return Err("paramRef.namespace must not be provided for a cluster-scoped `paramKind`".to_owned()),
        (true, "") if write.path.namespace.is_empty() => {
            return Err(
                "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources".to_owned()
            );
        }
        (true, "") => write.path.namespace.as_str(),
        (true, given) => given,
    };
    let resource = row.resource_key();
    let found: Vec<Value> = match reference["name"].as_str().filter(|name| !name.is_empty()) {
        Some(name) => {
            let object = state.get(&Key::new(resource, namespace, name));
            object.and_then(|object| object.decode().ok()).into_iter().collect()
        }
        None => {
            let parsed = serde_json::from_value(reference["selector"].clone()).ok();
            let selector = parsed.and_then(|selector| Selector::from_label_selector(&selector).ok());
            let selector = selector.ok_or("paramRef must have a name or a selector")?;
            let all = state.list(&resource, row.namespaced.then_some(namespace), None);
            let chosen = all.filter(|(_, object)| selector.is_empty() || selector.matches(&object.selectable().labels));
            chosen.take(PARAMS_LIMIT).filter_map(|(_, object)| object.decode().ok()).collect()
        }
    };
    match (found.is_empty(), reference["parameterNotFoundAction"].as_str()) {
        (false, _) => Ok(Params::Found(found)),
        (true, Some("Allow")) => Ok(Params::Skip),
        (true, _) => Err("no params found for policy binding with `Deny` parameterNotFoundAction".to_owned()),
    }
}
