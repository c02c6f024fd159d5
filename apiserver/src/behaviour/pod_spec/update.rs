//! What an update may change in the spec of a pod. <https://kubernetes.io/docs/concepts/workloads/pods/#pod-update-and-replacement>

use super::text;
use crate::behaviour::causes::{forbidden, invalid};
use crate::behaviour::names::range;
use crate::behaviour::path::FieldPath;
use crate::behaviour::workload::without_empties;
use k8s_openapi::api::core::v1::{Container, PodSpec, Toleration};
use kubus_proto::status::Cause;
use serde_json::{Value, json};

const MAY_CHANGE: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
    `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
    tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
/// Most changed fields that an error names.
const CHANGES_LIMIT: usize = 20;

/// Checks the spec of a changed pod against the old.
pub fn validate_pod_update(new: &PodSpec, old: &PodSpec, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    let counts = |spec: &PodSpec| (spec.containers.len(), spec.init_containers.as_ref().map_or(0, Vec::len));
    let ((apps, inits), (old_apps, old_inits)) = (counts(new), counts(old));
    for (field, same) in [("containers", apps == old_apps), ("initContainers", inits == old_inits)] {
        if !same {
            return causes.push(forbidden(path.field(field), "pod updates may not add or remove containers"));
        }
    }
    if !validate_deadline(new, old, &path, causes) {
        return;
    }
    validate_added_tolerations(new, old, &path.field("tolerations"), causes);
    validate_removed_gates(new, old, &path.field("schedulingGates"), causes);
    // What may change is set back; whatever else differs may not.
    let mut rest = new.clone();
    set_back_images(&mut rest.containers, &old.containers);
    if let (Some(new), Some(old)) = (&mut rest.init_containers, &old.init_containers) {
        set_back_images(new, old);
    }
    rest.active_deadline_seconds = old.active_deadline_seconds;
    rest.tolerations.clone_from(&old.tolerations);
    rest.scheduling_gates.clone_from(&old.scheduling_gates);
    if old.termination_grace_period_seconds.is_some_and(|s| s < 0) && rest.termination_grace_period_seconds == Some(1) {
        rest.termination_grace_period_seconds = old.termination_grace_period_seconds;
    }
    if old.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty()) && only_adds_labels(new, old) {
        // Until its gates are open, a pod may still be tied to fewer nodes.
        rest.node_selector.clone_from(&old.node_selector);
    }
    let (before, after) = (without_empties(&json!(old)), without_empties(&json!(rest)));
    if before != after {
        let mut changes = Vec::new();
        differences("spec", &before, &after, &mut changes);
        causes.push(forbidden(path, format!("{MAY_CHANGE}\n{}", changes.join("\n"))));
    }
}

fn only_adds_labels(new: &PodSpec, old: &PodSpec) -> bool {
    let new = new.node_selector.as_ref();
    old.node_selector.iter().flatten().all(|(key, value)| new.and_then(|n| n.get(key)) == Some(value))
}

fn set_back_images(new: &mut [Container], old: &[Container]) {
    for (new, old) in new.iter_mut().zip(old) {
        new.image.clone_from(&old.image);
    }
}

/// A deadline may be set or made shorter. False where nothing else is checked.
fn validate_deadline(new: &PodSpec, old: &PodSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) -> bool {
    let path = path.field("activeDeadlineSeconds");
    let wrong = match (new.active_deadline_seconds, old.active_deadline_seconds) {
        (Some(new), _) if !(0..=i64::from(i32::MAX)).contains(&new) => {
            Some(invalid(path, new, range(0, i32::MAX.into())))
        }
        (Some(new), Some(old)) if old < new => Some(invalid(path, new, "must be less than or equal to previous value")),
        (None, Some(_)) => {
            // Kubernetes checks on after this one; what follows would only say it again.
            Some(invalid(path, Value::Null, "must not update from a positive integer to nil value"))
        }
        _ => None,
    };
    let fine = wrong.is_none();
    causes.extend(wrong);
    fine
}

fn validate_added_tolerations(new: &PodSpec, old: &PodSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let like = |a: &Toleration, b: &Toleration| {
        let own =
            |t: &Toleration| [text(&t.key), text(&t.operator), text(&t.value), text(&t.effect)].map(str::to_owned);
        own(a) == own(b)
    };
    let now = new.tolerations.as_deref().unwrap_or_default();
    if old.tolerations.iter().flatten().any(|old| !now.iter().any(|new| like(new, old))) {
        causes.push(forbidden(path, "existing toleration can not be modified except its tolerationSeconds"));
    }
}

fn validate_removed_gates(new: &PodSpec, old: &PodSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let before = old.scheduling_gates.as_deref().unwrap_or_default();
    for (i, gate) in new.scheduling_gates.iter().flatten().enumerate() {
        if !before.iter().any(|old| old.name == gate.name) {
            let detail = format!("only deletion is allowed, but found new scheduling gate '{}'", gate.name);
            causes.push(forbidden(path.index(i), detail));
        }
    }
}

/// The fields in which two values differ, each as `- path: old` and `+ path: new`.
pub fn differences(path: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    if before == after || found.len() >= CHANGES_LIMIT {
        return;
    }
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => {
            let added = b.keys().filter(|key| !a.contains_key(*key));
            for key in a.keys().chain(added) {
                differences(&format!("{path}.{key}"), &before[key], &after[key], found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}[{i}]"), a, b, found);
            }
        }
        _ => {
            let line = |sign: char, value: &Value| (!value.is_null()).then(|| format!("{sign} {path}: {value}"));
            found.extend(line('-', before).into_iter().chain(line('+', after)));
        }
    }
}
