//! Looks after definitions while this apiserver leads: deletes the objects of those that are being deleted, and lets
//! names be accepted that another definition has given up.

use super::definition::FINALIZER;
use crate::pipeline::Api;
use crate::state::State;
use kubus_proto::kinds::{custom_resource_definition, namespace};
use kubus_proto::path::ResourcePath;
use kubus_proto::request::Method;
use kubus_proto::{ApiRequest, codec};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::watch;

/// How often definitions are looked at, in milliseconds. Where nothing has changed that costs nothing.
const LOOK_MS: u64 = 200;
/// Whose right is used.
const IDENTITY: &str = "admin";

/// Looks after definitions whenever this apiserver leads. Ends when the store does.
pub async fn run(api: Api, mut leadership: watch::Receiver<bool>) {
    let resource = custom_resource_definition::ROW.resource_key();
    while leadership.wait_for(|leads| *leads).await.is_ok() {
        let mut seen = None;
        while *leadership.borrow() {
            let state = api.current();
            let revision = state.resource_revision(&resource);
            if seen != Some(revision) && look(&api, &state).await {
                seen = Some(revision);
            }
            tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        }
    }
}

/// Does what is to be done; whether nothing is left to do as long as no definition changes.
pub async fn look(api: &Api, state: &State) -> bool {
    let mut done = true;
    for (name, object) in state.list(&custom_resource_definition::ROW.resource_key(), None, None) {
        let Ok(definition) = object.decode() else { continue };
        let finalizers = definition["metadata"]["finalizers"].as_array();
        let holds = finalizers.is_some_and(|all| all.iter().any(|finalizer| finalizer == FINALIZER));
        if !definition["metadata"]["deletionTimestamp"].is_null() && holds {
            done &= finish(api, &name.name, &definition, state).await;
        } else if is_refused(&definition) {
            // Every write looks at the names anew; this one asks for nothing else.
            patch(api, &name.name, &json!({})).await;
        }
    }
    done
}

fn is_refused(definition: &Value) -> bool {
    let conditions = definition["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|c| c["type"] == "NamesAccepted" && c["status"] == "False")
}

/// Deletes what is left of a kind, and lets its definition go when nothing is.
async fn finish(api: &Api, name: &str, definition: &Value, state: &State) -> bool {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let spec = &definition["spec"];
    let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
    let resource = format!("{group}/{plural}");
    if state.list(&resource, None, None).next().is_none() {
        let others = definition["metadata"]["finalizers"].as_array().into_iter().flatten();
        let left: Vec<&Value> = others.filter(|finalizer| *finalizer != FINALIZER).collect();
        return patch(api, name, &json!({"metadata": {"finalizers": left}})).await;
    }
    let versions = spec["versions"].as_array().into_iter().flatten();
    let stored = versions.into_iter().find(|version| version["storage"] == true).map(|version| text(&version["name"]));
    let root = format!("/apis/{group}/{}", stored.unwrap_or_default());
    let mut places = vec![root.clone()];
    if spec["scope"] == "Namespaced" {
        let namespaces = state.list(&namespace::ROW.resource_key(), None, None);
        let occupied = namespaces.filter(|(n, _)| state.list(&resource, Some(&n.name), None).next().is_some());
        places = occupied.map(|(namespace, _)| format!("{root}/namespaces/{}", namespace.name)).collect();
    }
    for place in places {
        let code = api.handle(IDENTITY, ApiRequest::new(Method::Delete, format!("{place}/{plural}"))).await.code;
        if code != 200 {
            tracing::warn!(name, place, code, "cannot delete the objects of a definition that is being deleted");
        }
    }
    false
}

async fn patch(api: &Api, name: &str, patch: &Value) -> bool {
    let path = ResourcePath::of(&custom_resource_definition::ROW, "", name, "");
    let mut request = ApiRequest::new(Method::Patch, path);
    request.content_type = "application/merge-patch+json".to_owned();
    request.body = codec::encode(patch).unwrap_or_default().into();
    let code = api.handle(IDENTITY, request).await.code;
    // 404: it is gone already.
    matches!(code, 200 | 404)
}
