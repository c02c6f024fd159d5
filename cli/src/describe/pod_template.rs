//! Pod templates in the descriptions of workloads.

use super::container::{self, Indent};
use super::volume;
use super::writer::{Description, list, text};
use serde_json::Value;

/// Adds a pod template.
pub(crate) fn describe(template: &Value, out: &mut Description) {
    let (metadata, spec) = (&template["metadata"], &template["spec"]);
    out.line(0, "Pod Template:");
    if template.is_null() {
        out.line(1, "<unset>");
        return;
    }
    out.labels("  Labels", &metadata["labels"]);
    if metadata["annotations"].as_object().is_some_and(|a| !a.is_empty()) {
        out.annotations("  Annotations", &metadata["annotations"]);
    }
    out.field_if(0, "  Service Account", &spec["serviceAccountName"]);
    if !list(&spec["initContainers"]).is_empty() {
        container::describe("Init Containers", &spec["initContainers"], &Value::Null, None, Indent::Template, out);
    }
    container::describe("Containers", &spec["containers"], &Value::Null, None, Indent::Template, out);
    volume::describe(&spec["volumes"], Indent::Template, out);
    describe_spread(&spec["topologySpreadConstraints"], "  ", out);
    out.field_if(0, "  Priority Class Name", &spec["priorityClassName"]);
    if spec["nodeSelector"].as_object().is_some_and(|s| !s.is_empty()) {
        out.labels("  Node-Selectors", &spec["nodeSelector"]);
    }
}

/// Adds topology spread constraints, if there are any.
pub(super) fn describe_spread(constraints: &Value, indent: &str, out: &mut Description) {
    let mut all = list(constraints).to_vec();
    all.sort_by_key(|constraint| text(&constraint["topologyKey"]));
    for (i, constraint) in all.iter().enumerate() {
        let head = if i == 0 { format!("{indent}Topology Spread Constraints:") } else { indent.to_owned() };
        let selector = serde_json::from_value(constraint["labelSelector"].clone())
            .ok()
            .and_then(|s| kubus_proto::selector::Selector::from_label_selector(&s).ok())
            .map(|s| s.to_string())
            .unwrap_or_default();
        out.line(
            0,
            &format!(
                "{head}\t{}:{} when max skew {} is exceeded for selector {selector}",
                text(&constraint["topologyKey"]),
                text(&constraint["whenUnsatisfiable"]),
                text(&constraint["maxSkew"]),
            ),
        );
    }
}
