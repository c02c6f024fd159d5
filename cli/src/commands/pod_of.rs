//! The pods and containers that `logs` and `exec` mean: by name, through a workload, or by label.

use crate::context::Context;
use crate::describe::selector_text;
use crate::error::{CliError, Result};
use crate::fail;
use crate::resource_args;
use crate::selection::{CHUNK_SIZE, SelectorArgs, list_all};
use kubus_proto::kinds::pod;
use serde_json::Value;

/// Annotation that names the container commands mean when none is named.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// The pod called `word`, or one of the pods of the workload it names (`deployment/web`).
pub(super) async fn one(word: &str, context: &Context) -> Result<Value> {
    let Some((kind, name)) = word.split_once('/') else {
        return context.get(&pod::ROW, context.namespace(), word).await;
    };
    let row = resource_args::row(kind, context).await?;
    if row.kind == "Pod" {
        return context.get(row, context.namespace(), name).await;
    }
    let workload = context.get(row, &context.namespace_of(row), name).await?;
    let selector = selector_text(&workload)
        .ok_or_else(|| CliError::message(format!("cannot find the pods of {word}: {} have no selector", row.plural)))?;
    let mut pods = by_label(&selector, context).await?;
    if pods.is_empty() {
        fail!("timed out waiting for the condition: no pod of {word} is there");
    }
    // A pod that runs says more than one that waits.
    pods.sort_by_key(|pod| (pod["status"]["phase"] != "Running", pod["metadata"]["name"].to_string()));
    let pod = pods.swap_remove(0);
    if !pods.is_empty() {
        context.console.error_line(&format!("Found {} pods, using pod/{}", pods.len() + 1, name_of(&pod)));
    }
    Ok(pod)
}

/// Every pod with these labels.
pub(super) async fn by_label(selector: &str, context: &Context) -> Result<Vec<Value>> {
    let selectors = SelectorArgs { selector: Some(selector.to_owned()), field_selector: None };
    Ok(list_all(context, &pod::ROW, context.namespace(), selectors.query()?, CHUNK_SIZE).await?.items)
}

/// Its name.
pub(super) fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// The names of a pod's containers; those that run before the others first, where they are wanted.
pub(super) fn containers(pod: &Value, with_init: bool) -> Vec<String> {
    let lists: &[&str] =
        if with_init { &["initContainers", "containers", "ephemeralContainers"] } else { &["containers"] };
    lists
        .iter()
        .flat_map(|list| pod["spec"][*list].as_array().into_iter().flatten())
        .filter_map(|container| container["name"].as_str().map(str::to_owned))
        .collect()
}

/// The container that is meant: the named one, the annotated one, or the first, which is said where there are others.
pub(super) fn container(pod: &Value, named: Option<&str>, context: &Context) -> Result<String> {
    let all = containers(pod, true);
    if let Some(named) = named {
        if !all.iter().any(|name| name == named) {
            fail!("container {named} is not valid for pod {} (it has {})", name_of(pod), all.join(", "));
        }
        return Ok(named.to_owned());
    }
    let annotated = pod["metadata"]["annotations"][DEFAULT_CONTAINER].as_str();
    if let Some(name) = annotated.filter(|name| all.iter().any(|other| other == name)) {
        return Ok(name.to_owned());
    }
    let main = containers(pod, false);
    let Some(first) = main.first() else { fail!("pod {} has no containers", name_of(pod)) };
    if all.len() > 1 {
        let init = all.iter().filter(|name| !main.contains(name)).map(|name| format!("{name} (init)"));
        let listed: Vec<String> = main.iter().cloned().chain(init).collect();
        context.console.error_line(&format!("Defaulted container {first:?} out of: {}", listed.join(", ")));
    }
    Ok(first.clone())
}
