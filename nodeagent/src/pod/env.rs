//! Variables of a container: values, fields of the pod, resources, keys of ConfigMaps and Secrets.
//! <https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-container/>

use super::expansion::expand;
use super::tokens::TokenNeed;
use crate::pod::qos::amount;
use k8s_openapi::api::core::v1::{ConfigMap, Container, EnvVar, Pod, ResourceFieldSelector, Secret};
use kubus_proto::quantity::Quantity;
use std::collections::{BTreeMap, BTreeSet};

/// ConfigMaps and Secrets of the pod's namespace by name; `None` is one that is not there.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// ConfigMaps.
    pub config_maps: BTreeMap<String, Option<ConfigMap>>,
    /// Secrets.
    pub secrets: BTreeMap<String, Option<Secret>>,
    /// Tokens of the pod's service account.
    pub tokens: BTreeMap<TokenNeed, String>,
}

/// Names of what has to be looked up before variables or volumes can be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// ConfigMaps.
    pub config_maps: BTreeSet<String>,
    /// Secrets.
    pub secrets: BTreeSet<String>,
    /// Tokens of the pod's service account.
    pub tokens: BTreeSet<TokenNeed>,
}

/// What a pod's variables tell of its node.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Node's address.
    pub host_ip: String,
    /// Pod's address.
    pub pod_ip: String,
    /// Node's allocatable CPUs, in thousandths.
    pub node_cpu_milli: i64,
    /// Node's allocatable memory in bytes.
    pub node_memory_bytes: i64,
}

/// A variable cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    /// No such ConfigMap.
    #[error("configmap {0:?} not found")]
    ConfigMap(String),
    /// No such Secret.
    #[error("secret {0:?} not found")]
    Secret(String),
    /// No such key in a ConfigMap.
    #[error("couldn't find key {key} in ConfigMap {namespace}/{name}")]
    ConfigMapKey {
        /// Key.
        key: String,
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
    },
    /// No such key in a Secret.
    #[error("couldn't find key {key} in Secret {namespace}/{name}")]
    SecretKey {
        /// Key.
        key: String,
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
    },
    /// A field that cannot be a variable.
    #[error("unsupported fieldPath: {0}")]
    Field(String),
    /// A resource that cannot be a variable.
    #[error("unsupported container resource : {0}")]
    Resource(String),
}

/// What the variables of `container` are made of.
pub fn needs(container: &Container) -> Needs {
    let mut needs = Needs::default();
    for from in container.env_from.iter().flatten() {
        needs.config_maps.extend(from.config_map_ref.iter().map(|r| r.name.clone()));
        needs.secrets.extend(from.secret_ref.iter().map(|r| r.name.clone()));
    }
    for from in container.env.iter().flatten().filter_map(|v| v.value_from.as_ref()) {
        needs.config_maps.extend(from.config_map_key_ref.iter().map(|r| r.name.clone()));
        needs.secrets.extend(from.secret_key_ref.iter().map(|r| r.name.clone()));
    }
    needs
}

/// The variables of `container`, in order, the last of a name winning in place of the first.
pub fn resolve(
    pod: &Pod,
    container: &Container,
    sources: &Sources,
    around: &Surroundings,
) -> Result<Vec<(String, String)>, EnvError> {
    let mut env = Variables::default();
    for from in container.env_from.iter().flatten() {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        if let Some(reference) = &from.config_map_ref {
            match config_map(sources, &reference.name) {
                Some(map) => {
                    for (key, value) in map.data.iter().flatten() {
                        env.set(format!("{prefix}{key}"), value.clone());
                    }
                }
                None if reference.optional == Some(true) => {}
                None => return Err(EnvError::ConfigMap(reference.name.clone())),
            }
        }
        if let Some(reference) = &from.secret_ref {
            match secret(sources, &reference.name) {
                Some(secret) => {
                    for (key, value) in secret.data.iter().flatten() {
                        env.set(format!("{prefix}{key}"), String::from_utf8_lossy(&value.0).into_owned());
                    }
                }
                None if reference.optional == Some(true) => {}
                None => return Err(EnvError::Secret(reference.name.clone())),
            }
        }
    }
    for variable in container.env.iter().flatten() {
        if let Some(value) = value(pod, container, variable, sources, around, &env)? {
            env.set(variable.name.clone(), value);
        }
    }
    Ok(env.list)
}

#[derive(Default)]
struct Variables {
    list: Vec<(String, String)>,
}

impl Variables {
    fn set(&mut self, name: String, value: String) {
        match self.list.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = value,
            None => self.list.push((name, value)),
        }
    }

    fn get(&self, name: &str) -> Option<String> {
        self.list.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }
}

fn config_map<'a>(sources: &'a Sources, name: &str) -> Option<&'a ConfigMap> {
    sources.config_maps.get(name)?.as_ref()
}

