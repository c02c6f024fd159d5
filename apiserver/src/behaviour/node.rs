//! Node on its way into the store.
//! <https://kubernetes.io/docs/concepts/architecture/nodes/>

use super::causes::{duplicate, forbidden, invalid, required};
use super::defaulting::object_or_new;
use super::labels::validate_label_name;
use super::metadata::check;
use super::names::{is_cidr, label_value};
use super::path::FieldPath;
use super::pod_spec::validate_taint_effect;
use super::{Behaviour, PLAIN, prepare, schema_of};
use k8s_openapi::api::core::v1::{Node, NodeSpec};
use kubus_proto::status::Cause;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Behaviour of Node.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::node::ROW,
    schema: schema_of!(Node),
    defaults,
    // A node registers with its status: it alone knows what it has.
    prepare_update: prepare::keep_status,
    prepare_status: prepare::only_status,
    rules: |node, causes| check(node, causes, validate_node),
    update_rules,
    ..PLAIN
};

fn defaults(node: &mut Value) {
    let Some(fields) = node.as_object_mut() else { return };
    object_or_new(fields, "spec");
    // What a node does not keep for itself, pods may have.
    if let Some(status) = fields.get_mut("status").and_then(Value::as_object_mut)
        && let (false, Some(capacity)) = (status.contains_key("allocatable"), status.get("capacity").cloned())
    {
        status.insert("allocatable".to_owned(), capacity);
    }
}

fn validate_node(node: &Node, causes: &mut Vec<Cause>) {
    if let Some(spec) = &node.spec {
        validate_taints(spec, causes);
        validate_pod_cidrs(spec, causes);
    }
}

fn validate_taints(spec: &NodeSpec, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    let path = path.field("taints");
    let mut seen = BTreeSet::new();
    for (i, taint) in spec.taints.iter().flatten().enumerate() {
        let path = path.index(i);
        validate_label_name(&taint.key, &path.field("key"), causes);
        let value = taint.value.as_deref().unwrap_or_default();
        let wrong = label_value(value);
        if !wrong.is_empty() {
            causes.push(invalid(path.field("value"), value, wrong.join(";")));
        }
        match taint.effect.as_str() {
            "" => causes.push(required(path.field("effect"), "")),
            effect => validate_taint_effect(effect, &path.field("effect"), causes),
        }
        if !seen.insert((taint.key.as_str(), taint.effect.as_str())) {
            causes.push(duplicate(path, json!(taint)));
        }
    }
}

fn validate_pod_cidrs(spec: &NodeSpec, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    let path = path.field("podCIDRs");
    for (i, cidr) in spec.pod_cidrs.iter().flatten().enumerate() {
        if !is_cidr(cidr) {
            let detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
            causes.push(invalid(path.index(i), cidr.as_str(), detail));
        }
    }
}

fn update_rules(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("spec");
    let (new, old) = (&new["spec"], &old["spec"]);
    let given = |key: &str| old[key].as_str().is_some_and(|text| !text.is_empty());
    if given("podCIDR") && (new["podCIDR"] != old["podCIDR"] || new["podCIDRs"] != old["podCIDRs"]) {
        let detail = "node updates may not change podCIDR except from \"\" to valid";
        causes.push(forbidden(path.field("podCIDRs"), detail));
    }
    if given("providerID") && new["providerID"] != old["providerID"] {
        let detail = "node updates may not change providerID except from \"\" to valid";
        causes.push(forbidden(path.field("providerID"), detail));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_and_addresses_are_checked() {
        let node = |spec: Value| json!({"metadata": {"name": "n1"}, "spec": spec});
        let taint = |key: &str, effect: &str| json!({"key": key, "effect": effect});
        for (spec, fields) in [
            (
                json!({"taints": [taint("a", "NoSchedule"), taint("a", "NoExecute")], "podCIDRs": ["10.1.0.0/24"]}),
                vec![],
            ),
            (
                json!({"taints": [taint("a", "Never"), taint("b", "NoExecute"), taint("b", "NoExecute")], "podCIDRs": ["10.1.0.0"]}),
                vec!["spec.taints[0].effect", "spec.taints[2]", "spec.podCIDRs[0]"],
            ),
        ] {
            let found: Vec<String> = BEHAVIOUR.validate(&node(spec)).into_iter().map(|cause| cause.field).collect();
            assert_eq!(found, fields);
        }
        let (old, new) = (node(json!({"podCIDR": "10.1.0.0/24"})), node(json!({"podCIDR": "10.2.0.0/24"})));
        assert_eq!(BEHAVIOUR.validate_update(&new, &old)[0].field, "spec.podCIDRs");
        let mut registered = json!({"status": {"capacity": {"cpu": 2}}});
        BEHAVIOUR.default(&mut registered);
        assert_eq!(registered["status"]["allocatable"], json!({"cpu": "2"}));
    }
}
