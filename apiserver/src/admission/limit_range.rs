//! LimitRanger: fills in requests and limits, and refuses what is outside of a namespace's ranges.
//! <https://kubernetes.io/docs/concepts/policy/limit-range/>

use super::{Amounts, amounts, items, pod_amounts};
use kubus_proto::quantity::Quantity;
use kubus_proto::{ApiError, KindRow};
use serde_json::{Map, Value, json};

/// Says on a pod which values were filled in.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";

/// Fills in a new pod's requests and limits from the ranges of its namespace.
pub fn fill(row: &KindRow, object: &mut Value, ranges: &[Value]) {
    if (row.group, row.plural) != ("", "pods") {
        return;
    }
    for range in ranges {
        let mut notes = Vec::new();
        for limit in items(&range["spec"], "limits").filter(|limit| limit["type"] == "Container") {
            for (list, label) in [("containers", "container"), ("initContainers", "init container")] {
                let Some(containers) = object["spec"][list].as_array_mut() else { continue };
                for container in containers {
                    notes.extend(fill_container(container, label, limit));
                }
            }
        }
        if !notes.is_empty() {
            let name = range["metadata"]["name"].as_str().unwrap_or_default();
            let text = format!("LimitRanger plugin set: {}", notes.join("; "));
            tracing::debug!(range = name, text, "limits filled in");
            object["metadata"]["annotations"][ANNOTATION] = json!(text);
        }
    }
}

fn fill_container(container: &mut Value, label: &str, limit: &Value) -> Vec<String> {
    let name = container["name"].as_str().unwrap_or_default().to_owned();
    let mut notes = Vec::new();
    // A request that is left out is the container's own limit before it is the range's default.
    let own_limits = container["resources"]["limits"].clone();
    for (field, source) in [("requests", "defaultRequest"), ("limits", "default")] {
        let defaults = limit[source].as_object().cloned().unwrap_or_default();
        let mut added = Vec::new();
        for (resource, amount) in defaults {
            let Some(own) = own_amounts(container, field) else { continue };
            if own.contains_key(&resource) {
                continue;
            }
            let limited = own_limits.get(&resource).filter(|_| field == "requests");
            own.insert(resource.clone(), limited.unwrap_or(&amount).clone());
            added.push(resource);
        }
        if !added.is_empty() {
            let kind = if field == "requests" { "request" } else { "limit" };
            notes.push(format!("{} {kind} for {label} {name}", added.join(", ")));
        }
    }
    notes
}

fn own_amounts<'a>(container: &'a mut Value, field: &str) -> Option<&'a mut Map<String, Value>> {
    let resources = container.as_object_mut()?.entry("resources").or_insert_with(|| json!({})).as_object_mut()?;
    resources.entry(field).or_insert_with(|| json!({})).as_object_mut()
}