fn secret<'a>(sources: &'a Sources, name: &str) -> Option<&'a Secret> {
    sources.secrets.get(name)?.as_ref()
}

fn value(
    pod: &Pod,
    container: &Container,
    variable: &EnvVar,
    sources: &Sources,
    around: &Surroundings,
    env: &Variables,
) -> Result<Option<String>, EnvError> {
    let Some(from) = &variable.value_from else {
        return Ok(Some(expand(variable.value.as_deref().unwrap_or_default(), |name| env.get(name))));
    };
    let namespace = pod.metadata.namespace.clone().unwrap_or_default();
    if let Some(field) = &from.field_ref {
        return self::field(pod, &field.field_path, around)
            .map(Some)
            .ok_or_else(|| EnvError::Field(field.field_path.clone()));
    }
    if let Some(selector) = &from.resource_field_ref {
        return resource(pod, container, selector, around).map(Some);
    }
    if let Some(key) = &from.config_map_key_ref {
        let map = config_map(sources, &key.name);
        return match map.and_then(|m| m.data.as_ref()?.get(&key.key)) {
            Some(value) => Ok(Some(value.clone())),
            None if key.optional == Some(true) => Ok(None),
            None if map.is_none() => Err(EnvError::ConfigMap(key.name.clone())),
            None => Err(EnvError::ConfigMapKey { key: key.key.clone(), namespace, name: key.name.clone() }),
        };
    }
    if let Some(key) = &from.secret_key_ref {
        let found = secret(sources, &key.name);
        return match found.and_then(|s| s.data.as_ref()?.get(&key.key)) {
            Some(value) => Ok(Some(String::from_utf8_lossy(&value.0).into_owned())),
            None if key.optional == Some(true) => Ok(None),
            None if found.is_none() => Err(EnvError::Secret(key.name.clone())),
            None => Err(EnvError::SecretKey { key: key.key.clone(), namespace, name: key.name.clone() }),
        };
    }
    Ok(None)
}

/// A field of the pod as text (`metadata.name`, `metadata.labels['a']`, `status.podIP`, …).
pub fn field(pod: &Pod, path: &str, around: &Surroundings) -> Option<String> {
    let meta = &pod.metadata;
    let spec = super::state::spec(pod);
    if let Some((map, key)) = path.strip_suffix("']").and_then(|p| p.split_once("['")) {
        let map = match map {
            "metadata.labels" => meta.labels.as_ref(),
            "metadata.annotations" => meta.annotations.as_ref(),
            _ => return None,
        };
        return Some(map.and_then(|m| m.get(key)).cloned().unwrap_or_default());
    }
    let lines = |map: Option<&BTreeMap<String, String>>| {
        map.into_iter().flatten().map(|(k, v)| format!("{k}={v:?}")).collect::<Vec<_>>().join("\n")
    };
    match path {
        "metadata.name" => meta.name.clone(),
        "metadata.namespace" => meta.namespace.clone(),
        "metadata.uid" => meta.uid.clone(),
        "metadata.labels" => Some(lines(meta.labels.as_ref())),
        "metadata.annotations" => Some(lines(meta.annotations.as_ref())),
        "spec.nodeName" => Some(spec.node_name.clone().unwrap_or_default()),
        "spec.serviceAccountName" => Some(spec.service_account_name.clone().unwrap_or_default()),
        "status.hostIP" | "status.hostIPs" => Some(around.host_ip.clone()),
        "status.podIP" | "status.podIPs" => Some(around.pod_ip.clone()),
        _ => None,
    }
}

