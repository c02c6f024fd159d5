//! Description of a Deployment.

use super::pod_template;
use super::writer::{Description, list, number, or_none, selector_text, text};
use crate::commands::rollout::history::without_hash;
use serde_json::Value;

/// Adds the deployment; `replica_sets` are all that it controls.
pub(super) fn describe(deployment: &Value, replica_sets: &[Value], out: &mut Description) {
    let (metadata, spec, status) = (&deployment["metadata"], &deployment["spec"], &deployment["status"]);
    out.field(0, "Name", &text(&metadata["name"]));
    out.field(0, "Namespace", &text(&metadata["namespace"]));
    out.field(0, "CreationTimestamp", &out.time(&metadata["creationTimestamp"]));
    out.labels("Labels", &metadata["labels"]);
    out.annotations("Annotations", &metadata["annotations"]);
    out.field(0, "Selector", &selector_text(deployment).unwrap_or_default());
    let count = |key: &str| number(&status[key]);
    out.field(
        0,
        "Replicas",
        &format!(
            "{} desired | {} updated | {} total | {} available | {} unavailable",
            number(&spec["replicas"]),
            count("updatedReplicas"),
            count("replicas"),
            count("availableReplicas"),
            count("unavailableReplicas")
        ),
    );
    out.field(0, "StrategyType", &text(&spec["strategy"]["type"]));
    out.field(0, "MinReadySeconds", &number(&spec["minReadySeconds"]).to_string());
    let rolling = &spec["strategy"]["rollingUpdate"];
    if rolling.is_object() {
        let (unavailable, surge) = (text(&rolling["maxUnavailable"]), text(&rolling["maxSurge"]));
        out.field(0, "RollingUpdateStrategy", &format!("{unavailable} max unavailable, {surge} max surge"));
    }
    pod_template::describe(&spec["template"], out);
    describe_conditions(status, out);
    let template = without_hash(&spec["template"]);
    let is_new = |set: &&Value| without_hash(&set["spec"]["template"]) == template;
    let (new, old): (Vec<&Value>, Vec<&Value>) = replica_sets.iter().partition(is_new);
    out.field(0, "OldReplicaSets", &replica_sets_text(&old));
    out.field(0, "NewReplicaSet", &replica_sets_text(&new));
}

/// Adds conditions with their reasons, if there are any.
pub(super) fn describe_conditions(status: &Value, out: &mut Description) {
    let conditions = list(&status["conditions"]);
    if conditions.is_empty() {
        return;
    }
    out.line(0, "Conditions:");
    out.line(1, "Type\tStatus\tReason");
    out.line(1, "----\t------\t------");
    for condition in conditions {
        let of = |key: &str| text(&condition[key]);
        out.line(1, &format!("{} \t{}\t{}", of("type"), of("status"), of("reason")));
    }
}

fn replica_sets_text(sets: &[&Value]) -> String {
    let texts: Vec<String> = sets
        .iter()
        .map(|set| {
            let (created, wanted) = (number(&set["status"]["replicas"]), number(&set["spec"]["replicas"]));
            format!("{} ({created}/{wanted} replicas created)", text(&set["metadata"]["name"]))
        })
        .collect();
    or_none(texts.join(", "))
}
