//! What every cluster has from the beginning: the leader makes what is missing.

mod api_services;
mod default_roles;

use crate::behaviour::priority_class::SYSTEM_CLASSES;
use crate::pipeline::Api;
use crate::pipeline::allocation::API_ADDRESS;
use default_roles::Step;
use futures::{StreamExt, stream};
use kubus_proto::kinds::{namespace, priority_class, service};
use kubus_proto::path::ResourcePath;
use kubus_proto::request::Method;
use kubus_proto::{ApiRequest, codec};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::watch;

/// Namespaces that are always there.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];
/// Port of gateways, behind the Service `kubernetes`.
const API_PORT: u16 = 6443;
/// Whose right is used: there is nobody to ask yet.
const IDENTITY: &str = "admin";
/// How long to wait before another attempt, in milliseconds.
const RETRY_MS: u64 = 200;
/// Roles, bindings and APIServices written at the same time.
const WRITES_IN_FLIGHT_LIMIT: usize = 32;

/// Makes what is missing whenever this apiserver becomes the leader. Ends when the store does.
pub async fn run(api: Api, mut leadership: watch::Receiver<bool>) {
    while leadership.wait_for(|leads| *leads).await.is_ok() {
        while *leadership.borrow() && !ensure(&api).await {
            tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
        }
        if leadership.wait_for(|leads| !*leads).await.is_err() {
            return;
        }
    }
}

/// Makes what is missing; whether everything is there now.
pub async fn ensure(api: &Api) -> bool {
    let mut whole = true;
    for (path, body) in beginnings() {
        let mut request = ApiRequest::new(Method::Post, path.as_str());
        request.body = codec::encode(&body).unwrap_or_default().into();
        let code = api.handle(IDENTITY, request).await.code;
        // 409: it is there.
        if !matches!(code, 201 | 409) {
            tracing::warn!(path, name = %body["metadata"]["name"], code, "cannot make an object");
            whole = false;
        }
    }
    whole && default_roles(api).await
}

/// Objects that are always there, beside roles, with the paths of their collections.
fn beginnings() -> Vec<(String, Value)> {
    let namespaces = NAMESPACES.map(|name| {
        let path = ResourcePath::of(&namespace::ROW, "", "", "");
        (path, json!({"metadata": {"name": name}}))
    });
    let classes = SYSTEM_CLASSES.map(|(name, value)| {
        let description = match name {
            "system-node-critical" => {
                "Used for system critical pods that must not be moved from their current node."
            }
            _ => "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        };
        let path = ResourcePath::of(&priority_class::ROW, "", "", "");
        (path, json!({"metadata": {"name": name}, "value": value, "description": description}))
    });
    let kubernetes = json!({
        "metadata": {"name": "kubernetes", "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {"clusterIP": API_ADDRESS,
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": API_PORT}]},
    });
    let service = (ResourcePath::of(&service::ROW, "default", "", ""), kubernetes);
    namespaces.into_iter().chain(classes).chain([service]).collect()
}

/// Makes and completes the default roles and bindings, and what says what is served; whether all are there now.
async fn default_roles(api: &Api) -> bool {
    let state = api.current();
    let steps = default_roles::steps(&state).into_iter().chain(api_services::steps(&state));
    let (unmade, others): (Vec<Step>, Vec<Step>) = steps.partition(|step| step.method == Method::Post);
    let mut whole = true;
    // What is deleted is made anew, so deletions come first.
    for steps in [others, unmade] {
        let codes = stream::iter(steps).map(|step| send(api, step)).buffer_unordered(WRITES_IN_FLIGHT_LIMIT);
        whole &= codes.all(|done| async move { done }).await;
    }
    whole
}

async fn send(api: &Api, step: Step) -> bool {
    let mut request = ApiRequest::new(step.method, step.path.as_str());
    if !step.body.is_null() {
        request.body = codec::encode(&step.body).unwrap_or_default().into();
    }
    let code = api.handle(IDENTITY, request).await.code;
    // 404, 409: somebody else was faster.
    let done = matches!(code, 200 | 201 | 404 | 409);
    if !done {
        tracing::warn!(path = step.path, code, "cannot write a default object");
    }
    done
}
