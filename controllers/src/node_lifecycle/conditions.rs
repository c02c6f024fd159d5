//! What a node's heartbeats say about its conditions.

use super::heartbeats::Sign;
use crate::object;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::NodeCondition;
use std::time::Duration;

const SILENT: &str = "Kubelet stopped posting node status.";
const NEVER_SPOKE: &str = "Kubelet never posted node status.";

/// How a node does, by its heartbeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nothing was heard yet, and there is still time.
    Awaited,
    /// It runs pods.
    Ready,
    /// It is there and says why it runs none.
    NotReady(String),
    /// It said that it goes down.
    Leaving,
    /// Nothing was heard for longer than the grace period.
    Silent,
}

impl Health {
    /// Judges a sign of life.
    pub fn of(sign: &Sign, grace: Duration) -> Self {
        match &sign.last {
            _ if sign.silence >= grace => Health::Silent,
            None => Health::Awaited,
            Some(last) if last.leaving => Health::Leaving,
            Some(last) if last.ready => Health::Ready,
            Some(last) => Health::NotReady(last.message.clone()),
        }
    }

    /// Whether pods on the node can still be trusted to be what their status says.
    pub fn is_gone(&self) -> bool {
        matches!(self, Health::Silent | Health::Leaving)
    }
}

/// Pressure conditions and the reason of each when there is none.
const PRESSURES: [(&str, &str, &str); 3] = [
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
];

/// A condition of a list.
pub fn condition<'a>(conditions: &'a [NodeCondition], kind: &str) -> Option<&'a NodeCondition> {
    conditions.iter().find(|c| c.type_ == kind)
}

/// The conditions a node of this health should have, from those it has.
pub fn wanted(health: &Health, old: &[NodeCondition], now: Timestamp) -> Vec<NodeCondition> {
    let mut conditions = old.to_vec();
    let ready = condition(old, "Ready").map(|c| c.status.as_str());
    match health {
        Health::Awaited => {}
        Health::Ready => {
            if ready != Some("True") {
                set(&mut conditions, now, "Ready", "True", "KubeletReady", "kubelet is posting ready status");
            }
            for (kind, reason, message) in PRESSURES {
                // Only what silence has made unknown; the agent tells about real pressure itself.
                if condition(old, kind).is_some_and(|c| c.status == "Unknown") {
                    set(&mut conditions, now, kind, "False", reason, message);
                }
            }
        }
        Health::NotReady(message) => set_if_new(&mut conditions, now, "False", "KubeletNotReady", message),
        Health::Leaving => set_if_new(&mut conditions, now, "False", "KubeletNotReady", "node is shutting down"),
        Health::Silent => {
            let (reason, message) = match ready {
                Some(_) => ("NodeStatusUnknown", SILENT),
                None => ("NodeStatusNeverUpdated", NEVER_SPOKE),
            };
            if ready != Some("Unknown") {
                set(&mut conditions, now, "Ready", "Unknown", reason, message);
            }
            for (kind, ..) in PRESSURES {
                if condition(old, kind).is_some_and(|c| c.status != "Unknown") {
                    set(&mut conditions, now, kind, "Unknown", "NodeStatusUnknown", SILENT);
                }
            }
        }
    }
    conditions
}

fn set_if_new(conditions: &mut Vec<NodeCondition>, now: Timestamp, status: &str, reason: &str, message: &str) {
    let same = condition(conditions, "Ready").is_some_and(|c| {
        c.status == status && c.reason.as_deref() == Some(reason) && c.message.as_deref() == Some(message)
    });
    if !same {
        set(conditions, now, "Ready", status, reason, message);
    }
}

fn set(conditions: &mut Vec<NodeCondition>, now: Timestamp, kind: &str, status: &str, reason: &str, message: &str) {
    let before = condition(conditions, kind).cloned();
    let transition = before.as_ref().filter(|c| c.status == status).and_then(|c| c.last_transition_time.clone());
    let heard = if status == "Unknown" { before.as_ref().and_then(|c| c.last_heartbeat_time.clone()) } else { None };
    let new = NodeCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_heartbeat_time: heard.or_else(|| Some(object::time(now))),
        last_transition_time: transition.or_else(|| Some(object::time(now))),
    };
    match conditions.iter_mut().find(|c| c.type_ == kind) {
        Some(old) => *old = new,
        None => conditions.push(new),
    }
}
