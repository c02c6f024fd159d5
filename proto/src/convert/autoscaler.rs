//! HorizontalPodAutoscaler of `autoscaling/v1`, which knows only the use of CPU, and of `v2beta1`, which writes metrics in
//! another way. What `v1` has no fields for is kept in annotations, as Kubernetes keeps it.
//! <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v1/>

use super::{Conversion, fields, rename};
use serde_json::{Map, Value, json};

/// HorizontalPodAutoscaler of `autoscaling/v1`.
pub static AUTOSCALER_V1: Conversion = Conversion { to_stored: from_v1, from_stored: to_v1, ..super::SAME };

/// HorizontalPodAutoscaler of `autoscaling/v2beta1`.
pub static AUTOSCALER_V2BETA1: Conversion = Conversion {
    to_stored: |scaler| rewrite(scaler, newer),
    from_stored: |scaler| rewrite(scaler, older),
    ..super::SAME
};

/// Annotations of `v1`, with the part and the field of a stored object they stand for.
const KEPT: [(&str, &str, &str); 4] = [
    ("autoscaling.alpha.kubernetes.io/metrics", "spec", "metrics"),
    ("autoscaling.alpha.kubernetes.io/behavior", "spec", "behavior"),
    ("autoscaling.alpha.kubernetes.io/current-metrics", "status", "currentMetrics"),
    ("autoscaling.alpha.kubernetes.io/conditions", "status", "conditions"),
];
/// Where a metric stands that is not just a name: in `v2beta1` all at one level.
const SOURCES: [&str; 5] = ["resource", "containerResource", "pods", "object", "external"];

type Fields = Map<String, Value>;

/// Rewrites the metrics of spec and status.
fn rewrite(scaler: &mut Value, one: fn(&mut Fields, &str, &str)) {
    for (part, list, word) in [("spec", "metrics", "target"), ("status", "currentMetrics", "current")] {
        if let Some(metrics) = fields(scaler, part).and_then(|part| part.get_mut(list)) {
            rewrite_list(metrics, word, one);
        }
    }
}

fn rewrite_list(metrics: &mut Value, word: &str, one: fn(&mut Fields, &str, &str)) {
    for metric in metrics.as_array_mut().into_iter().flatten() {
        for source in SOURCES {
            if let Some(fields) = fields(metric, source) {
                one(fields, source, word);
            }
        }
    }
}

/// The names of an amount: of the older form's fields, and of the stored one's. `word` is `target` or `current`.
fn amounts(source: &str, word: &str) -> [(String, &'static str); 3] {
    // Of an object the average has no prefix.
    let average = if source == "object" { "averageValue".to_owned() } else { format!("{word}AverageValue") };
    [
        (format!("{word}AverageUtilization"), "averageUtilization"),
        (average, "averageValue"),
        (format!("{word}Value"), "value"),
    ]
}

/// From the older form of a metric: `metricName` and `targetAverageValue` become `metric` and `target`.
fn newer(fields: &mut Fields, source: &str, word: &str) {
    if source == "object" {
        rename(fields, "target", "describedObject");
    }
    let mut amount = Map::new();
    for (old, new) in amounts(source, word) {
        if let Some(value) = fields.remove(&old) {
            amount.insert(new.to_owned(), value);
        }
    }
    if word == "target" {
        let kinds = [("averageUtilization", "Utilization"), ("averageValue", "AverageValue"), ("value", "Value")];
        if let Some((_, kind)) = kinds.iter().find(|(key, _)| amount.contains_key(*key)) {
            amount.insert("type".to_owned(), json!(kind));
        }
    }
    if !amount.is_empty() {
        fields.insert(word.to_owned(), Value::Object(amount));
    }
    let selector = if source == "external" { "metricSelector" } else { "selector" };
    let mut metric = Map::new();
    for (old, new) in [("metricName", "name"), (selector, "selector")] {
        if let Some(value) = fields.remove(old) {
            metric.insert(new.to_owned(), value);
        }
    }
    if !metric.is_empty() {
        fields.insert("metric".to_owned(), Value::Object(metric));
    }
}

/// The reverse of [`newer`].
fn older(fields: &mut Fields, source: &str, word: &str) {
    if let Some(Value::Object(mut amount)) = fields.remove(word) {
        for (old, new) in amounts(source, word) {
            if let Some(value) = amount.remove(new) {
                fields.insert(old, value);
            }
        }
    }
    if source == "object" {
        rename(fields, "describedObject", "target");
    }
    let selector = if source == "external" { "metricSelector" } else { "selector" };
    if let Some(Value::Object(mut metric)) = fields.remove("metric") {
        for (old, new) in [("metricName", "name"), (selector, "selector")] {
            if let Some(value) = metric.remove(new) {
                fields.insert(old.to_owned(), value);
            }
        }
    }
}

/// The use of CPU as a metric.
fn cpu(word: &str, percentage: Value) -> Value {
    let mut amount = json!({"averageUtilization": percentage});
    if word == "target" {
        amount["type"] = json!("Utilization");
    }
    json!({"type": "Resource", "resource": {"name": "cpu", word: amount}})
}

/// The percentage, if a metric is the use of CPU.
fn percentage<'a>(metric: &'a Value, word: &str) -> Option<&'a Value> {
    let resource = &metric["resource"];
    (metric["type"] == "Resource" && resource["name"] == "cpu")
        .then(|| &resource[word]["averageUtilization"])
        .filter(|percentage| !percentage.is_null())
}

