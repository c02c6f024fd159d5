//! `kubus rollout history` and `kubus rollout undo`: the revisions that a deployment's replica sets hold.

use crate::commands::apply::LAST_APPLIED;
use crate::context::{Context, PatchKind, Query, Target};
use crate::describe::{Description, pod_template, replica_sets_of};
use crate::error::Result;
use crate::fail;
use crate::printer::full_name;
use crate::printer::tabwriter::TabWriter;
use crate::selection::Selected;
use serde_json::{Map, Value, json};

/// Annotation with the revision of a deployment or of a replica set.
pub const REVISION: &str = "deployment.kubernetes.io/revision";
/// Label that tells the pods of one template from those of another.
pub const TEMPLATE_HASH: &str = "pod-template-hash";

/// Annotations that belong to an object and not to its revision.
const OWN_ANNOTATIONS: [&str; 6] = [
    LAST_APPLIED,
    REVISION,
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
];

fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"][key].as_str()
}

/// Replica sets with their revisions, the oldest first.
async fn revisions(selected: &Selected, context: &Context) -> Result<Vec<(i64, Value)>> {
    let mut all: Vec<(i64, Value)> = replica_sets_of(&selected.object, context)
        .await?
        .into_iter()
        .filter_map(|set| Some((annotation(&set, REVISION)?.parse().ok()?, set)))
        .collect();
    all.sort_by_key(|(revision, _)| *revision);
    Ok(all)
}

/// Prints every revision, or one in full.
pub(super) async fn show(selected: &Selected, revision: i64, context: &Context) -> Result<()> {
    let revisions = revisions(selected, context).await?;
    let name = full_name(selected.row, selected.name());
    if revision > 0 {
        let Some((_, set)) = revisions.iter().find(|(number, _)| *number == revision) else {
            fail!("unable to find the specified revision");
        };
        let mut description = Description::new(context);
        pod_template::describe(&set["spec"]["template"], &mut description);
        context.console.line(&format!("{name} with revision #{revision}\n{}", description.finish()));
        return Ok(());
    }
    if revisions.is_empty() {
        fail!("no rollout history found for {:?}", selected.name());
    }
    let mut writer = TabWriter::for_descriptions();
    writer.write("REVISION\tCHANGE-CAUSE\n");
    for (number, set) in &revisions {
        let cause = annotation(set, "kubernetes.io/change-cause").unwrap_or("<none>");
        writer.write(&format!("{number}\t{cause}\n"));
    }
    // The blank behind the name and the empty line at the end are kubectl's.
    context.console.line(&format!("{name} \n{}", writer.flush()));
    Ok(())
}

/// Puts the template of an earlier revision back.
pub(super) async fn undo(selected: &Selected, to_revision: i64, context: &Context) -> Result<()> {
    let deployment = &selected.object;
    let revisions = revisions(selected, context).await?;
    let found = match to_revision {
        0 => revisions.iter().rev().nth(1),
        number => revisions.iter().find(|(revision, _)| *revision == number),
    };
    let Some((number, set)) = found else {
        if to_revision > 0 {
            fail!("unable to find specified revision {to_revision} in history");
        }
        fail!("no rollout history found for deployment {:?}", selected.name());
    };
    if deployment["spec"]["paused"] == true {
        fail!("cannot rollback a paused deployment; resume it first with 'kubus rollout resume' and try again");
    }
    let name = full_name(selected.row, selected.name());
    let template = without_hash(&set["spec"]["template"]);
    if template == without_hash(&deployment["spec"]["template"]) {
        context.console.line(&format!("{name} skipped rollback (current template already matches revision {number})"));
        return Ok(());
    }
    let patch = json!([
        {"op": "replace", "path": "/spec/template", "value": template},
        {"op": "replace", "path": "/metadata/annotations", "value": annotations(deployment, set)},
    ]);
    let target = Target::object(selected.row, deployment);
    context.patch(&target, PatchKind::Json, &patch, Query::new()).await?;
    context.console.line(&format!("{name} rolled back"));
    Ok(())
}

/// The deployment's own annotations and those of the revision.
fn annotations(deployment: &Value, set: &Value) -> Map<String, Value> {
    let all = |object: &Value| object["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    let is_own = |key: &str| OWN_ANNOTATIONS.contains(&key);
    let mut annotations: Map<String, Value> = all(deployment).into_iter().filter(|(key, _)| is_own(key)).collect();
    annotations.extend(all(set).into_iter().filter(|(key, _)| !is_own(key)));
    annotations
}

/// A template as the user wrote it, which two revisions are compared by.
pub fn without_hash(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove(TEMPLATE_HASH);
    }
    template
}
