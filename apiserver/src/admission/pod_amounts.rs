//! What a pod asks for and may use at most: its containers together, or what an init container needs alone.
//! <https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers>

use super::{Amounts, amounts, items};
use serde_json::Value;

/// The pod's `requests` or `limits` over all its containers, with its overhead.
pub fn of_pod(spec: &Value, which: &str) -> Amounts {
    let mut total = Amounts::new();
    for container in items(spec, "containers") {
        add(&mut total, amounts(&container["resources"][which]));
    }
    let (mut sidecars, mut highest) = (Amounts::new(), Amounts::new());
    for container in items(spec, "initContainers") {
        let own = amounts(&container["resources"][which]);
        if container["restartPolicy"] == "Always" {
            add(&mut sidecars, own.clone());
            add(&mut total, own);
            raise(&mut highest, &sidecars);
        } else {
            let mut at_once = sidecars.clone();
            add(&mut at_once, own);
            raise(&mut highest, &at_once);
        }
    }
    raise(&mut total, &highest);
    // Amounts of the pod as a whole go before those of its containers.
    for (name, amount) in amounts(&spec["resources"][which]) {
        total.insert(name, amount);
    }
    add(&mut total, amounts(&spec["overhead"]));
    total
}

fn add(total: &mut Amounts, more: Amounts) {
    for (name, amount) in more {
        total.entry(name).and_modify(|sum| *sum = *sum + amount).or_insert(amount);
    }
}

fn raise(total: &mut Amounts, least: &Amounts) {
    for (name, amount) in least {
        let sum = total.entry(name.clone()).or_insert(*amount);
        if *sum < *amount {
            *sum = *amount;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn init_containers_count_alone_and_sidecars_beside() {
        let with = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        let sidecar = |cpu: &str| json!({"restartPolicy": "Always", "resources": {"requests": {"cpu": cpu}}});
        for (spec, expected) in [
            (json!({"containers": [with("1"), with("500m")]}), "1500m"),
            (json!({"containers": [with("1")], "initContainers": [with("3"), with("2")]}), "3"),
            (json!({"containers": [with("1")], "initContainers": [sidecar("2"), with("3")]}), "5"),
            (json!({"containers": [with("4")], "initContainers": [sidecar("2"), with("3")]}), "6"),
            (json!({"containers": [with("1")], "overhead": {"cpu": "250m"}}), "1250m"),
        ] {
            assert_eq!(of_pod(&spec, "requests")["cpu"].to_string(), expected, "{spec}");
        }
    }
}
