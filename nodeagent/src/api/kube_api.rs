//! The cluster's API over the bus, through kube-rs.

use super::{ApiFailure, Change, NodeApi};
use crate::pod::tokens::TokenNeed;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Event, Node, Pod, Secret, ServiceAccount};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use kubus_client::Bus;
use kubus_proto::heartbeat::Heartbeat;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Debug;

/// Name the agent's writes are under.
const FIELD_MANAGER: &str = "kubelet";

/// The API for one node.
#[derive(Clone)]
pub struct KubeApi {
    bus: Bus,
    client: Client,
    node: String,
}

impl KubeApi {
    /// For the node `node`, over `bus`.
    pub fn new(bus: Bus, node: &str) -> Self {
        Self { client: bus.kube(), bus, node: node.to_owned() }
    }

    fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), namespace)
    }

    fn nodes(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }

    fn events(&self, namespace: &str) -> Api<Event> {
        Api::namespaced(self.client.clone(), namespace)
    }
}

fn failure(error: kube::Error) -> ApiFailure {
    match error {
        kube::Error::Api(status) => match (status.code, status.reason.as_str()) {
            (404, _) => ApiFailure::Gone,
            (409, "AlreadyExists") => ApiFailure::Exists,
            // The only precondition the agent sends is the uid.
            (409, _) => ApiFailure::Gone,
            (429 | 500.., _) => ApiFailure::Unavailable(status.message.clone()),
            _ => ApiFailure::Refused(status.message.clone()),
        },
        other => ApiFailure::Unavailable(other.to_string()),
    }
}

/// Changes of one kind; what kube-rs says while it lists is gathered into one [`Change::All`].
fn changes<K>(api: Api<K>, config: watcher::Config) -> BoxStream<'static, Change<K>>
where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let stream = watcher(api, config).default_backoff();
    stream
        .scan(Vec::new(), |all: &mut Vec<K>, event| {
            let change = match event {
                Ok(watcher::Event::Init) => {
                    all.clear();
                    None
                }
                Ok(watcher::Event::InitApply(object)) => {
                    all.push(object);
                    None
                }
                Ok(watcher::Event::InitDone) => Some(Change::All(std::mem::take(all))),
                Ok(watcher::Event::Apply(object)) => Some(Change::Applied(object)),
                Ok(watcher::Event::Delete(object)) => Some(Change::Deleted(object)),
                Err(error) => {
                    tracing::warn!(%error, "watch failed, it is taken up again");
                    None
                }
            };
            std::future::ready(Some(change))
        })
        .filter_map(std::future::ready)
        .boxed()
}

fn parameters() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

impl NodeApi for KubeApi {
    fn watch_pods(&self) -> BoxStream<'static, Change<Pod>> {
        let config = watcher::Config::default().fields(&format!("spec.nodeName={}", self.node));
        changes(Api::all(self.client.clone()), config)
    }

    fn watch_node(&self) -> BoxStream<'static, Change<Node>> {
        changes(self.nodes(), watcher::Config::default().fields(&format!("metadata.name={}", self.node)))
    }

    fn patch_pod_status<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        patch: Value,
    ) -> BoxFuture<'a, Result<Pod, ApiFailure>> {
        async move {
            let pods = self.pods(namespace);
            pods.patch_status(name, &parameters(), &Patch::Strategic(patch)).await.map_err(failure)
        }
        .boxed()
    }

    fn delete_pod<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        uid: &'a str,
    ) -> BoxFuture<'a, Result<(), ApiFailure>> {
        async move {
            let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
            let how = DeleteParams {
                grace_period_seconds: Some(0),
                preconditions: Some(preconditions),
                ..DeleteParams::default()
            };
            self.pods(namespace).delete(name, &how).await.map(drop).map_err(failure)
        }
        .boxed()
    }

    fn config_map<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<ConfigMap>, ApiFailure>> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        async move { api.get_opt(name).await.map_err(failure) }.boxed()
    }

    fn secret<'a>(&'a self, namespace: &'a str, name: &'a str) -> BoxFuture<'a, Result<Option<Secret>, ApiFailure>> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        async move { api.get_opt(name).await.map_err(failure) }.boxed()
    }

    fn service_account_token<'a>(
        &'a self,
        pod: &'a Pod,
        need: &'a TokenNeed,
    ) -> BoxFuture<'a, Result<String, ApiFailure>> {
        async move {
            let (namespace, account, request) = need.request(pod);
            let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &namespace);
            let answer = api.create_token_request(&account, &PostParams::default(), &request).await;
            Ok(answer.map_err(failure)?.status.and_then(|status| status.token).unwrap_or_default())
        }
        .boxed()
    }

    fn create_event(&self, event: Event) -> BoxFuture<'_, Result<(), ApiFailure>> {
        async move {
            let namespace = event.metadata.namespace.clone().unwrap_or_default();
            self.events(&namespace).create(&PostParams::default(), &event).await.map(drop).map_err(failure)
        }
        .boxed()
    }

    fn patch_event<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        patch: Value,
    ) -> BoxFuture<'a, Result<(), ApiFailure>> {
        async move {
            let events = self.events(namespace);
            events.patch(name, &parameters(), &Patch::Merge(patch)).await.map(drop).map_err(failure)
        }
        .boxed()
    }

    fn create_node(&self, node: Node) -> BoxFuture<'_, Result<(), ApiFailure>> {
        async move { self.nodes().create(&PostParams::default(), &node).await.map(drop).map_err(failure) }.boxed()
    }

    fn patch_node(&self, patch: Value) -> BoxFuture<'_, Result<(), ApiFailure>> {
        async move {
            let patch = Patch::Strategic(patch);
            self.nodes().patch(&self.node, &parameters(), &patch).await.map(drop).map_err(failure)
        }
        .boxed()
    }

    fn patch_node_status(&self, patch: Value) -> BoxFuture<'_, Result<(), ApiFailure>> {
        async move {
            let patch = Patch::Strategic(patch);
            self.nodes().patch_status(&self.node, &parameters(), &patch).await.map(drop).map_err(failure)
        }
        .boxed()
    }

    fn heartbeat(&self, heartbeat: Heartbeat) -> BoxFuture<'_, Result<(), ApiFailure>> {
        async move {
            let sent = kubus_client::heartbeat::publish(&self.bus, &heartbeat).await;
            sent.map_err(|e| ApiFailure::Unavailable(e.to_string()))
        }
        .boxed()
    }
}
