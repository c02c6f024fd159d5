//! Node: a host that runs pods.

use super::{ALL_VERBS, KindRow, cells, status};
use crate::table::{AGE, NAME, text, wide};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Row of Node.
pub static ROW: KindRow = KindRow {
    group: "",
    version: "v1",
    older_versions: &[],
    kind: "Node",
    plural: "nodes",
    singular: "node",
    short_names: &["no"],
    namespaced: false,
    categories: &[],
    verbs: ALL_VERBS,
    subresources: &[status("Node")],
    columns: &[
        NAME,
        text("Status"),
        text("Roles"),
        AGE,
        text("Version"),
        wide("Internal-IP"),
        wide("External-IP"),
        wide("OS-Image"),
        wide("Kernel-Version"),
        wide("Container-Runtime"),
    ],
    cells: node_cells,
    fields: |o| {
        vec![("spec.unschedulable", if o["spec"]["unschedulable"] == true { "true" } else { "false" }.to_owned())]
    },
    scope: |o| cells::string(&o["metadata"]["name"]),
};

const ROLE_PREFIX: &str = "node-role.kubernetes.io/";

fn node_cells(node: &Value, now: Timestamp) -> Vec<Value> {
    let conditions = node["status"]["conditions"].as_array();
    let ready = conditions.into_iter().flatten().find(|c| c["type"] == "Ready").map(|c| c["status"] == "True");
    let mut states = vec![match ready {
        Some(true) => "Ready",
        Some(false) => "NotReady",
        None => "Unknown",
    }];
    if node["spec"]["unschedulable"] == true {
        states.push("SchedulingDisabled");
    }
    let roles: Vec<String> = cells::string_map(&node["metadata"]["labels"])
        .into_iter()
        .filter_map(|(key, value)| match key.strip_prefix(ROLE_PREFIX) {
            Some(role) if !role.is_empty() => Some(role.to_owned()),
            _ if key == "kubernetes.io/role" && !value.is_empty() => Some(value),
            _ => None,
        })
        .collect();
    let address = |kind: &str| {
        let all = node["status"]["addresses"].as_array().into_iter().flatten();
        cells::or_none(
            all.into_iter().find(|a| a["type"] == kind).map(|a| cells::string(&a["address"])).unwrap_or_default(),
        )
    };
    let info = |key: &str| {
        let text = cells::string(&node["status"]["nodeInfo"][key]);
        json!(if text.is_empty() { "<unknown>".to_owned() } else { text })
    };
    vec![
        cells::name(node),
        json!(states.join(",")),
        cells::or_none(roles.join(",")),
        cells::age(node, now),
        json!(cells::string(&node["status"]["nodeInfo"]["kubeletVersion"])),
        address("InternalIP"),
        address("ExternalIP"),
        info("osImage"),
        info("kernelVersion"),
        info("containerRuntimeVersion"),
    ]
}
