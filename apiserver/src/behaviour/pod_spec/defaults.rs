//! Defaults of a pod's or a template's spec. Values are edited in place, so that fields this version does not know stay.

use crate::behaviour::defaulting::{items, object, put, put_empty, put_filled};
use serde_json::{Map, Value, json};

/// Mode of files in volumes, `0644`.
const FILE_MODE: i64 = 0o644;
const TOKEN_SECONDS: i64 = 3600;

type Fields = Map<String, Value>;

/// What templates and pods have in common.
pub fn default_pod_spec(spec: &mut Value) {
    let Some(spec) = spec.as_object_mut() else { return };
    put_filled(spec, "dnsPolicy", "ClusterFirst");
    put_filled(spec, "restartPolicy", "Always");
    put_filled(spec, "schedulerName", "default-scheduler");
    put(spec, "terminationGracePeriodSeconds", 30);
    put_empty(spec, "securityContext");
    // The older name of the service account is kept in step with the newer.
    let account = ["serviceAccountName", "serviceAccount"]
        .into_iter()
        .find_map(|key| spec.get(key)?.as_str().filter(|n| !n.is_empty()));
    if let Some(account) = account.map(str::to_owned) {
        spec.insert("serviceAccountName".to_owned(), json!(account));
        spec.insert("serviceAccount".to_owned(), json!(account));
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        items(spec, list).for_each(|container| default_container(container, list != "ephemeralContainers"));
    }
    items(spec, "volumes").for_each(default_volume);
}

/// What pods have but templates have not.
pub fn default_pod_only(spec: &mut Value) {
    let Some(spec) = spec.as_object_mut() else { return };
    put(spec, "enableServiceLinks", true);
    let host_network = spec.get("hostNetwork") == Some(&Value::Bool(true));
    for list in ["containers", "initContainers"] {
        for container in items(spec, list) {
            if host_network {
                for port in items(container, "ports") {
                    let number = port.get("containerPort").cloned().unwrap_or_default();
                    if port.get("hostPort").and_then(Value::as_i64).unwrap_or_default() == 0 {
                        port.insert("hostPort".to_owned(), number);
                    }
                }
            }
            requests_from_limits(container);
        }
    }
}

/// What is limited but not asked for is asked for in full.
fn requests_from_limits(container: &mut Fields) {
    let Some(resources) = object(container, "resources") else { return };
    let Some(limits) = resources.get("limits").and_then(Value::as_object).filter(|l| !l.is_empty()).cloned() else {
        return;
    };
    put_empty(resources, "requests");
    if let Some(requests) = object(resources, "requests") {
        for (name, limit) in limits {
            requests.entry(name).or_insert(limit);
        }
    }
}

