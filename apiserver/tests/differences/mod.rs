//! Where Kubus differs from the server the facts were observed on, and what any two answers may differ in.

use serde_json::{Value, json};

/// One difference.
pub struct Difference {
    /// Names of the facts it is about; empty for all.
    pub facts: &'static [&'static str],
    /// Why Kubus differs.
    pub reason: &'static str,
    /// Makes of what was observed what Kubus is to do.
    pub change: fn(&mut Value),
}

/// Every difference.
pub static DIFFERENCES: &[Difference] = &[
    Difference {
        facts: &[],
        reason: "the observed server is of a distribution that puts a certificate of its own into every pod",
        change: |fact| without_projection(&mut fact["stored"], "openshift-service-ca.crt"),
    },
    Difference {
        facts: &["S1#3.1"],
        reason: "the observed server forbids privileged containers; Kubus, like Kubernetes, allows them by default",
        change: |fact| *fact = json!({"status": 201}),
    },
    Difference {
        facts: &["defaults:33"],
        reason: "a definition's names are accepted as it is stored, and not a moment later by a controller",
        change: |fact| {
            let names = fact["stored"]["spec"]["names"].clone();
            fact["stored"]["status"]["acceptedNames"] = names;
            fact["stored"]["status"]["conditions"] = json!("accepted");
        },
    },
];

/// Kinds that are not served yet, and why.
pub static UNSERVED: &[(&str, &str)] = &[];

/// The differences that a fact is about.
pub fn differences_of(id: &str) -> impl Iterator<Item = &'static Difference> {
    let mine = move |d: &&Difference| d.facts.is_empty() || d.facts.contains(&id);
    DIFFERENCES.iter().filter(|d| !d.reason.is_empty()).filter(mine).collect::<Vec<_>>().into_iter()
}

/// Takes a ConfigMap out of the projected volumes of a pod.
fn without_projection(pod: &mut Value, name: &str) {
    let volumes = pod.pointer_mut("/spec/volumes").and_then(Value::as_array_mut);
    for volume in volumes.into_iter().flatten() {
        if let Some(sources) = volume.pointer_mut("/projected/sources").and_then(Value::as_array_mut) {
            sources.retain(|source| source["configMap"]["name"] != name);
        }
    }
}

/// What the facts leave out, what is random and what is given out, made comparable.
pub fn comparable(mut object: Value) -> Value {
    let uid = object["metadata"]["uid"].clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for key in ["uid", "creationTimestamp", "resourceVersion", "managedFields"] {
            metadata.remove(key);
        }
    }
    // A Job's labels hold its uid.
    let uid = [uid, object["metadata"]["labels"]["controller-uid"].clone()];
    let mut text = object.to_string();
    for uid in uid.iter().filter_map(Value::as_str) {
        text = text.replace(uid, "the-uid");
    }
    if let Some(at) = text.find("kube-api-access-") {
        let name = text[at..at + "kube-api-access-".len() + 5].to_owned();
        text = text.replace(&name, "kube-api-access-xxxxx");
    }
    let mut object: Value = serde_json::from_str(&text).expect("json");
    if object["kind"] == "Service" {
        let spec = &mut object["spec"];
        if spec["clusterIP"].as_str().is_some_and(|ip| ip != "None") {
            spec["clusterIP"] = json!("given");
            spec["clusterIPs"] = json!(["given"]);
        }
        let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
        for port in ports.into_iter().flatten().filter_map(Value::as_object_mut) {
            port.entry("nodePort").and_modify(|port| *port = json!("given"));
        }
    }
    if object["kind"] == "CustomResourceDefinition" && object["status"]["conditions"][1]["status"] == "True" {
        object["status"]["conditions"] = json!("accepted");
    }
    if let Some(since) = object.pointer_mut("/status/lastPhaseTransitionTime") {
        *since = json!("then");
    }
    object
}
