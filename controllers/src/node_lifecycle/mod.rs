//! Node lifecycle: readiness from heartbeats, taints from conditions, and the pods of nodes that went away.
//! <https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller>

pub mod conditions;
pub mod heartbeats;
pub mod taints;
pub mod zones;

use crate::controller::{Controller, Observation, Watch, no_first_keys, own_key};
use crate::informer::{Caches, Change, Index, Object};
use crate::ledger::InFlight;
use crate::object::{self, Key};
use crate::plan::{Action, EventDraft, Now, Plan, Severity, Target};
use crate::pods;
use crate::settings::Settings;
use conditions::{Health, condition};
use heartbeats::Sign;
use k8s_openapi::api::core::v1::{Node, NodeCondition, Pod, PodCondition};
use kubus_proto::kinds::{node, pod};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use taints::Eviction;
use zones::Pace;

const COMPONENT: &str = "node-controller";
/// How often a node that may not be given up now is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Row of the controllers table. Its keys are nodes; heartbeats make work, too.
pub static CONTROLLER: Controller = Controller {
    name: "nodelifecycle",
    watches: &[Watch { row: Some(&node::ROW), keys: own_key }, Watch { row: Some(&pod::ROW), keys: keys_of_pod }],
    plan: reconcile,
    workers: 4,
    first_keys: no_first_keys,
};

/// A pod that claims to be ready on a node that is not.
fn keys_of_pod(caches: &Caches, change: &Change) -> Vec<Key> {
    let Some(Object::Pod(pod)) = &change.after else {
        return Vec::new();
    };
    let node = pods::node_name(pod).filter(|_| pods::is_ready(pod)).map(|n| Key::new("", n));
    let is_bad = |k: &Key| caches.nodes.get(k).is_some_and(|n| !is_ready(&n));
    node.filter(is_bad).into_iter().collect()
}

fn conditions_of(node: &Node) -> Vec<NodeCondition> {
    node.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default()
}

fn is_ready(node: &Node) -> bool {
    node.status.iter().flat_map(|s| s.conditions.iter().flatten()).any(|c| c.type_ == "Ready" && c.status == "True")
}

/// The observed state of one node.
pub struct Observed<'a> {
    /// What its heartbeats say.
    pub sign: Sign,
    /// Whether its pods may be evicted now, as far as the other nodes and the pace are concerned.
    pub permission: Permission,
    /// Its pods.
    pub pods: Vec<Arc<Pod>>,
    /// Own writes the caches do not show yet.
    pub in_flight: &'a InFlight,
    /// Flags.
    pub settings: &'a Settings,
}

/// What the state of the zones allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Evict now.
    Granted,
    /// Ask again after a while.
    Wait(Duration),
    /// Every zone is bad: take evictions back.
    Amnesty,
}

fn reconcile(o: &Observation<'_>, key: &Key) -> Plan {
    let Some(node) = o.caches.nodes.get(key) else {
        o.heartbeats.forget(&key.name);
        return Plan::nothing();
    };
    let sign = o.heartbeats.sign(&key.name, o.now.monotonic);
    let permission = if is_up_for_eviction(o.now, &node, &sign, o.settings) {
        ask_permission(o, &node)
    } else {
        Permission::Wait(LOOK_AGAIN)
    };
    let observed = Observed {
        sign,
        permission,
        pods: o.caches.pods.select(&Index::Node(key.name.clone())),
        in_flight: o.in_flight,
        settings: o.settings,
    };
    plan(o.now, &node, &observed)
}

fn ask_permission(o: &Observation<'_>, node: &Node) -> Permission {
    let all = o.caches.nodes.all();
    let states: Vec<(String, bool)> = all
        .iter()
        .map(|n| {
            let sign = o.heartbeats.sign(object::name(&n.metadata), o.now.monotonic);
            (zones::zone_of(n), is_ready(n) && !Health::of(&sign, o.settings.node_grace).is_gone())
        })
        .collect();
    let zone = zones::zone_of(node);
    let already = node.spec.iter().flat_map(|s| s.taints.iter().flatten()).any(taints::is_evicting);
    match zones::pace(&zone, states.iter().map(|(z, good)| (z.as_str(), *good)), o.settings) {
        Pace::Amnesty => Permission::Amnesty,
        Pace::Halt => Permission::Wait(LOOK_AGAIN),
        Pace::Rate(_) if already => Permission::Granted,
        Pace::Rate(rate) => match o.heartbeats.give_up(&zone, rate, o.now.monotonic) {
            Ok(()) => Permission::Granted,
            Err(wait) => Permission::Wait(wait),
        },
    }
}

