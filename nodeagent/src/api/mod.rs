//! What the agent asks of the API. The cluster's API over the bus is one implementation, tests have another.

use crate::pod::tokens::TokenNeed;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Node, Pod, Secret};
use kubus_proto::heartbeat::Heartbeat;
use serde_json::Value;

pub mod kube_api;

pub use kube_api::KubeApi;

/// A request to the API failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiFailure {
    /// There is no such object, or one of that name with another uid.
    #[error("not found")]
    Gone,
    /// The object is there already.
    #[error("already exists")]
    Exists,
    /// The API says no, and will say so again.
    #[error("refused: {0}")]
    Refused(String),
    /// The API could not be asked, or is not able to answer now.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

/// A change among watched objects.
#[derive(Clone, Debug)]
pub enum Change<K> {
    /// Everything there is, after a start or after changes were missed.
    All(Vec<K>),
    /// One is new or changed.
    Applied(K),
    /// One is gone; this is its last state.
    Deleted(K),
}

/// The API as a node sees it.
pub trait NodeApi: Send + Sync + 'static {
    /// Pods bound to the node, for ever; a failed connection is taken up again.
    fn watch_pods(&self) -> BoxStream<'static, Change<Pod>>;
    /// The node's own object, for ever.
    fn watch_node(&self) -> BoxStream<'static, Change<Node>>;
    /// Patches a pod's status (strategic merge); the pod as it is then.
    fn patch_pod_status<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        patch: Value,
    ) -> BoxFuture<'a, Result<Pod, ApiFailure>>;
    /// Removes a pod for good if it still has this uid.
    fn delete_pod<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        uid: &'a str,
    ) -> BoxFuture<'a, Result<(), ApiFailure>>;
    /// A ConfigMap, `None` if there is none.
    fn config_map<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<ConfigMap>, ApiFailure>>;
    /// A Secret, `None` if there is none.
    fn secret<'a>(&'a self, namespace: &'a str, name: &'a str) -> BoxFuture<'a, Result<Option<Secret>, ApiFailure>>;
    /// A token of the pod's service account, bound to the pod.
    fn service_account_token<'a>(
        &'a self,
        pod: &'a Pod,
        need: &'a TokenNeed,
    ) -> BoxFuture<'a, Result<String, ApiFailure>>;
    /// Creates an event.
    fn create_event(&self, event: Event) -> BoxFuture<'_, Result<(), ApiFailure>>;
    /// Patches an event (merge).
    fn patch_event<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        patch: Value,
    ) -> BoxFuture<'a, Result<(), ApiFailure>>;
    /// Creates the node's object.
    fn create_node(&self, node: Node) -> BoxFuture<'_, Result<(), ApiFailure>>;
    /// Patches the node's object (strategic merge).
    fn patch_node(&self, patch: Value) -> BoxFuture<'_, Result<(), ApiFailure>>;
    /// Patches the node's status (strategic merge).
    fn patch_node_status(&self, patch: Value) -> BoxFuture<'_, Result<(), ApiFailure>>;
    /// Says that the node lives.
    fn heartbeat(&self, heartbeat: Heartbeat) -> BoxFuture<'_, Result<(), ApiFailure>>;
}
