//! What a change is to one watcher: a selected object may enter, change, and leave the selection.

use super::EventType;
use super::plan::Plan;
use kubus_proto::codec::{self, CodecError};
use kubus_proto::event::{Change, ChangeType, Selectable};

/// The event that `change` is under `plan`, `None` where the watcher has nothing to do with it.
pub(super) fn select(plan: &Plan, change: &Change) -> Result<Option<EventType>, CodecError> {
    if !plan.namespace.is_empty() && plan.namespace != change.namespace
        || !plan.name.is_empty() && plan.name != change.name
        || plan.fields.required("metadata.namespace").is_some_and(|namespace| namespace != change.namespace)
    {
        return Ok(None);
    }
    let inside = plan.looks_inside();
    let matches = |state: &Selectable| {
        // The name and namespace are the object's own, whoever filled the fields in.
        plan.labels.matches(&state.labels) && plan.fields.matches(&state.fields)
    };
    let before = match &change.before {
        None => false,
        Some(state) if inside => matches(state),
        Some(state) => match (&plan.scope, plan.row.scope_field()) {
            (Some(scope), Some(field)) if field != "metadata.name" => state.fields.get(field) == Some(scope),
            _ => true,
        },
    };
    let after = change.change != ChangeType::Deleted
        && if inside {
            matches(&plan.row.selectable(&codec::decode(&change.object)?))
        } else {
            plan.scope.as_ref().is_none_or(|scope| *scope == change.scope)
        };
    Ok(match (change.change, before, after) {
        (_, false, true) => Some(EventType::Added),
        (_, true, true) => Some(EventType::Modified),
        (_, true, false) => Some(EventType::Deleted),
        (_, false, false) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(phase: &str, node: &str, app: &str) -> Value {
        json!({"metadata": {"name": "p", "namespace": "a", "labels": {"app": app}},
            "spec": {"nodeName": node}, "status": {"phase": phase}})
    }

    fn change(before: Option<&Value>, after: Option<&Value>) -> Change {
        let row = kubus_proto::kinds::by_name("pods").expect("row");
        let object = after.or(before).expect("one of them");
        Change {
            revision: 2,
            previous: 1,
            previous_in_scope: 1,
            change: match (before, after) {
                (None, _) => ChangeType::Added,
                (_, Some(_)) => ChangeType::Modified,
                _ => ChangeType::Deleted,
            },
            namespace: "a".into(),
            name: "p".into(),
            scope: (row.scope)(object),
            before: before.map(|before| row.selectable(before)),
            object: codec::encode(object).expect("encode").into(),
        }
    }

    #[test]
    fn objects_enter_change_and_leave_a_selection() {
        use EventType::{Added, Deleted, Modified};
        let (pending, running) = (pod("Pending", "", "x"), pod("Running", "n1", "x"));
        let other = pod("Running", "n1", "y");
        let web = "/api/v1/pods";
        for (path, query, before, after, expected) in [
            (web, "", None, Some(&running), Some(Added)),
            (web, "", Some(&pending), Some(&running), Some(Modified)),
            (web, "", Some(&running), None, Some(Deleted)),
            (web, "labelSelector=app%3Dx", Some(&other), Some(&running), Some(Added)),
            (web, "labelSelector=app%3Dx", Some(&running), Some(&other), Some(Deleted)),
            (web, "labelSelector=app%3Dx", Some(&running), Some(&running), Some(Modified)),
            (web, "labelSelector=app%3Dx", Some(&other), Some(&other), None),
            (web, "labelSelector=app%3Dx", None, Some(&other), None),
            (web, "labelSelector=app%3Dx", Some(&other), None, None),
            (web, "labelSelector=app%3Dx", Some(&running), None, Some(Deleted)),
            (web, "fieldSelector=status.phase%3DRunning", Some(&pending), Some(&running), Some(Added)),
            (web, "fieldSelector=spec.nodeName%3Dn1", Some(&pending), Some(&running), Some(Added)),
            (web, "fieldSelector=spec.nodeName%3Dn1", Some(&running), Some(&other), Some(Modified)),
            (web, "fieldSelector=spec.nodeName%3Dn1", Some(&running), None, Some(Deleted)),
            (web, "fieldSelector=spec.nodeName%3Dn2", Some(&running), None, None),
            (web, "fieldSelector=spec.nodeName%3D", Some(&pending), Some(&running), Some(Deleted)),
            (web, "fieldSelector=spec.nodeName%3Dn1,status.phase%3DPending", Some(&pending), Some(&running), None),
            ("/api/v1/namespaces/a/pods", "", None, Some(&running), Some(Added)),
            ("/api/v1/namespaces/b/pods", "", None, Some(&running), None),
            ("/api/v1/namespaces/a/pods/p", "", None, Some(&running), Some(Added)),
            ("/api/v1/namespaces/a/pods/q", "", None, Some(&running), None),
            (web, "fieldSelector=metadata.name%3Dp", Some(&running), None, Some(Deleted)),
            (web, "fieldSelector=metadata.namespace%3Db", Some(&running), None, None),
            (web, "fieldSelector=metadata.name!%3Dp", Some(&pending), Some(&running), None),
        ] {
            let path = kubus_proto::path::ResourcePath::parse(path).expect(path);
            let plan = Plan::parse(path, query).expect(query);
            let got = select(&plan, &change(before, after)).expect("select");
            assert_eq!(got, expected, "{query}: {before:?} -> {after:?}");
        }
    }
}