/// Refuses an object that is outside of the ranges of its namespace; every violation is named.
pub fn check(row: &KindRow, object: &Value, ranges: &[Value]) -> Result<(), ApiError> {
    let mut wrong = Vec::new();
    for limit in ranges.iter().flat_map(|range| items(&range["spec"], "limits")) {
        match (row.group, row.plural, limit["type"].as_str().unwrap_or_default()) {
            ("", "pods", "Container") => {
                for list in ["initContainers", "containers"] {
                    for container in items(&object["spec"], list) {
                        let resources = &container["resources"];
                        let own = (amounts(&resources["requests"]), amounts(&resources["limits"]));
                        violations("Container", limit, &own.0, &own.1, &mut wrong);
                    }
                }
            }
            ("", "pods", "Pod") => {
                let of = |which| pod_amounts::of_pod(&object["spec"], which);
                violations("Pod", limit, &of("requests"), &of("limits"), &mut wrong);
            }
            ("", "persistentvolumeclaims", "PersistentVolumeClaim") => {
                let requests = amounts(&object["spec"]["resources"]["requests"]);
                violations("PersistentVolumeClaim", limit, &requests, &requests, &mut wrong);
            }
            _ => {}
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let why = if wrong.len() == 1 { wrong.remove(0) } else { format!("[{}]", wrong.join(", ")) };
    Err(ApiError::forbidden(row.group, row.plural, name, &why))
}

fn violations(kind: &str, limit: &Value, requests: &Amounts, limits: &Amounts, wrong: &mut Vec<String>) {
    for (name, least) in amounts(&limit["min"]) {
        match (requests.get(&name), limits.get(&name)) {
            (None, _) => {
                wrong.push(format!("minimum {name} usage per {kind} is {least}.  No request is specified"));
            }
            (Some(request), _) if *request < least => {
                wrong.push(format!("minimum {name} usage per {kind} is {least}, but request is {request}"));
            }
            (_, Some(limited)) if *limited < least => {
                wrong.push(format!("minimum {name} usage per {kind} is {least}, but limit is {limited}"));
            }
            _ => {}
        }
    }
    for (name, most) in amounts(&limit["max"]) {
        match (requests.get(&name), limits.get(&name)) {
            (_, None) => wrong.push(format!("maximum {name} usage per {kind} is {most}.  No limit is specified")),
            (_, Some(limited)) if *limited > most => {
                wrong.push(format!("maximum {name} usage per {kind} is {most}, but limit is {limited}"));
            }
            (Some(request), _) if *request > most => {
                wrong.push(format!("maximum {name} usage per {kind} is {most}, but request is {request}"));
            }
            _ => {}
        }
    }
    for (name, ratio) in amounts(&limit["maxLimitRequestRatio"]) {
        let (Some(request), Some(limited)) = (requests.get(&name), limits.get(&name)) else {
            wrong.push(format!(
                "{name} max limit to request ratio per {kind} is {ratio}, but no request is specified or request is 0"
            ));
            continue;
        };
        if exceeds(*limited, *request, ratio) {
            let is = limited.milli_value() as f64 / request.milli_value().max(1) as f64;
            wrong.push(format!(
                "{name} max limit to request ratio per {kind} is {ratio}, but provided ratio is {is:.6}"
            ));
        }
    }
}

fn exceeds(limit: Quantity, request: Quantity, ratio: Quantity) -> bool {
    i128::from(limit.milli_value()) * 1000 > i128::from(request.milli_value()) * i128::from(ratio.milli_value())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubus_proto::kinds::pod;

    fn range(limit: Value) -> Vec<Value> {
        vec![json!({"metadata": {"name": "limits"}, "spec": {"limits": [limit]}})]
    }

    fn a_pod(resources: Value) -> Value {
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "resources": resources}]}})
    }

    #[test]
    fn what_is_left_out_is_filled_in() {
        let ranges = range(json!({"type": "Container", "default": {"cpu": "500m", "memory": "1Gi"},
            "defaultRequest": {"cpu": "200m"}}));
        for (given, expected) in [
            (json!({}), json!({"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": "200m"}})),
            (
                json!({"limits": {"cpu": "2"}}),
                json!({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "2"}}),
            ),
            (
                json!({"requests": {"cpu": "1"}}),
                json!({"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": "1"}}),
            ),
        ] {
            let mut object = a_pod(given);
            fill(&pod::ROW, &mut object, &ranges);
            assert_eq!(object["spec"]["containers"][0]["resources"], expected);
        }
        let mut object = a_pod(json!({}));
        fill(&pod::ROW, &mut object, &ranges);
        assert_eq!(
            object["metadata"]["annotations"][ANNOTATION],
            "LimitRanger plugin set: cpu request for container c; cpu, memory limit for container c"
        );
    }

    #[test]
    fn what_is_outside_is_refused() {
        let limits = json!({"type": "Container", "min": {"cpu": "100m"}, "max": {"cpu": "1"},
            "maxLimitRequestRatio": {"cpu": "2"}});
        for (given, message) in [
            (json!({"requests": {"cpu": "500m"}, "limits": {"cpu": "1"}}), ""),
            (
                json!({"requests": {"cpu": "50m"}, "limits": {"cpu": "100m"}}),
                "minimum cpu usage per Container is 100m, but request is 50m",
            ),
            (
                json!({"requests": {"cpu": "1"}, "limits": {"cpu": "2"}}),
                "maximum cpu usage per Container is 1, but limit is 2",
            ),
            (
                json!({"requests": {"cpu": "100m"}, "limits": {"cpu": "1"}}),
                "cpu max limit to request ratio per Container is 2, but provided ratio is 10.000000",
            ),
        ] {
            let answer = check(&pod::ROW, &a_pod(given.clone()), &range(limits.clone()));
            let said = answer.err().map_or_else(String::new, |error| error.message);
            let expected =
                if message.is_empty() { String::new() } else { format!("pods \"p\" is forbidden: {message}") };
            assert_eq!(said, expected, "{given}");
        }
    }
}
