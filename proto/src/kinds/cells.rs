//! Small readers that the cells of several kinds share.

use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn string(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

pub(super) fn string_map(value: &Value) -> BTreeMap<String, String> {
    value.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), string(v))).collect()
}

pub(super) fn name(object: &Value) -> Value {
    object["metadata"]["name"].clone()
}

pub(super) fn age(object: &Value, now: Timestamp) -> Value {
    json!(crate::duration::age(object["metadata"]["creationTimestamp"].as_str(), now))
}

/// When the object was made, as it is stored.
pub(super) fn created(object: &Value) -> Value {
    object["metadata"]["creationTimestamp"].clone()
}

pub(super) fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

/// `a,b` of one field of each container of a pod template's spec.
pub(super) fn containers(pod_spec: &Value, field: &str) -> Value {
    let all: Vec<String> = pod_spec["containers"].as_array().into_iter().flatten().map(|c| string(&c[field])).collect();
    json!(all.join(","))
}

/// A label selector as kubectl prints it, `<none>` for an empty one.
pub(super) fn selector(value: &Value) -> Value {
    let parsed = serde_json::from_value(value.clone())
        .ok()
        .and_then(|s| crate::selector::Selector::from_label_selector(&s).ok());
    or_none(parsed.map(|s| s.to_string()).unwrap_or_default())
}

/// The items of a list that may not be there.
pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// `a=b,c=d`, `<none>` for no labels.
pub(super) fn labels(value: &Value) -> Value {
    let all: Vec<String> = string_map(value).iter().map(|(key, value)| format!("{key}={value}")).collect();
    or_none(all.join(","))
}

/// `<unset>` for a field that is not there.
pub(super) fn or_unset(value: &Value) -> Value {
    if value.is_null() { json!("<unset>") } else { json!(string(value)) }
}

/// `<none>` for an empty text.
pub(super) fn or_none(text: String) -> Value {
    json!(if text.is_empty() { "<none>".to_owned() } else { text })
}

/// Cells of the two kinds of role bindings.
pub(super) fn binding_cells(binding: &Value, now: Timestamp) -> Vec<Value> {
    let role = &binding["roleRef"];
    let named = |kind: &str| {
        let all = binding["subjects"].as_array().into_iter().flatten().filter(|s| s["kind"] == kind);
        let texts: Vec<String> = all
            .map(|s| match kind {
                "ServiceAccount" => format!("{}/{}", string(&s["namespace"]), string(&s["name"])),
                _ => string(&s["name"]),
            })
            .collect();
        json!(texts.join(", "))
    };
    vec![
        name(binding),
        json!(format!("{}/{}", string(&role["kind"]), string(&role["name"]))),
        age(binding, now),
        named("User"),
        named("Group"),
        named("ServiceAccount"),
    ]
}

/// The texts of a list.
pub(super) fn joined(list: &Value, between: &str) -> String {
    self::list(list).map(string).collect::<Vec<_>>().join(between)
}

/// The kind of an admission policy's parameters.
pub(super) fn param_kind(kind: &Value) -> Value {
    if kind.is_null() {
        return json!("<unset>");
    }
    json!(format!("{}/{}", string(&kind["apiVersion"]), string(&kind["kind"])))
}

/// Cells of the two kinds of bindings of admission policies.
pub(super) fn policy_binding_cells(binding: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, param) = (&binding["spec"], &binding["spec"]["paramRef"]);
    let shown = match (param, string(&param["namespace"])) {
        (Value::Null, _) => "<unset>".to_owned(),
        (param, namespace) if namespace.is_empty() => string(&param["name"]),
        (param, namespace) => format!("{namespace}/{}", string(&param["name"])),
    };
    vec![name(binding), json!(string(&spec["policyName"])), json!(shown), age(binding, now)]
}
