//! HorizontalPodAutoscaler: as many pods as metrics ask for.

use super::{KindRow, PLAIN, cells, status};
use crate::table::{AGE, NAME, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of HorizontalPodAutoscaler.
pub static ROW: KindRow = KindRow {
    group: "autoscaling",
    version: "v2",
    kind: "HorizontalPodAutoscaler",
    plural: "horizontalpodautoscalers",
    singular: "horizontalpodautoscaler",
    short_names: &["hpa"],
    categories: &["all"],
    subresources: &[status("HorizontalPodAutoscaler")],
    columns: &[NAME, text("Reference"), text("Targets"), text("MinPods"), text("MaxPods"), text("Replicas"), AGE],
    cells: autoscaler_cells,
    ..PLAIN
};

/// Most metrics that are listed.
const METRICS_LIMIT: usize = 2;

fn autoscaler_cells(scaler: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&scaler["spec"], &scaler["status"]);
    let target = &spec["scaleTargetRef"];
    let least = spec["minReplicas"].as_i64().map_or("<unset>".to_owned(), |least| least.to_string());
    vec![
        cells::name(scaler),
        json!(format!("{}/{}", cells::string(&target["kind"]), cells::string(&target["name"]))),
        json!(metrics(spec, status)),
        json!(least),
        json!(cells::number(&spec["maxReplicas"])),
        json!(cells::number(&status["currentReplicas"])),
        cells::age(scaler, now),
    ]
}

/// `cpu: 10%/80%, 5/10 (avg) + 1 more...`
pub fn metrics(spec: &Value, status: &Value) -> String {
    let texts: Vec<String> =
        cells::list(&spec["metrics"]).enumerate().map(|(i, m)| metric(m, &status["currentMetrics"][i])).collect();
    match texts.len() {
        0 => "<none>".to_owned(),
        count if count > METRICS_LIMIT => {
            format!("{} + {} more...", texts[..METRICS_LIMIT].join(", "), count - METRICS_LIMIT)
        }
        _ => texts.join(", "),
    }
}

fn metric(metric: &Value, now: &Value) -> String {
    let (source, percent_of) = match metric["type"].as_str().unwrap_or_default() {
        "External" => ("external", false),
        "Pods" => ("pods", false),
        "Object" => ("object", false),
        "Resource" => ("resource", true),
        "ContainerResource" => ("containerResource", true),
        _ => return "<unknown type>".to_owned(),
    };
    let (target, current) = (&metric[source]["target"], &now[source]["current"]);
    let known = |value: &Value, otherwise: &str| match value {
        Value::Null => otherwise.to_owned(),
        value => cells::string(value),
    };
    let average = !target["averageValue"].is_null();
    if percent_of {
        let name = cells::string(&metric[source]["name"]);
        if average {
            let current = known(&current["averageValue"], "<unknown>");
            return format!("{name}: {current}/{}", cells::string(&target["averageValue"]));
        }
        let percent = |value: &Value, otherwise: &str| {
            value.as_i64().map_or_else(|| otherwise.to_owned(), |percent| format!("{percent}%"))
        };
        let wanted = percent(&target["averageUtilization"], "<auto>");
        return format!("{name}: {}/{wanted}", percent(&current["averageUtilization"], "<unknown>"));
    }
    let key = if average { "averageValue" } else { "value" };
    let note = if average && source != "pods" { " (avg)" } else { "" };
    format!("{}/{}{note}", known(&current[key], "<unknown>"), known(&target[key], "0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_read_like_kubectls() {
        let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}});
        let pods = json!({"type": "Pods", "pods": {"target": {"averageValue": "10"}}});
        let other = json!({"type": "External", "external": {"target": {"averageValue": "5"}}});
        let now = json!({"type": "Resource", "resource": {"current": {"averageUtilization": 12}}});
        for (metrics_of, current, expected) in [
            (json!([]), json!([]), "<none>"),
            (json!([cpu]), json!(null), "cpu: <unknown>/80%"),
            (json!([cpu, pods]), json!([now]), "cpu: 12%/80%, <unknown>/10"),
            (json!([cpu, other, pods]), json!([now]), "cpu: 12%/80%, <unknown>/5 (avg) + 1 more..."),
        ] {
            assert_eq!(metrics(&json!({"metrics": metrics_of}), &json!({"currentMetrics": current})), expected);
        }
    }
}
