//! Description of a ReplicaSet or ReplicationController.

use super::writer::{Description, controller, number, selector_text, text};
use super::{deployment, pod_template};
use serde_json::Value;

/// Adds the object; `pods` are all that it controls.
pub(super) fn describe(object: &Value, pods: &[Value], out: &mut Description) {
    let metadata = &object["metadata"];
    out.field(0, "Name", &text(&metadata["name"]));
    out.field(0, "Namespace", &text(&metadata["namespace"]));
    out.field(0, "Selector", &selector_text(object).unwrap_or_default());
    out.labels("Labels", &metadata["labels"]);
    out.annotations("Annotations", &metadata["annotations"]);
    if let Some(controller) = controller(object) {
        out.field(0, "Controlled By", &controller);
    }
    let (current, desired) = (number(&object["status"]["replicas"]), number(&object["spec"]["replicas"]));
    out.field(0, "Replicas", &format!("{current} current / {desired} desired"));
    let phase = |name: &str| pods.iter().filter(|pod| pod["status"]["phase"] == name).count();
    let (running, waiting) = (phase("Running"), phase("Pending"));
    let (succeeded, failed) = (phase("Succeeded"), phase("Failed"));
    out.field(
        0,
        "Pods Status",
        &format!("{running} Running / {waiting} Waiting / {succeeded} Succeeded / {failed} Failed"),
    );
    pod_template::describe(&object["spec"]["template"], out);
    deployment::describe_conditions(&object["status"], out);
}
