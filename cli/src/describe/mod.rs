//! What `describe` prints, one file a kind: pure texts of objects that were read before.

mod config;
mod container;
mod deployment;
pub mod events;
mod generic;
mod namespace;
mod node;
mod pod;
pub(crate) mod pod_template;
mod replicas;
#[cfg(test)]
mod tests;
mod volume;
mod writer;

pub use writer::Description;
pub(crate) use writer::selector_text;

use crate::context::{Context, Query};
use crate::error::Result;
use crate::selection::{CHUNK_SIZE, list_all};
use kubus_proto::kinds::{event, lease, pod as pod_kind, replica_set};
use kubus_proto::{KindRow, Reason};
use serde_json::Value;

/// The description of an object, with what belongs to it read from the cluster.
pub async fn describe(row: &KindRow, object: &Value, show_events: bool, context: &Context) -> Result<String> {
    let events = if show_events { Some(events_of(object, context).await?) } else { None };
    let mut out = Description::new(context);
    match (row.group, row.kind) {
        ("", "Pod") => pod::describe(object, &mut out),
        ("apps", "Deployment") => {
            deployment::describe(object, &replica_sets_of(object, context).await?, &mut out);
        }
        ("apps", "ReplicaSet") | ("", "ReplicationController") => {
            replicas::describe(object, &pods_of(object, context).await?, &mut out);
        }
        ("", "Node") => {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let lease = match context.get(&lease::ROW, "kube-node-lease", name).await {
                Ok(lease) => Some(lease),
                Err(error) if error.is(Reason::NotFound) || error.is(Reason::Forbidden) => None,
                Err(error) => return Err(error),
            };
            let query = Query::new().with("fieldSelector", format!("spec.nodeName={name}"));
            let pods = list_all(context, &pod_kind::ROW, "", query, CHUNK_SIZE).await?.items;
            node::describe(object, lease.as_ref(), &pods, &mut out);
        }
        ("", "Namespace") => {
            // A namespace's description has no events.
            namespace::describe(object, &mut out);
            return Ok(out.finish());
        }
        ("", "ConfigMap") => config::describe_config_map(object, &mut out),
        ("", "Secret") => {
            config::describe_secret(object, &mut out);
            return Ok(out.finish());
        }
        _ => generic::describe(object, &mut out),
    }
    if let Some(events) = events {
        events::describe(&events, &mut out);
    }
    Ok(out.finish())
}

async fn events_of(object: &Value, context: &Context) -> Result<Vec<Value>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    let mut fields = vec![
        format!("involvedObject.name={}", text(&metadata["name"])),
        format!("involvedObject.kind={}", text(&object["kind"])),
    ];
    // Events of a node name it as their uid too, so kubectl does not ask for it there.
    if object["kind"] != "Node" && metadata["uid"].is_string() {
        fields.push(format!("involvedObject.uid={}", text(&metadata["uid"])));
    }
    let namespace = text(&metadata["namespace"]);
    if !namespace.is_empty() {
        fields.push(format!("involvedObject.namespace={namespace}"));
    }
    let query = Query::new().with("fieldSelector", fields.join(","));
    Ok(list_all(context, &event::ROW, &namespace, query, CHUNK_SIZE).await?.items)
}

fn is_controlled_by(object: &Value, owner: &Value) -> bool {
    let references = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    references.into_iter().any(|r| r["controller"] == true && r["uid"] == owner["metadata"]["uid"])
}

async fn owned(row: &KindRow, owner: &Value, context: &Context) -> Result<Vec<Value>> {
    let namespace = owner["metadata"]["namespace"].as_str().unwrap_or_default();
    let selector = selector_text(owner).unwrap_or_default();
    let query = Query::new().with("labelSelector", selector);
    let mut items = list_all(context, row, namespace, query, CHUNK_SIZE).await?.items;
    items.retain(|item| is_controlled_by(item, owner));
    Ok(items)
}

/// The replica sets of a deployment.
pub(crate) async fn replica_sets_of(deployment: &Value, context: &Context) -> Result<Vec<Value>> {
    owned(&replica_set::ROW, deployment, context).await
}

/// The pods of a replica set or replication controller.
async fn pods_of(owner: &Value, context: &Context) -> Result<Vec<Value>> {
    owned(&pod_kind::ROW, owner, context).await
}
