//! The quality of service class of a pod. <https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/>

use kubus_proto::quantity::Quantity;
use serde_json::Value;
use std::cmp::Ordering;

/// `Guaranteed`, `Burstable` or `BestEffort`, from the cpu and memory of a pod's containers.
pub fn qos_class(spec: &Value) -> &'static str {
    let lists = [&spec["containers"], &spec["initContainers"]];
    let containers = || lists.into_iter().flat_map(|list| list.as_array().into_iter().flatten());
    let amount = |container: &Value, kind: &str, name: &str| {
        let amount = &container["resources"][kind][name];
        amount.as_str().and_then(|text| Quantity::parse(text).ok()).filter(|q| !q.is_negative() && q.milli_value() != 0)
    };
    let (mut any, mut all) = (false, true);
    for container in containers() {
        for name in ["cpu", "memory"] {
            let (request, limit) = (amount(container, "requests", name), amount(container, "limits", name));
            any |= request.is_some() || limit.is_some();
            // A request that is not given is the limit.
            let request = request.or(limit);
            all &= request.zip(limit).is_some_and(|(r, l)| same_amount(r, l));
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// Whether two quantities are as much, however they are written.
pub fn same_amount(a: Quantity, b: Quantity) -> bool {
    a.partial_cmp(&b) == Some(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn classes_follow_requests_and_limits() {
        let both = json!({"cpu": "1", "memory": "1Gi"});
        let container =
            |requests: &Value, limits: &Value| json!({"resources": {"requests": requests, "limits": limits}});
        for (containers, expected) in [
            (vec![json!({})], "BestEffort"),
            (vec![container(&json!({"cpu": "0"}), &json!({}))], "BestEffort"),
            (vec![container(&json!({"example.com/gpu": "1"}), &json!({"example.com/gpu": "1"}))], "BestEffort"),
            (vec![container(&json!({"cpu": "1"}), &json!({}))], "Burstable"),
            (vec![container(&both, &both)], "Guaranteed"),
            (vec![container(&json!({}), &both)], "Guaranteed"),
            (vec![container(&json!({"cpu": "500m"}), &both)], "Burstable"),
            (vec![container(&both, &both), json!({})], "Burstable"),
        ] {
            assert_eq!(qos_class(&json!({"containers": containers})), expected);
        }
    }
}
