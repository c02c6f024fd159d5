//! Keeps the status of resource quotas true when objects go or change: the leader counts anew.
//!
//! Admission counts for itself and does not rely on this; people and clients read it.
//! <https://kubernetes.io/docs/concepts/policy/resource-quotas/>

use crate::pipeline::Api;
use kubus_proto::kinds::resource_quota;
use kubus_proto::path::ResourcePath;
use kubus_proto::request::Method;
use kubus_proto::{ApiRequest, codec};
use serde_json::Value;
use std::time::Duration;
use tokio::sync::watch;

/// Whose right is used.
const IDENTITY: &str = "admin";
/// Pause between two counts, in milliseconds. Nothing is counted while nothing has changed.
const COUNT_INTERVAL_MS: u64 = 1_000;

/// Counts while this apiserver leads. Ends when the store does.
pub async fn run(api: Api, mut leadership: watch::Receiver<bool>) {
    let mut counted_at = 0;
    while leadership.wait_for(|leads| *leads).await.is_ok() {
        counted_at = count(&api, counted_at).await;
        tokio::time::sleep(Duration::from_millis(COUNT_INTERVAL_MS)).await;
    }
}

/// Counts once, unless the state is still at `counted_at`; gives the revision that was counted.
pub async fn count(api: &Api, counted_at: u64) -> u64 {
    if api.revision() == counted_at {
        return counted_at;
    }
    let (revision, stale) = api.stale_quotas();
    for quota in stale {
        let text = |key: &str| quota["metadata"][key].as_str().unwrap_or_default();
        let path = ResourcePath::of(&resource_quota::ROW, text("namespace"), text("name"), "status");
        let mut request = ApiRequest::new(Method::Put, path);
        request.user_agent = "kube-controller-manager".to_owned();
        request.body = codec::encode::<Value>(&quota).unwrap_or_default().into();
        let code = api.handle(IDENTITY, request).await.code;
        // 404, 409: it has changed meanwhile and is counted again.
        if !matches!(code, 200 | 404 | 409) {
            tracing::warn!(code, quota = text("name"), "the status of a quota cannot be written");
        }
    }
    revision
}
