//! Registers the node, registers it again if it is deleted, and keeps its status true: on change, and rarely without.

use super::object::{self, Health, NodeFacts};
use crate::api::{ApiFailure, Change, NodeApi};
use crate::event::{About, News, Recorder};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often the status is written without a reason.
const REFRESH: Duration = Duration::from_secs(300);
/// Least time between two writes, so that two writers of one condition do not race.
const PAUSE: Duration = Duration::from_millis(500);
/// Pause before a failed write is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Keeps the node's object true for ever.
pub async fn keep(api: Arc<dyn NodeApi>, facts: NodeFacts, mut health: watch::Receiver<Health>, recorder: Recorder) {
    let mut changes = api.watch_node();
    let mut known: Option<Node> = None;
    // A registration does not wait for the watch: the sooner the node is there, the sooner pods come.
    let mut due = Some(Instant::now());
    let mut refresh = Instant::now() + REFRESH;
    let mut announced = false;
    loop {
        tokio::select! {
            change = changes.next() => match change {
                Some(Change::All(nodes)) => {
                    let own = nodes.into_iter().find(|n| n.metadata.name.as_deref() == Some(&facts.name));
                    due = due.or(next_due(own.as_ref(), &facts, &health.borrow()));
                    known = own;
                }
                Some(Change::Applied(node)) => {
                    due = due.or(next_due(Some(&node), &facts, &health.borrow()));
                    known = Some(node);
                }
                Some(Change::Deleted(_)) => {
                    known = None;
                    due = Some(Instant::now());
                }
                None => return,
            },
            changed = health.changed() => {
                if changed.is_err() {
                    return;
                }
                due = Some(Instant::now());
            }
            () = tokio::time::sleep_until(due.map_or(refresh, |d| d.min(refresh))) => {
                let now_health = health.borrow_and_update().clone();
                match write(api.as_ref(), &facts, &now_health, known.as_ref()).await {
                    Ok(()) => {
                        due = None;
                        refresh = Instant::now() + REFRESH;
                        if !announced {
                            announced = true;
                            announce(&recorder, &facts.name);
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot write the node's status, will try again");
                        due = Some(Instant::now() + RETRY);
                        refresh = Instant::now() + REFRESH;
                    }
                }
            }
        }
    }
}

fn next_due(node: Option<&Node>, facts: &NodeFacts, health: &Health) -> Option<Instant> {
    match node {
        None => Some(Instant::now()),
        Some(node) => object::outdated(node, facts, health, Timestamp::now()).then(|| Instant::now() + PAUSE),
    }
}

fn announce(recorder: &Recorder, name: &str) {
    recorder.record(News {
        about: About { kind: "Node".to_owned(), name: name.to_owned(), uid: name.to_owned(), ..About::default() },
        warning: false,
        reason: "Starting".to_owned(),
        message: "Starting kubelet.".to_owned(),
    });
}

async fn write(api: &dyn NodeApi, facts: &NodeFacts, health: &Health, known: Option<&Node>) -> Result<(), ApiFailure> {
    let now = Timestamp::now();
    if known.is_none() {
        match api.create_node(object::node(facts, health, now)).await {
            // The API may drop the status of what is created, so it is written all the same.
            Ok(()) | Err(ApiFailure::Exists) => {}
            Err(error) => return Err(error),
        }
    }
    let wanted = object::labels(facts);
    let have = known.and_then(|n| n.metadata.labels.clone()).unwrap_or_default();
    let missing: std::collections::BTreeMap<_, _> = wanted.into_iter().filter(|(k, _)| !have.contains_key(k)).collect();
    if !missing.is_empty() {
        api.patch_node(json!({"metadata": {"labels": missing}})).await?;
    }
    let before = known.and_then(|n| n.status.as_ref()?.conditions.clone()).unwrap_or_default();
    let status = object::status(facts, health, &before, now);
    api.patch_node_status(json!({"status": status})).await
}
