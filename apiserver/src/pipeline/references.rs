//! Which Secrets, ConfigMaps and ServiceAccounts a pod refers to: what its node may read.

use crate::authorize::Relations;
use crate::state::{Key, State};
use kubus_proto::kinds::pod;
use serde_json::Value;

/// Where a pod's spec names an object: plural of its kind, the field that holds the reference, the name's key in it.
const REFERENCES: &[(&str, &str, &str)] = &[
    ("secrets", "secret", "secretName"),
    ("secrets", "secret", "name"),
    ("secrets", "secretRef", "name"),
    ("secrets", "secretKeyRef", "name"),
    ("secrets", "imagePullSecrets", "name"),
    ("configmaps", "configMap", "name"),
    ("configmaps", "configMapRef", "name"),
    ("configmaps", "configMapKeyRef", "name"),
];

/// Whether a pod's spec refers to the object `name` of `resource`.
pub fn refers(spec: &Value, resource: &str, name: &str) -> bool {
    if resource == "serviceaccounts" {
        return spec["serviceAccountName"] == name;
    }
    let rows: Vec<_> = REFERENCES.iter().filter(|(plural, ..)| *plural == resource).collect();
    holds(spec, "", &|field, value| rows.iter().any(|(_, holder, key)| *holder == field && value[*key] == name))
}

/// Whether `test` is true of any map in `value`, which stands in `field`; items of a list stand in the list's field.
fn holds(value: &Value, field: &str, test: &dyn Fn(&str, &Value) -> bool) -> bool {
    match value {
        Value::Object(map) => test(field, value) || map.iter().any(|(key, inner)| holds(inner, key, test)),
        Value::Array(items) => items.iter().any(|item| holds(item, field, test)),
        _ => false,
    }
}

impl Relations for State {
    fn pod_node(&self, namespace: &str, name: &str) -> Option<String> {
        let key = Key::new(pod::ROW.resource_key(), namespace, name);
        self.get(&key).map(|pod| pod.scope.clone())
    }

    fn node_uses(&self, node: &str, resource: &str, namespace: &str, name: &str) -> bool {
        let pods = pod::ROW.resource_key();
        let mut own = self.list(&pods, Some(namespace), None).filter(|(_, pod)| pod.scope == node);
        own.any(|(_, pod)| pod.decode().is_ok_and(|pod| refers(&pod["spec"], resource, name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_way_to_name_an_object_is_found() {
        let spec = json!({
            "serviceAccountName": "robot",
            "imagePullSecrets": [{"name": "pull"}],
            "volumes": [
                {"name": "a", "secret": {"secretName": "vol"}},
                {"name": "b", "configMap": {"name": "conf"}},
                {"name": "c", "projected": {"sources": [{"secret": {"name": "proj"}}, {"configMap": {"name": "projc"}}]}},
            ],
            "containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "from"}}, {"configMapRef": {"name": "fromc"}}],
                "env": [{"valueFrom": {"secretKeyRef": {"name": "key", "key": "k"}}},
                    {"valueFrom": {"configMapKeyRef": {"name": "keyc", "key": "k"}}}]}],
        });
        for name in ["pull", "vol", "proj", "from", "key"] {
            assert!(refers(&spec, "secrets", name), "{name}");
            assert!(!refers(&spec, "configmaps", name), "{name}");
        }
        for name in ["conf", "projc", "fromc", "keyc", "c"] {
            assert_eq!(refers(&spec, "configmaps", name), name != "c", "{name}");
        }
        assert!(refers(&spec, "serviceaccounts", "robot") && !refers(&spec, "serviceaccounts", "default"));
    }
}
