//! Description of a Pod.

use super::container::{self, Indent};
use super::volume;
use super::writer::{Description, controller, list, map, number, or_none, text};
use serde_json::Value;

/// Adds the pod.
pub(super) fn describe(pod: &Value, out: &mut Description) {
    let (metadata, spec, status) = (&pod["metadata"], &pod["spec"], &pod["status"]);
    out.field(0, "Name", &text(&metadata["name"]));
    out.field(0, "Namespace", &text(&metadata["namespace"]));
    out.field_if(0, "Priority", &spec["priority"]);
    out.field_if(0, "Priority Class Name", &spec["priorityClassName"]);
    out.field_if(0, "Runtime Class Name", &spec["runtimeClassName"]);
    // The account that every pod has says nothing.
    if text(&spec["serviceAccountName"]) != "default" {
        out.field_if(0, "Service Account", &spec["serviceAccountName"]);
    }
    let node = text(&spec["nodeName"]);
    out.field(0, "Node", &if node.is_empty() { or_none(node) } else { format!("{node}/{}", text(&status["hostIP"])) });
    if status["startTime"].is_string() {
        out.field(0, "Start Time", &out.time(&status["startTime"]));
    }
    out.labels("Labels", &metadata["labels"]);
    out.annotations("Annotations", &metadata["annotations"]);
    let finished = matches!(status["phase"].as_str(), Some("Succeeded" | "Failed"));
    if metadata["deletionTimestamp"].is_string() && !finished {
        out.field(0, "Status", &format!("Terminating (lasts {})", out.age(&metadata["deletionTimestamp"])));
        let seconds = number(&metadata["deletionGracePeriodSeconds"]);
        out.field(0, "Termination Grace Period", &format!("{seconds}s"));
    } else {
        out.field(0, "Status", &text(&status["phase"]));
    }
    out.field_if(0, "Reason", &status["reason"]);
    out.field_if(0, "Message", &status["message"]);
    out.field(0, "IP", &text(&status["podIP"]));
    if list(&status["podIPs"]).is_empty() {
        out.field(0, "IPs", "<none>");
    } else {
        out.line(0, "IPs:");
        list(&status["podIPs"]).iter().for_each(|ip| out.field(1, "IP", &text(&ip["ip"])));
    }
    if let Some(controller) = controller(pod) {
        out.field(0, "Controlled By", &controller);
    }
    out.field_if(0, "NominatedNodeName", &status["nominatedNodeName"]);
    if !list(&spec["initContainers"]).is_empty() {
        let statuses = &status["initContainerStatuses"];
        container::describe("Init Containers", &spec["initContainers"], statuses, Some(pod), Indent::Pod, out);
    }
    container::describe("Containers", &spec["containers"], &status["containerStatuses"], Some(pod), Indent::Pod, out);
    describe_conditions(spec, status, out);
    volume::describe(&spec["volumes"], Indent::Pod, out);
    out.field(0, "QoS Class", &or_none(text(&status["qosClass"])));
    out.labels("Node-Selectors", &spec["nodeSelector"]);
    describe_tolerations(&spec["tolerations"], out);
    super::pod_template::describe_spread(&spec["topologySpreadConstraints"], "", out);
}

fn describe_conditions(spec: &Value, status: &Value, out: &mut Description) {
    if !list(&spec["readinessGates"]).is_empty() {
        out.line(0, "Readiness Gates:");
        out.line(1, "Type\tStatus");
        for gate in list(&spec["readinessGates"]) {
            let found = list(&status["conditions"]).iter().find(|c| c["type"] == gate["conditionType"]);
            let value = or_none(found.map(|c| text(&c["status"])).unwrap_or_default());
            out.line(1, &format!("{} \t{value} ", text(&gate["conditionType"])));
        }
    }
    if !list(&status["conditions"]).is_empty() {
        out.line(0, "Conditions:");
        out.line(1, "Type\tStatus");
        for condition in list(&status["conditions"]) {
            out.line(1, &format!("{} \t{} ", text(&condition["type"]), text(&condition["status"])));
        }
    }
}

fn describe_tolerations(tolerations: &Value, out: &mut Description) {
    let mut all = list(tolerations).to_vec();
    all.sort_by_key(|toleration| text(&toleration["key"]));
    if all.is_empty() {
        out.field(0, "Tolerations", "<none>");
    }
    for (i, toleration) in all.iter().enumerate() {
        let head = if i == 0 { "Tolerations:" } else { "" };
        out.line(0, &format!("{head}\t{}", toleration_text(toleration)));
    }
}

fn toleration_text(toleration: &Value) -> String {
    let of = |key: &str| text(&toleration[key]);
    let mut line = of("key");
    for (sign, value) in [("=", of("value")), (":", of("effect"))] {
        if !value.is_empty() {
            line.push_str(&format!("{sign}{value}"));
        }
    }
    if toleration["operator"] == "Exists" && of("value").is_empty() {
        line.push_str(if line.is_empty() { "op=Exists" } else { " op=Exists" });
    }
    if let Some(seconds) = toleration["tolerationSeconds"].as_i64() {
        line.push_str(&format!(" for {seconds}s"));
    }
    line
}

/// Whether a pod has ended and holds no resources of its node any more.
pub(super) fn is_terminated(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// The value a field of a pod has for `valueFrom.fieldRef`.
pub(super) fn field_value(pod: &Value, path: &str) -> String {
    let quoted = |prefix: &str| path.strip_prefix(prefix).and_then(|rest| rest.strip_suffix("']"));
    if let Some(key) = quoted("metadata.labels['") {
        return text(&pod["metadata"]["labels"][key]);
    }
    if let Some(key) = quoted("metadata.annotations['") {
        return text(&pod["metadata"]["annotations"][key]);
    }
    match path {
        "metadata.labels" | "metadata.annotations" => {
            let all = map(&pod["metadata"][&path["metadata.".len()..]]);
            all.iter().map(|(key, value)| format!("{key}={value:?}")).collect::<Vec<_>>().join("\n")
        }
        _ => text(path.split('.').fold(pod, |value, key| &value[key])),
    }
}
