//! Namespace deletion: everything in a Terminating namespace goes, pods first, then the namespace itself.
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/>

use crate::controller::{Controller, Observation, Watch, no_first_keys, own_key};
use crate::object::{self, Key};
use crate::plan::{Action, Found, Live, Lookup, Now, Plan, Target};
use k8s_openapi::api::core::v1::{Namespace, NamespaceCondition};
use kubus_proto::KindRow;
use kubus_proto::kinds::{KIND_TABLE, Verb, namespace, pod};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The entry of spec.finalizers that this controller takes away.
const FINALIZER: &str = "kubernetes";
/// How often remaining content is counted again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Row of the controllers table.
pub static CONTROLLER: Controller = Controller {
    name: "namespace",
    watches: &[Watch { row: Some(&namespace::ROW), keys: own_key }],
    plan: reconcile,
    workers: 4,
    first_keys: no_first_keys,
};

fn reconcile(o: &Observation<'_>, key: &Key) -> Plan {
    match o.caches.namespaces.get(key) {
        Some(namespace) => plan(o.now, &namespace, o.live),
        None => Plan::nothing(),
    }
}

/// What a namespace still holds of one kind.
struct Remaining {
    row: &'static KindRow,
    count: usize,
    finalizers: BTreeMap<String, usize>,
}

/// What must be done about a namespace. What it holds is asked of the API: a cache could miss the last object.
pub fn plan(now: Now, namespace: &Namespace, live: &Live) -> Plan {
    let mut plan = Plan::nothing();
    let finalizers = namespace.spec.as_ref().and_then(|s| s.finalizers.clone()).unwrap_or_default();
    if !object::is_deleting(&namespace.metadata) || !finalizers.iter().any(|f| f == FINALIZER) {
        return plan;
    }
    let name = object::name(&namespace.metadata);
    let mut remaining = Vec::new();
    for &row in KIND_TABLE.iter().filter(|r| r.namespaced && r.verbs.contains(&Verb::List)) {
        let lookup = Lookup::Content { row, namespace: name.to_owned() };
        match live.get(&lookup) {
            None => plan.lookups.push(lookup),
            Some(Found::Content { items, more }) if !items.is_empty() => {
                let mut finalizers = BTreeMap::new();
                for finalizer in items.iter().flat_map(|m| m.finalizers.iter().flatten()) {
                    *finalizers.entry(finalizer.clone()).or_default() += 1;
                }
                remaining.push(Remaining { row, count: items.len() + more, finalizers });
            }
            Some(Found::Content { .. } | Found::Missing | Found::Object(_)) => {}
        }
    }
    if !plan.lookups.is_empty() {
        return plan;
    }
    let conditions = conditions(now, namespace, &remaining);
    if remaining.is_empty() {
        finalize(namespace, &finalizers, &mut plan);
        return plan;
    }
    // Pods first, so that what they use outlives them.
    let pods_left = remaining.iter().any(|r| r.row.plural == pod::ROW.plural);
    for kind in remaining.iter().filter(|r| !pods_left || r.row.plural == pod::ROW.plural) {
        plan.act(Action::DeleteAll { row: kind.row, namespace: name.to_owned() });
    }
    let old = namespace.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
    if conditions != old {
        let patch = json!({"status": {"conditions": conditions}});
        let target = Target::exact(&namespace::ROW, &namespace.metadata);
        plan.act(Action::Patch { target, subresource: "status", patch });
    }
    plan.again_after(LOOK_AGAIN);
    plan
}

fn finalize(namespace: &Namespace, finalizers: &[String], plan: &mut Plan) {
    let left: Vec<_> = finalizers.iter().filter(|f| *f != FINALIZER).collect();
    let mut object = json!(namespace);
    object["spec"]["finalizers"] = Value::from(left.into_iter().cloned().collect::<Vec<String>>());
    plan.act(Action::Finalize { target: Target::exact(&namespace::ROW, &namespace.metadata), object });
}

