//! LimitRange on its way into the store.
//! <https://kubernetes.io/docs/concepts/policy/limit-range/>

use super::causes::{duplicate, forbidden, invalid, required};
use super::defaulting::{items, object, put_empty};
use super::metadata::check;
use super::names::qualified_name;
use super::path::FieldPath;
use super::pod_spec::{overcommits, problems, validate_any_resource, validate_container_resource};
use super::{Behaviour, PLAIN, schema_of};
use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem};
use k8s_openapi::apimachinery::pkg::api::resource;
use kubus_proto::quantity::Quantity;
use kubus_proto::status::Cause;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Behaviour of LimitRange.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::limit_range::ROW,
    schema: schema_of!(LimitRange),
    defaults: |range| {
        let Some(spec) = range.as_object_mut().and_then(|range| object(range, "spec")) else { return };
        items(spec, "limits")
            .filter(|limit| limit.get("type").is_some_and(|t| t == "Container"))
            .for_each(default_limit);
    },
    rules: |range, causes| check(range, causes, validate_range),
    ..PLAIN
};

/// Limit types that need no domain.
const TYPES: [&str; 3] = ["Pod", "Container", "PersistentVolumeClaim"];

/// What a container gets: the maximum as its limit, its limit as its request, at least the minimum.
fn default_limit(limit: &mut Map<String, Value>) {
    for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
        let Some(source) = limit.get(from).and_then(Value::as_object).filter(|map| !map.is_empty()).cloned() else {
            continue;
        };
        put_empty(limit, to);
        if let Some(target) = object(limit, to) {
            for (name, amount) in source {
                target.entry(name).or_insert(amount);
            }
        }
    }
}

fn validate_range(range: &LimitRange, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    let path = path.field("limits");
    let mut types = BTreeSet::new();
    for (i, limit) in range.spec.iter().flat_map(|spec| &spec.limits).enumerate() {
        let path = path.index(i);
        let kind = limit.type_.as_str();
        let wrong = qualified_name(kind);
        if wrong.is_empty() && !kind.contains('/') && !TYPES.contains(&kind) {
            causes.push(invalid(path.field("type"), kind, "must be a standard limit type or fully qualified"));
        }
        problems(&path.field("type"), kind, wrong, causes);
        if !types.insert(kind) {
            causes.push(duplicate(path.field("type"), kind));
        }
        validate_limit(limit, &path, causes);
    }
}

type Amounts = BTreeMap<String, resource::Quantity>;

/// The amount of a resource, if it is given and can be read.
fn amount(amounts: &Option<Amounts>, name: &str) -> Option<Quantity> {
    amounts.as_ref()?.get(name).and_then(|amount| Quantity::parse(&amount.0).ok())
}

fn validate_limit(limit: &LimitRangeItem, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let mut names = BTreeSet::new();
    for (field, amounts) in [
        ("max", &limit.max),
        ("min", &limit.min),
        ("default", &limit.default),
        ("defaultRequest", &limit.default_request),
        ("maxLimitRequestRatio", &limit.max_limit_request_ratio),
    ] {
        let given = amounts.as_ref().is_some_and(|amounts| !amounts.is_empty());
        if given && limit.type_ == "Pod" && field.starts_with("default") {
            causes.push(forbidden(path.field(field), "may not be specified when `type` is 'Pod'"));
            continue;
        }
        for name in amounts.iter().flat_map(BTreeMap::keys) {
            let in_pods = matches!(limit.type_.as_str(), "Pod" | "Container");
            let check = if in_pods { validate_container_resource } else { validate_any_resource };
            check(name, &path.field(field).key(name), causes);
            names.insert(name.as_str());
        }
    }
    let storage = |amounts: &Option<Amounts>| amount(amounts, "storage").is_some();
    if limit.type_ == "PersistentVolumeClaim" && !storage(&limit.min) && !storage(&limit.max) {
        let detail = "either minimum or maximum storage value is required, but neither was provided";
        causes.push(required(path.field("limits"), detail));
    }
    for name in names {
        validate_order(limit, name, path, causes);
    }
}

