//! The parts of a pod that have paths of their own: ephemeral containers, and what its containers may use.
//! <https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/>

use super::causes::{forbidden, invalid};
use super::path::FieldPath;
use super::pod_spec::{differences, qos_class};
use kubus_proto::status::Cause;
use serde_json::{Value, json};

/// What may be resized while a container runs.
const RESIZABLE: [&str; 2] = ["cpu", "memory"];
/// Lists of containers that can be resized.
const LISTS: [&str; 2] = ["containers", "initContainers"];

fn named<'a>(pod: &'a Value, list: &str) -> Vec<(&'a str, &'a Value)> {
    let all = pod["spec"][list].as_array().into_iter().flatten();
    all.map(|container| (container["name"].as_str().unwrap_or_default(), container)).collect()
}

/// Takes over everything but the ephemeral containers.
pub fn prepare_ephemeral(new: &mut Value, old: &Value) {
    let list = new["spec"]["ephemeralContainers"].take();
    new.clone_from(old);
    if let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) {
        match list {
            Value::Null => spec.remove("ephemeralContainers"),
            list => spec.insert("ephemeralContainers".to_owned(), list),
        };
    }
}

/// Ephemeral containers come and never go or change.
pub fn ephemeral_rules(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    let path = path.field("ephemeralContainers");
    let after = named(new, "ephemeralContainers");
    for (name, before) in named(old, "ephemeralContainers") {
        match after.iter().find(|(other, _)| *other == name) {
            None => {
                causes.push(forbidden(path, format!("existing ephemeral containers {name:?} may not be removed\n")));
            }
            Some((_, now)) if *now != before => {
                let mut lines = Vec::new();
                differences("", before, now, &mut lines);
                let changes = lines.join("\n");
                let detail = format!("existing ephemeral containers {name:?} may not be changed\n{changes}");
                causes.push(forbidden(path, detail));
            }
            Some(_) => {}
        }
    }
}

/// Takes over everything but what containers may use and what a change of that does to them.
pub fn prepare_resize(new: &mut Value, old: &Value) {
    let sent = std::mem::replace(new, old.clone());
    for list in LISTS {
        let wanted = named(&sent, list);
        let containers = new["spec"].get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let Some((_, from)) = wanted.iter().find(|(name, _)| container["name"] == *name) else { continue };
            for key in ["resources", "resizePolicy"] {
                super::prepare::take_over(container, from, key);
            }
        }
    }
}

/// Only processor and memory change, no request or limit goes, and the quality of service stays.
pub fn resize_rules(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    let class = qos_class(&new["spec"]);
    if old["status"]["qosClass"].as_str().unwrap_or_else(|| qos_class(&old["spec"])) != class {
        causes.push(invalid(path, class, "Pod QOS Class may not change as a result of resizing"));
    }
    for list in LISTS {
        let path = path.field(list);
        for (i, ((_, now), (_, before))) in named(new, list).into_iter().zip(named(old, list)).enumerate() {
            let path = path.index(i);
            let path = path.field("resources");
            for kind in ["limits", "requests"] {
                let (now, before) = (&now["resources"][kind], &before["resources"][kind]);
                let gone = before.as_object().into_iter().flatten().any(|(name, _)| now[name].is_null());
                if gone {
                    causes.push(forbidden(path.field(kind), format!("resource {kind} cannot be removed")));
                }
            }
            if fixed(now) != fixed(before) {
                causes.push(forbidden(path, "only cpu and memory resources are mutable"));
            }
        }
    }
}

/// The resources of a container without what may be resized.
fn fixed(container: &Value) -> Value {
    let mut resources = container["resources"].clone();
    for kind in ["limits", "requests"] {
        if let Some(amounts) = resources.get_mut(kind).and_then(Value::as_object_mut) {
            amounts.retain(|name, _| !RESIZABLE.contains(&name.as_str()));
            if amounts.is_empty() {
                resources[kind] = json!(null);
            }
        }
    }
    super::workload::without_empties(&resources)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(causes: &[Cause]) -> Vec<&str> {
        causes.iter().map(|cause| cause.field.as_str()).collect()
    }

    #[test]
    fn ephemeral_containers_come_and_stay() {
        let pod = |names: &[&str], image: &str| {
            let all: Vec<Value> = names.iter().map(|name| json!({"name": name, "image": "x"})).collect();
            json!({"spec": {"containers": [{"name": "c", "image": image}], "ephemeralContainers": all}})
        };
        let old = pod(&["a"], "x");
        let mut changed = pod(&["a"], "x");
        changed["spec"]["ephemeralContainers"][0]["image"] = json!("y");
        for (new, expected) in
            [(pod(&["a", "b"], "x"), 0), (pod(&["b"], "x"), 1), (json!({"spec": {}}), 1), (changed, 1)]
        {
            let mut prepared = new.clone();
            prepare_ephemeral(&mut prepared, &old);
            let mut causes = Vec::new();
            ephemeral_rules(&prepared, &old, &mut causes);
            assert_eq!(causes.len(), expected, "{new}");
        }
        let mut new = pod(&["a"], "other");
        prepare_ephemeral(&mut new, &old);
        assert_eq!(new, old);
    }

    #[test]
    fn only_processor_and_memory_are_resized() {
        let pod = |requests: Value, limits: Value| {
            let resources = json!({"requests": requests, "limits": limits});
            json!({"spec": {"containers": [{"name": "c", "image": "x", "resources": resources}]}})
        };
        let mut old = pod(json!({"cpu": "1", "example.com/x": "1"}), json!({"example.com/x": "1"}));
        old["status"] = json!({"qosClass": "Burstable"});
        for (new, expected) in [
            (pod(json!({"cpu": "2", "example.com/x": "1"}), json!({"example.com/x": "1"})), vec![]),
            (
                pod(json!({"example.com/x": "1"}), json!({"example.com/x": "1"})),
                vec!["spec", "spec.containers[0].resources.requests"],
            ),
            (
                pod(json!({"cpu": "1", "example.com/x": "2"}), json!({"example.com/x": "2"})),
                vec!["spec.containers[0].resources"],
            ),
        ] {
            let mut prepared = new.clone();
            prepared["spec"]["containers"][0]["image"] = json!("y");
            prepare_resize(&mut prepared, &old);
            assert_eq!(prepared["spec"]["containers"][0]["image"], "x");
            let mut causes = Vec::new();
            resize_rules(&prepared, &old, &mut causes);
            assert_eq!(fields(&causes), expected, "{new}");
        }
    }
}