fn from_v1(scaler: &mut Value) {
    let mut kept = Vec::new();
    if let Some(metadata) = fields(scaler, "metadata")
        && let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
    {
        for (annotation, part, field) in KEPT {
            let read = annotations.remove(annotation).and_then(|v| serde_json::from_str::<Value>(v.as_str()?).ok());
            kept.extend(read.map(|value| (part, field, value)));
        }
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    for (part, field, mut value) in kept {
        let word = if part == "spec" { "target" } else { "current" };
        rewrite_list(&mut value, word, newer);
        set(scaler, part, field, value);
    }
    if let Some(value) = take(scaler, "spec", "targetCPUUtilizationPercentage") {
        let mut metrics = take(scaler, "spec", "metrics").unwrap_or_else(|| json!([]));
        if let Some(metrics) = metrics.as_array_mut() {
            metrics.push(cpu("target", value));
        }
        set(scaler, "spec", "metrics", metrics);
    }
    if let Some(value) = take(scaler, "status", "currentCPUUtilizationPercentage")
        && scaler["status"]["currentMetrics"].is_null()
    {
        set(scaler, "status", "currentMetrics", json!([cpu("current", value)]));
    }
}

fn to_v1(scaler: &mut Value) {
    let first = |list: &Value, word: &str| {
        list.as_array().into_iter().flatten().find_map(|metric| percentage(metric, word)).cloned()
    };
    let target = first(&scaler["spec"]["metrics"], "target");
    let current = first(&scaler["status"]["currentMetrics"], "current");
    if let Some(metrics) = fields(scaler, "spec").and_then(|spec| spec.get_mut("metrics")).and_then(Value::as_array_mut)
    {
        metrics.retain(|metric| percentage(metric, "target").is_none());
    }
    for (annotation, part, field) in KEPT {
        let Some(mut value) = take(scaler, part, field) else { continue };
        if value.as_array().is_some_and(Vec::is_empty) {
            continue;
        }
        rewrite_list(&mut value, if part == "spec" { "target" } else { "current" }, older);
        if scaler["metadata"].is_object() {
            scaler["metadata"]["annotations"][annotation] = json!(value.to_string());
        }
    }
    for (part, field, value) in
        [("spec", "targetCPUUtilizationPercentage", target), ("status", "currentCPUUtilizationPercentage", current)]
    {
        if let Some(value) = value {
            set(scaler, part, field, value);
        }
    }
}

fn take(scaler: &mut Value, part: &str, field: &str) -> Option<Value> {
    fields(scaler, part)?.remove(field).filter(|value| !value.is_null())
}

fn set(scaler: &mut Value, part: &str, field: &str, value: Value) {
    if let Some(scaler) = scaler.as_object_mut()
        && let Some(fields) = scaler.entry(part).or_insert_with(|| json!({})).as_object_mut()
    {
        fields.insert(field.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> Value {
        json!({
            "metadata": {"name": "h"},
            "spec": {"maxReplicas": 3, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 5}}, "metrics": [
                {"type": "Pods", "pods": {"metric": {"name": "m", "selector": {"matchLabels": {"a": "b"}}},
                    "target": {"type": "AverageValue", "averageValue": "10"}}},
                {"type": "Object", "object": {"describedObject": {"kind": "Ingress", "name": "i"},
                    "metric": {"name": "rps"}, "target": {"type": "Value", "value": "2k"}}},
                {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}},
            ]},
            "status": {"currentReplicas": 1, "conditions": [{"type": "AbleToScale", "status": "True"}],
                "currentMetrics": [{"type": "Resource", "resource": {"name": "cpu",
                    "current": {"averageUtilization": 7, "averageValue": "70m"}}}]},
        })
    }

    #[test]
    fn what_the_first_version_cannot_say_is_kept_in_annotations() {
        let mut scaler = stored();
        (AUTOSCALER_V1.from_stored)(&mut scaler);
        assert_eq!(scaler["spec"], json!({"maxReplicas": 3, "targetCPUUtilizationPercentage": 50}));
        assert_eq!(scaler["status"], json!({"currentReplicas": 1, "currentCPUUtilizationPercentage": 7}));
        let metrics = scaler["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"].as_str();
        let metrics: Value = serde_json::from_str(metrics.expect("metrics")).expect("JSON");
        assert_eq!(
            metrics[1]["object"],
            json!({"target": {"kind": "Ingress", "name": "i"}, "metricName": "rps", "targetValue": "2k"})
        );
        (AUTOSCALER_V1.to_stored)(&mut scaler);
        assert_eq!(scaler, stored());
        let mut plain =
            json!({"metadata": {"name": "h"}, "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 80}});
        (AUTOSCALER_V1.to_stored)(&mut plain);
        assert_eq!(plain["spec"], json!({"maxReplicas": 3, "metrics": [cpu("target", json!(80))]}));
        let mut none = json!({"metadata": {"name": "h"}, "spec": {"maxReplicas": 3}});
        (AUTOSCALER_V1.to_stored)(&mut none);
        assert_eq!(none["spec"], json!({"maxReplicas": 3}));
    }

    #[test]
    fn the_second_beta_writes_metrics_otherwise() {
        let mut scaler = stored();
        (AUTOSCALER_V2BETA1.from_stored)(&mut scaler);
        assert_eq!(
            scaler["spec"]["metrics"][0]["pods"],
            json!({"metricName": "m", "selector": {"matchLabels": {"a": "b"}}, "targetAverageValue": "10"})
        );
        assert_eq!(
            scaler["status"]["currentMetrics"][0]["resource"],
            json!({"name": "cpu", "currentAverageUtilization": 7, "currentAverageValue": "70m"})
        );
        (AUTOSCALER_V2BETA1.to_stored)(&mut scaler);
        assert_eq!(scaler, stored());
    }
}