/// Whether the node is bad, is written down as bad, and has been so for a moment: then its pods could be evicted.
pub fn is_up_for_eviction(now: Now, node: &Node, sign: &Sign, settings: &Settings) -> bool {
    let conditions = conditions_of(node);
    let Some(ready) = condition(&conditions, "Ready").filter(|c| c.status != "True") else {
        return false;
    };
    !matches!(Health::of(sign, settings.node_grace), Health::Ready) && settled_in(now, ready, settings).is_none()
}

/// How long the condition must still last before it counts; `None` when it does.
fn settled_in(now: Now, ready: &NodeCondition, settings: &Settings) -> Option<Duration> {
    let since = ready.last_transition_time.as_ref()?.0;
    let age = Duration::try_from(now.wall.duration_since(since)).unwrap_or(Duration::ZERO);
    settings.node_settle.checked_sub(age).filter(|left| !left.is_zero())
}

/// What must be done about a node.
pub fn plan(now: Now, node: &Node, observed: &Observed<'_>) -> Plan {
    let mut plan = Plan::nothing();
    let grace = observed.settings.node_grace;
    let health = Health::of(&observed.sign, grace);
    if health != Health::Silent {
        plan.again_after(grace.saturating_sub(observed.sign.silence));
    }
    let old = conditions_of(node);
    let wanted = conditions::wanted(&health, &old, now.wall);
    let (was_ready, ready) = (is_ready(node), condition(&wanted, "Ready"));
    let becomes_bad = was_ready && ready.is_some_and(|c| c.status != "True");
    if observed.in_flight.changed.contains(&Key::of(&node.metadata)) {
        return plan;
    }
    if health.is_gone() || becomes_bad {
        for pod in &observed.pods {
            mark_not_ready(now, pod, observed.in_flight, &mut plan);
        }
    }
    let target = Target::exact(&node::ROW, &node.metadata);
    if wanted != old {
        let patch = json!({"status": {"conditions": wanted}});
        let action = Action::Patch { target: target.clone(), subresource: "status", patch };
        if becomes_bad {
            let message = format!("Node {} status is now: NodeNotReady", object::name(&node.metadata));
            let about = (&node::ROW, &node.metadata);
            plan.act_and_say(action, EventDraft::new(COMPONENT, about, Severity::Normal, "NodeNotReady", message));
        } else {
            plan.act(action);
        }
    }
    let eviction = eviction(now, node, ready, observed, &mut plan);
    let taints = taints::wanted(node, &wanted, eviction, now.wall);
    let have = node.spec.as_ref().and_then(|s| s.taints.clone()).unwrap_or_default();
    if taints != have {
        let taints = if taints.is_empty() { serde_json::Value::Null } else { json!(taints) };
        plan.act(Action::Patch { target, subresource: "", patch: json!({"spec": {"taints": taints}}) });
    }
    plan
}

fn eviction(
    now: Now,
    node: &Node,
    ready: Option<&NodeCondition>,
    observed: &Observed<'_>,
    plan: &mut Plan,
) -> Eviction {
    let Some(bad) = ready.filter(|c| c.status != "True") else {
        return Eviction::Withdrawn;
    };
    if !is_up_for_eviction(now, node, &observed.sign, observed.settings) {
        plan.again_after(settled_in(now, bad, observed.settings).unwrap_or(observed.settings.node_settle));
        return Eviction::NotYet;
    }
    match observed.permission {
        Permission::Granted => Eviction::Granted,
        Permission::Wait(delay) => {
            plan.again_after(delay);
            Eviction::NotYet
        }
        Permission::Amnesty => {
            plan.again_after(LOOK_AGAIN);
            Eviction::Withdrawn
        }
    }
}

/// A pod on a node that went away serves nobody, whatever its status says.
fn mark_not_ready(now: Now, pod: &Pod, in_flight: &InFlight, plan: &mut Plan) {
    if !pods::is_ready(pod) || in_flight.changed.contains(&Key::of(&pod.metadata)) {
        return;
    }
    let conditions: Vec<PodCondition> = pod
        .status
        .iter()
        .flat_map(|s| s.conditions.iter().flatten())
        .map(|c| match c.type_.as_str() {
            "Ready" => PodCondition {
                status: "False".to_owned(),
                last_transition_time: Some(object::time(now.wall)),
                ..c.clone()
            },
            _ => c.clone(),
        })
        .collect();
    let action = Action::Patch {
        target: Target::exact(&pod::ROW, &pod.metadata),
        subresource: "status",
        patch: json!({"status": {"conditions": conditions}}),
    };
    let about = (&pod::ROW, &pod.metadata);
    let event = EventDraft::new(COMPONENT, about, Severity::Warning, "NodeNotReady", "Node is not ready");
    plan.act_and_say(action, event);
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