fn default_container(container: &mut Fields, own_resources: bool) {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let policy = if tag_is_latest(image) { "Always" } else { "IfNotPresent" };
    put_filled(container, "imagePullPolicy", policy);
    put_filled(container, "terminationMessagePath", "/dev/termination-log");
    put_filled(container, "terminationMessagePolicy", "File");
    if own_resources {
        put_empty(container, "resources");
    }
    items(container, "ports").for_each(|port| put_filled(port, "protocol", "TCP"));
    for variable in items(container, "env") {
        if let Some(source) = object(variable, "valueFrom") {
            default_references(source);
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = object(container, probe) {
            default_probe(probe);
        }
    }
    if let Some(lifecycle) = object(container, "lifecycle") {
        for hook in ["postStart", "preStop"] {
            if let Some(hook) = object(lifecycle, hook) {
                default_http(hook);
            }
        }
    }
}

fn default_http(handler: &mut Fields) {
    if let Some(http) = object(handler, "httpGet") {
        put_filled(http, "path", "/");
        put_filled(http, "scheme", "HTTP");
    }
}

fn default_probe(probe: &mut Fields) {
    for (field, value) in
        [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
    {
        if probe.get(field).and_then(Value::as_i64).unwrap_or_default() == 0 {
            probe.insert(field.to_owned(), json!(value));
        }
    }
    default_http(probe);
    if let Some(grpc) = object(probe, "grpc") {
        put(grpc, "service", "");
    }
}

/// `fieldRef` and `resourceFieldRef`.
fn default_references(source: &mut Fields) {
    if let Some(field) = object(source, "fieldRef") {
        put_filled(field, "apiVersion", "v1");
    }
    if let Some(resource) = object(source, "resourceFieldRef") {
        put(resource, "divisor", "0");
    }
}

fn default_volume(volume: &mut Fields) {
    if volume.keys().all(|key| key == "name") {
        put_empty(volume, "emptyDir");
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = object(volume, source) {
            put(source, "defaultMode", FILE_MODE);
            items(source, "items").for_each(default_references);
        }
    }
    if let Some(path) = object(volume, "hostPath") {
        put(path, "type", "");
    }
    if let Some(projected) = object(volume, "projected") {
        for source in items(projected, "sources") {
            if let Some(token) = object(source, "serviceAccountToken") {
                put(token, "expirationSeconds", TOKEN_SECONDS);
            }
            if let Some(downward) = object(source, "downwardAPI") {
                items(downward, "items").for_each(default_references);
            }
        }
    }
    for (source, field, value) in [
        ("iscsi", "iscsiInterface", "default"),
        ("rbd", "pool", "rbd"),
        ("rbd", "user", "admin"),
        ("rbd", "keyring", "/etc/ceph/keyring"),
        ("azureDisk", "cachingMode", "ReadWrite"),
        ("azureDisk", "fsType", "ext4"),
        ("azureDisk", "kind", "Shared"),
        ("scaleIO", "storageMode", "ThinProvisioned"),
        ("scaleIO", "fsType", "xfs"),
    ] {
        if let Some(source) = object(volume, source) {
            put_filled(source, field, value);
        }
    }
    if let Some(image) = object(volume, "image") {
        let reference = image.get("reference").and_then(Value::as_str).unwrap_or_default();
        let policy = if tag_is_latest(reference) { "Always" } else { "IfNotPresent" };
        put_filled(image, "pullPolicy", policy);
    }
    if let Some(template) = object(volume, "ephemeral").and_then(|e| object(e, "volumeClaimTemplate"))
        && let Some(spec) = object(template, "spec")
    {
        put_filled(spec, "volumeMode", "Filesystem");
    }
}

/// Whether an image names the tag `latest`, by leaving its tag and digest out or in so many words.
fn tag_is_latest(image: &str) -> bool {
    if image.trim().is_empty() || image.contains('@') {
        let before = image.split('@').next().unwrap_or_default();
        return tag(before) == Some("latest");
    }
    tag(image).is_none_or(|tag| tag == "latest")
}

/// The tag of an image reference. A colon before a slash is a registry's port.
fn tag(image: &str) -> Option<&str> {
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split_once(':').map(|(_, tag)| tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_decide_the_pull_policy() {
        for (image, latest) in [
            ("nginx", true),
            ("nginx:latest", true),
            ("nginx:1.2", false),
            ("localhost:5000/nginx", true),
            ("localhost:5000/nginx:1", false),
            ("nginx@sha256:abc", false),
            ("nginx:latest@sha256:abc", true),
            ("", false),
        ] {
            assert_eq!(tag_is_latest(image), latest, "{image}");
        }
    }

    #[test]
    fn host_network_and_limits_fill_in_a_pod_but_no_template() {
        let spec = || {
            json!({"hostNetwork": true, "serviceAccount": "old", "volumes": [{"name": "v"}], "containers": [
                {"ports": [{"containerPort": 80}], "resources": {"limits": {"cpu": "1"}, "requests": {"memory": "1Gi"}},
                 "livenessProbe": {"grpc": {"port": 1}, "timeoutSeconds": 0}}]})
        };
        let (mut template, mut pod) = (spec(), spec());
        default_pod_spec(&mut template);
        default_pod_spec(&mut pod);
        default_pod_only(&mut pod);
        assert_eq!(template["containers"][0]["resources"], spec()["containers"][0]["resources"]);
        assert_eq!(template["containers"][0]["ports"][0], json!({"containerPort": 80, "protocol": "TCP"}));
        assert_eq!(pod["containers"][0]["resources"]["requests"], json!({"cpu": "1", "memory": "1Gi"}));
        assert_eq!(pod["containers"][0]["ports"][0]["hostPort"], 80);
        assert_eq!((&pod["serviceAccountName"], &pod["volumes"][0]["emptyDir"]), (&json!("old"), &json!({})));
        let probe = &pod["containers"][0]["livenessProbe"];
        assert_eq!((&probe["grpc"]["service"], &probe["timeoutSeconds"]), (&json!(""), &json!(1)));
    }
}
