//! PriorityClass on its way into the store.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/#priorityclass>

use super::causes::forbidden;
use super::defaulting::{put, put_filled};
use super::metadata::check;
use super::path::FieldPath;
use super::pod_spec::{PREEMPTION_POLICIES, required_one_of};
use super::workload::immutable;
use super::{Behaviour, PLAIN, prepare, schema_of};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use kubus_proto::status::Cause;

/// The priority classes that every cluster has.
pub const SYSTEM_CLASSES: [(&str, i32); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

/// Behaviour of PriorityClass.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::priority_class::ROW,
    schema: schema_of!(PriorityClass),
    defaults: |class| {
        if let Some(fields) = class.as_object_mut() {
            put(fields, "value", 0);
            put_filled(fields, "preemptionPolicy", "PreemptLowerPriority");
        }
    },
    prepare_create: prepare::only_first_generation,
    rules: |class, causes| check(class, causes, validate_class),
    update_rules: |new, old, causes| {
        if new["value"] != old["value"] {
            causes.push(forbidden("value", "may not be changed in an update."));
        }
        let path = FieldPath::root("preemptionPolicy");
        immutable(&new["preemptionPolicy"], &old["preemptionPolicy"], &path, causes);
    },
    ..PLAIN
};

/// Names that begin so are the system's.
const SYSTEM_PREFIX: &str = "system-";
/// The largest value a user's class may have.
const USER_VALUE_LIMIT: i32 = 1_000_000_000;

fn validate_class(class: &PriorityClass, causes: &mut Vec<Cause>) {
    let (name, value) = (class.metadata.name.as_deref().unwrap_or_default(), class.value.unwrap_or_default());
    if name.starts_with(SYSTEM_PREFIX) {
        let known = SYSTEM_CLASSES.iter().find(|(known, _)| *known == name);
        let wrong = match known {
            None => Some(format!("{name} is not a known system priority class")),
            Some((_, expected)) if *expected != value => {
                Some(format!("value of {name} PriorityClass must be {expected}"))
            }
            Some(_) if class.global_default == Some(true) => {
                Some(format!("globalDefault of {name} PriorityClass must be false"))
            }
            Some(_) => None,
        };
        causes.extend(wrong.map(|error| {
            let rule = "priority class names with 'system-' prefix are reserved for system use only";
            forbidden("metadata.name", format!("{rule}. error: {error}"))
        }));
    } else if value > USER_VALUE_LIMIT {
        let detail = format!("maximum allowed value of a user defined priority is {USER_VALUE_LIMIT}");
        causes.push(forbidden("value", detail));
    }
    required_one_of(&FieldPath::root("preemptionPolicy"), &class.preemption_policy, PREEMPTION_POLICIES, causes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_have_bounds_and_names_owners() {
        for (class, expected) in [
            (json!({"metadata": {"name": "a"}, "value": 1_000_000_000}), ""),
            (
                json!({"metadata": {"name": "a"}, "value": 1_000_000_001}),
                "Forbidden: maximum allowed value of a user defined priority is 1000000000",
            ),
            (json!({"metadata": {"name": "system-node-critical"}, "value": 2_000_001_000}), ""),
            (
                json!({"metadata": {"name": "system-node-critical"}, "value": 1}),
                "Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: value of \
                 system-node-critical PriorityClass must be 2000001000",
            ),
            (
                json!({"metadata": {"name": "system-x"}}),
                "Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-x \
                 is not a known system priority class",
            ),
        ] {
            let mut class = class;
            BEHAVIOUR.default(&mut class);
            let said: Vec<String> = BEHAVIOUR.validate(&class).into_iter().map(|cause| cause.message).collect();
            assert_eq!(said.concat(), expected);
        }
        let old = json!({"metadata": {"name": "a"}, "value": 1, "preemptionPolicy": "Never"});
        let new = json!({"metadata": {"name": "a"}, "value": 2, "preemptionPolicy": "PreemptLowerPriority"});
        let fields: Vec<String> = BEHAVIOUR.validate_update(&new, &old).into_iter().map(|cause| cause.field).collect();
        assert_eq!(fields, ["value", "preemptionPolicy"]);
    }
}