/// The amounts of one resource must be in order: minimum, default request, default, maximum.
fn validate_order(limit: &LimitRangeItem, name: &str, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let (min, max) = (amount(&limit.min, name), amount(&limit.max, name));
    // Nothing is filled in for whole pods.
    let filled = |amounts| amount(amounts, name).filter(|_| limit.type_ != "Pod");
    let (default, request) = (filled(&limit.default), filled(&limit.default_request));
    // What is too small, what too large, the field that is told, whether the larger one is its value.
    let rows = [
        ((min, "min"), (max, "max"), "min", false),
        ((min, "min"), (request, "default request"), "defaultRequest", true),
        ((request, "default request"), (max, "max"), "defaultRequest", false),
        ((request, "default request"), (default, "default limit"), "defaultRequest", false),
        ((min, "min"), (default, "default"), "default", false),
        ((default, "default"), (max, "max"), "default", true),
    ];
    for ((low, low_name), (high, high_name), field, tells_high) in rows {
        if let (Some(low), Some(high)) = (low, high)
            && low > high
        {
            let value = if tells_high { high } else { low };
            let detail = format!("{low_name} value {low} is greater than {high_name} value {high}");
            causes.push(invalid(path.field(field).key(name), value.to_string(), detail));
        }
    }
    if let Some(ratio) = amount(&limit.max_limit_request_ratio, name) {
        validate_ratio(ratio, min, max, &path.field("maxLimitRequestRatio").key(name), causes);
    }
    if let (false, Some(default), Some(request)) = (overcommits(name), default, request)
        && default.partial_cmp(&request).is_some_and(|order| order.is_ne())
    {
        let detail = format!("default value {default} must equal to defaultRequest value {request} in {name}");
        causes.push(invalid(path.field("defaultRequest").key(name), request.to_string(), detail));
    }
}

fn validate_ratio(
    ratio: Quantity,
    min: Option<Quantity>,
    max: Option<Quantity>,
    path: &FieldPath<'_>,
    causes: &mut Vec<Cause>,
) {
    if ratio.milli_value() < 1000 {
        causes.push(invalid(path, ratio.to_string(), format!("ratio {ratio} is less than 1")));
    }
    let (Some(min), Some(max)) = (min, max) else { return };
    let largest = max.milli_value() as f64 / min.milli_value() as f64;
    if ratio.milli_value() as f64 / 1000.0 > largest {
        let detail = format!("ratio {ratio} is greater than max/min = {largest:.6}");
        causes.push(invalid(path, ratio.to_string(), detail));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn amounts_are_filled_in_and_must_be_in_order() {
        let mut range = json!({"metadata": {"name": "l", "namespace": "n"}, "spec": {"limits": [
            {"type": "Container", "max": {"cpu": "1", "memory": "1Gi"}, "min": {"example.com/x": "1"},
                "default": {"cpu": "500m"}}]}});
        BEHAVIOUR.default(&mut range);
        let limit = &range["spec"]["limits"][0];
        assert_eq!(limit["default"], json!({"cpu": "500m", "memory": "1Gi"}));
        assert_eq!(limit["defaultRequest"], json!({"cpu": "500m", "memory": "1Gi", "example.com/x": "1"}));
        assert_eq!(BEHAVIOUR.validate(&range), Vec::new());
        let limits = json!([
            {"type": "Pod", "min": {"cpu": "2"}, "max": {"cpu": "1"}, "default": {"cpu": "1"}},
            {"type": "Pod", "maxLimitRequestRatio": {"cpu": "500m"}},
            {"type": "PersistentVolumeClaim"},
            {"type": "Thing", "max": {"storage": "1"}},
        ]);
        let wrong = json!({"metadata": {"name": "l", "namespace": "n"}, "spec": {"limits": limits}});
        let said: Vec<String> =
            BEHAVIOUR.validate(&wrong).iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        let expected = [
            "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'",
            "spec.limits[0].min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1",
            "spec.limits[1].type: Duplicate value: \"Pod\"",
            "spec.limits[1].maxLimitRequestRatio[cpu]: Invalid value: \"500m\": ratio 500m is less than 1",
            "spec.limits[2].limits: Required value: either minimum or maximum storage value is required, but neither was \
             provided",
            "spec.limits[3].type: Invalid value: \"Thing\": must be a standard limit type or fully qualified",
        ];
        assert_eq!(said, expected);
    }
}
