//! Description of a Namespace.

use super::writer::{Description, list, text};
use serde_json::Value;

/// Adds the namespace. Quotas and limit ranges are not there yet, and kubectl says so too where there are none.
pub(super) fn describe(namespace: &Value, out: &mut Description) {
    let metadata = &namespace["metadata"];
    out.field(0, "Name", &text(&metadata["name"]));
    out.labels("Labels", &metadata["labels"]);
    out.annotations("Annotations", &metadata["annotations"]);
    out.field(0, "Status", &text(&namespace["status"]["phase"]));
    let conditions = list(&namespace["status"]["conditions"]);
    if !conditions.is_empty() {
        out.line(0, "Conditions:");
        out.line(1, "Type\tStatus\tLastTransitionTime\tReason\tMessage");
        out.line(1, "----\t------\t------------------\t------\t-------");
        for condition in conditions {
            let of = |key: &str| text(&condition[key]);
            let time = out.time(&condition["lastTransitionTime"]);
            out.line(1, &format!("{}\t{}\t{time}\t{}\t{}", of("type"), of("status"), of("reason"), of("message")));
        }
    }
    out.line(0, "\nNo resource quota.\n\nNo LimitRange resource.");
}