/// A container's request or limit as a whole number of `divisor`; the node's amount where there is no limit.
pub fn resource(
    pod: &Pod,
    container: &Container,
    selector: &ResourceFieldSelector,
    around: &Surroundings,
) -> Result<String, EnvError> {
    let container = match selector.container_name.as_deref().filter(|n| !n.is_empty()) {
        Some(name) => super::state::containers(pod).map(|(c, _)| c).find(|c| c.name == name).unwrap_or(container),
        None => container,
    };
    let unsupported = || EnvError::Resource(selector.resource.clone());
    let (list, name) = selector.resource.split_once('.').ok_or_else(unsupported)?;
    let resources = container.resources.as_ref();
    let (limits, requests) = (resources.and_then(|r| r.limits.as_ref()), resources.and_then(|r| r.requests.as_ref()));
    let given = match list {
        "limits" => amount(limits, name),
        "requests" => amount(requests, name),
        _ => return Err(unsupported()),
    };
    let node = match (list, name) {
        ("limits", "cpu") => Quantity::from_milli(around.node_cpu_milli),
        ("limits", "memory") => Quantity::from_bytes(around.node_memory_bytes),
        (_, "cpu" | "memory" | "ephemeral-storage") => Quantity::ZERO,
        _ => return Err(unsupported()),
    };
    let quantity = given.unwrap_or(node);
    let divisor = selector.divisor.as_ref().and_then(|d| Quantity::parse(&d.0).ok()).filter(|d| d.milli_value() > 0);
    // As Kubernetes does: thousandths for CPU, whole numbers for the rest, both rounded up.
    let (amount, unit) = if name == "cpu" {
        (quantity.milli_value(), divisor.map_or(1_000, Quantity::milli_value))
    } else {
        (quantity.value(), divisor.map_or(1, Quantity::value))
    };
    Ok((amount / unit + i64::from(amount % unit != 0)).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(container: Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"app": "web"}},
            "spec": {"nodeName": "node-1", "containers": [container]},
        }))
        .expect("a pod")
    }

    fn resolved(container: Value) -> Result<Vec<(String, String)>, EnvError> {
        let pod = pod(container);
        let map = json!({"data": {"k": "v", "k2": "v2"}});
        let secret = json!({"data": {"pw": "czNjcmV0"}});
        let sources = Sources {
            config_maps: BTreeMap::from([
                ("m".to_owned(), Some(serde_json::from_value(map).expect("map"))),
                ("gone".to_owned(), None),
            ]),
            secrets: BTreeMap::from([("s".to_owned(), Some(serde_json::from_value(secret).expect("secret")))]),
            tokens: BTreeMap::new(),
        };
        let around = Surroundings {
            host_ip: "10.0.0.1".into(),
            pod_ip: "172.17.0.9".into(),
            node_cpu_milli: 2_000,
            node_memory_bytes: 1 << 30,
        };
        resolve(&pod, &super::super::state::spec(&pod).containers[0], &sources, &around)
    }

    #[test]
    fn variables_come_from_everywhere() {
        let rows = [
            (
                json!([{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)-$(C)"}]),
                vec![("A", "1"), ("B", "1-$(C)")],
            ),
            (json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]), vec![("A", "2")]),
            (json!([{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]), vec![("N", "p")]),
            (
                json!([{"name": "L", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}}]),
                vec![("L", "web")],
            ),
            (
                json!([{"name": "I", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]),
                vec![("I", "172.17.0.9")],
            ),
            (json!([{"name": "K", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}}]), vec![("K", "v")]),
            (
                json!([{"name": "K", "valueFrom": {"configMapKeyRef": {"name": "gone", "key": "k", "optional": true}}}]),
                vec![],
            ),
            (json!([{"name": "P", "valueFrom": {"secretKeyRef": {"name": "s", "key": "pw"}}}]), vec![("P", "s3cret")]),
            (json!([{"name": "C", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]), vec![("C", "1")]),
            (
                json!([{"name": "C", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}}]),
                vec![("C", "250")],
            ),
            (
                json!([{"name": "M", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}}]),
                vec![("M", "1024")],
            ),
        ];
        for (env, expected) in rows {
            let container = json!({"name": "c", "env": env, "resources": {"limits": {"cpu": "250m"}}});
            let expected: Vec<_> = expected.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
            assert_eq!(resolved(container), Ok(expected), "{env}");
        }
    }

    #[test]
    fn whole_maps_come_first_and_are_overridden() {
        let container = json!({"name": "c",
            "envFrom": [{"prefix": "X_", "configMapRef": {"name": "m"}}, {"secretRef": {"name": "no", "optional": true}}],
            "env": [{"name": "X_k", "value": "mine"}]});
        let expected = vec![("X_k".to_owned(), "mine".to_owned()), ("X_k2".to_owned(), "v2".to_owned())];
        assert_eq!(resolved(container), Ok(expected));
    }

    #[test]
    fn what_is_missing_is_named() {
        for (env, message) in [
            (
                json!([{"name": "K", "valueFrom": {"configMapKeyRef": {"name": "gone", "key": "k"}}}]),
                "configmap \"gone\" not found",
            ),
            (
                json!([{"name": "K", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "z"}}}]),
                "couldn't find key z in ConfigMap n/m",
            ),
            (
                json!([{"name": "K", "valueFrom": {"secretKeyRef": {"name": "t", "key": "z"}}}]),
                "secret \"t\" not found",
            ),
            (
                json!([{"name": "K", "valueFrom": {"secretKeyRef": {"name": "s", "key": "z"}}}]),
                "couldn't find key z in Secret n/s",
            ),
            (
                json!([{"name": "K", "valueFrom": {"fieldRef": {"fieldPath": "spec.nope"}}}]),
                "unsupported fieldPath: spec.nope",
            ),
        ] {
            let error = resolved(json!({"name": "c", "env": env})).expect_err("missing");
            assert_eq!(error.to_string(), message);
        }
    }
}
