//! Built-in admission that looks at other objects: limits, quotas, pod security, classes. One file a plug-in, all pure.
//! <https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/>

pub mod limit_range;
mod pod_amounts;
pub mod pod_security;
pub mod priority;
pub mod quota;
pub mod storage_class;

use kubus_proto::quantity::Quantity;
use serde_json::Value;
use std::collections::BTreeMap;

/// Amounts of resources by name.
pub type Amounts = BTreeMap<String, Quantity>;

/// A map of quantities; what cannot be read is left out, since validation has refused it elsewhere.
fn amounts(map: &Value) -> Amounts {
    let entries = map.as_object().into_iter().flatten();
    entries.filter_map(|(name, text)| Some((name.clone(), quantity(text)?))).collect()
}

fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => Quantity::parse(text).ok(),
        Value::Number(number) => Quantity::parse(&number.to_string()).ok(),
        _ => None,
    }
}

/// Items of a list in an object, none where there is no list.
fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}
