//! The node's signs of life, each second, and what they say: whether the engine answers.

use super::object::Health;
use crate::api::NodeApi;
use crate::runtime::Runtime;
use kubus_proto::heartbeat::{HEARTBEAT_INTERVAL_MS, Heartbeat};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often the engine is asked whether it is there.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// How long it may take to answer.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks the engine for ever and tells on `health` what it finds.
pub async fn check(runtime: Arc<dyn Runtime>, health: watch::Sender<Health>) {
    let mut interval = tokio::time::interval(PING_INTERVAL);
    loop {
        interval.tick().await;
        let now = match tokio::time::timeout(PING_TIMEOUT, runtime.ping()).await {
            Ok(Ok(())) => Health { ready: true, message: String::new() },
            Ok(Err(error)) => Health { ready: false, message: format!("container runtime is down: {error}") },
            Err(_) => Health { ready: false, message: "container runtime is down: it does not answer".to_owned() },
        };
        health.send_if_modified(|known| {
            let changed = *known != now;
            *known = now;
            changed
        });
        if health.is_closed() {
            return;
        }
    }
}

/// Publishes heartbeats of `node` until `leaving` is told; then one last that says so.
pub async fn beat(
    api: Arc<dyn NodeApi>,
    node: String,
    health: watch::Receiver<Health>,
    mut leaving: watch::Receiver<bool>,
) {
    let mut interval = tokio::time::interval(Duration::from_millis(HEARTBEAT_INTERVAL_MS));
    // After a pause of the whole process, what was missed is not made up for.
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let boot_id = uuid::Uuid::new_v4();
    let mut sequence = 0;
    loop {
        let last = tokio::select! {
            _ = interval.tick() => false,
            // Whoever could tell is gone: that is leaving too.
            _ = leaving.wait_for(|l| *l) => true,
        };
        let Health { ready, message } = health.borrow().clone();
        let heartbeat =
            Heartbeat { node: node.clone(), boot_id, sequence, ready: ready && !last, message, leaving: last };
        sequence += 1;
        if let Err(error) = api.heartbeat(heartbeat).await {
            tracing::warn!(%error, "cannot send a heartbeat");
        }
        if last {
            return;
        }
    }
}