fn conditions(now: Now, namespace: &Namespace, remaining: &[Remaining]) -> Vec<NamespaceCondition> {
    let old = namespace.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
    let content: Vec<String> =
        remaining.iter().map(|r| format!("{} has {} resource instances", resource(r.row), r.count)).collect();
    let mut finalizers: BTreeMap<&str, usize> = BTreeMap::new();
    for (finalizer, count) in remaining.iter().flat_map(|r| &r.finalizers) {
        *finalizers.entry(finalizer).or_default() += count;
    }
    let waits: Vec<String> = finalizers.iter().map(|(f, n)| format!("{f} in {n} resource instances")).collect();
    let ok = |text: &str| text.to_owned();
    [
        (
            "NamespaceDeletionDiscoveryFailure",
            "ResourcesDiscovered",
            ok("All resources successfully discovered"),
            false,
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            "ParsedGroupVersions",
            ok("All legacy kube types successfully parsed"),
            false,
        ),
        (
            "NamespaceDeletionContentFailure",
            "ContentDeleted",
            ok("All content successfully deleted, may be waiting on finalization"),
            false,
        ),
        if content.is_empty() {
            ("NamespaceContentRemaining", "ContentRemoved", ok("All content successfully removed"), false)
        } else {
            (
                "NamespaceContentRemaining",
                "SomeResourcesRemain",
                format!("Some resources are remaining: {}", content.join(", ")),
                true,
            )
        },
        if waits.is_empty() {
            (
                "NamespaceFinalizersRemaining",
                "ContentHasNoFinalizers",
                ok("All content-preserving finalizers finished"),
                false,
            )
        } else {
            (
                "NamespaceFinalizersRemaining",
                "SomeFinalizersRemain",
                format!("Some content in the namespace has finalizers remaining: {}", waits.join(", ")),
                true,
            )
        },
    ]
    .into_iter()
    .map(|(kind, reason, message, is_true)| {
        let status = if is_true { "True" } else { "False" };
        let before = old.iter().find(|c| c.type_ == kind && c.status == status);
        NamespaceCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message),
            last_transition_time: before
                .and_then(|c| c.last_transition_time.clone())
                .or_else(|| Some(object::time(now.wall))),
        }
    })
    .collect()
}

/// `pods.` or `deployments.apps`, as Kubernetes writes it here.
fn resource(row: &KindRow) -> String {
    format!("{}.{}", row.plural, row.group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    fn namespace(deleting: bool) -> Namespace {
        let deleted = deleting.then_some("2026-01-01T00:00:00Z");
        serde_json::from_value(json!({
            "metadata": {"name": "ns", "uid": "u", "resourceVersion": "5", "deletionTimestamp": deleted},
            "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Terminating"},
        }))
        .expect("namespace")
    }

    fn live(content: &[(&str, usize)]) -> Live {
        let mut live = Live::default();
        for &row in KIND_TABLE.iter().filter(|r| r.namespaced) {
            let count = content.iter().find(|(plural, _)| *plural == row.plural).map_or(0, |(_, n)| *n);
            let item = ObjectMeta { finalizers: Some(vec!["x/y".into()]), ..ObjectMeta::default() };
            let found = Found::Content { items: vec![item; count], more: 0 };
            live.insert(&Lookup::Content { row, namespace: "ns".into() }, found);
        }
        live
    }

    const NOW: Now = Now { wall: Timestamp::UNIX_EPOCH, monotonic: Duration::ZERO };

    fn deleted(plan: &Plan) -> Vec<&str> {
        let kind = |s: &crate::plan::Step| match &s.action {
            Action::DeleteAll { row, .. } => Some(row.plural),
            Action::Create { .. } | Action::Patch { .. } | Action::Delete { .. } | Action::Finalize { .. } => None,
        };
        plan.steps.iter().filter_map(kind).collect()
    }

    #[test]
    fn a_namespace_goes_when_it_is_empty() {
        assert!(plan(NOW, &namespace(false), &Live::default()).lookups.is_empty(), "alive");
        let asked = plan(NOW, &namespace(true), &Live::default());
        assert!(asked.lookups.len() >= 8 && asked.steps.is_empty(), "every namespaced kind is asked for");

        let pods_first = plan(NOW, &namespace(true), &live(&[("pods", 2), ("configmaps", 1)]));
        assert_eq!(deleted(&pods_first), ["pods"]);
        assert!(pods_first.requeue_after.is_some());
        let Some(Action::Patch { patch, .. }) = pods_first.steps.last().map(|s| &s.action) else {
            panic!("conditions are reported");
        };
        let messages = patch.to_string();
        assert!(
            messages.contains("configmaps. has 1 resource instances, pods. has 2 resource instances"),
            "{messages}"
        );
        assert!(messages.contains("x/y in 3 resource instances"), "{messages}");

        let rest = plan(NOW, &namespace(true), &live(&[("configmaps", 1), ("deployments", 1)]));
        assert_eq!(deleted(&rest), ["configmaps", "deployments"]);

        let done = plan(NOW, &namespace(true), &live(&[]));
        let Some(Action::Finalize { object, .. }) = done.steps.first().map(|s| &s.action) else {
            panic!("finalized");
        };
        assert_eq!(object["spec"]["finalizers"], json!([]));
    }
}
