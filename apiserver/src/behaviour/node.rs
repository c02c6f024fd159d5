//! Node on its way into the store.
//! <https://kubernetes.io/docs/concepts/architecture/nodes/>

use super::causes::{duplicate, forbidden, invalid, required};
use super::defaulting::object_or_new;
use super::labels::validate_label_name;
use super::metadata::{typed, validate_metadata, validate_metadata_update};
use super::names::label_value;
use super::path::FieldPath;
use super::pod_spec::validate_taint_effect;
use super::{Behaviour, NameRule, prepare};
use crate::schema::{Schema, learn, normalize};
use k8s_openapi::api::core::v1::{Node, NodeSpec};
use kubus_proto::status::Cause;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Behaviour of Node.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::node::ROW,
    schema,
    default,
    // A node registers with its status: it alone knows what it has.
    prepare_create: prepare::nothing,
    prepare_update: prepare::keep_status,
    prepare_status: prepare::only_status,
    spec_changed: prepare::never,
    validate,
    validate_update,
    name: NameRule::DnsSubdomain,
};

fn schema() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| learn::<Node>().expect("a test learns every schema"));
    &SCHEMA
}

fn default(node: &mut Value) {
    normalize(schema(), node);
    let Some(fields) = node.as_object_mut() else { return };
    object_or_new(fields, "spec");
    // What a node does not keep for itself, pods may have.
    if let Some(status) = fields.get_mut("status").and_then(Value::as_object_mut)
        && let (false, Some(capacity)) = (status.contains_key("allocatable"), status.get("capacity").cloned())
    {
        status.insert("allocatable".to_owned(), capacity);
    }
}

fn validate(node: &Value) -> Vec<Cause> {
    let node: Node = match typed(node) {
        Ok(node) => node,
        Err(causes) => return causes,
    };
    let mut causes = Vec::new();
    validate_metadata(&node.metadata, false, NameRule::DnsSubdomain, &mut causes);
    let spec = node.spec.unwrap_or_default();
    validate_taints(&spec, &mut causes);
    validate_pod_cidrs(&spec, &mut causes);
    causes
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
        let good = cidr.split_once('/').is_some_and(|(address, length)| {
            let limit = address.parse::<std::net::IpAddr>().map(|a| if a.is_ipv4() { 32 } else { 128 });
            limit.is_ok_and(|limit| length.parse::<u8>().is_ok_and(|length| length <= limit))
        });
        if !good {
            let detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
            causes.push(invalid(path.index(i), cidr.as_str(), detail));
        }
    }
}

fn validate_update(new: &Value, old: &Value) -> Vec<Cause> {
    let (new, old): (Node, Node) = match (typed(new), typed(old)) {
        (Ok(new), Ok(old)) => (new, old),
        (Err(causes), _) | (_, Err(causes)) => return causes,
    };
    let mut causes = Vec::new();
    validate_metadata_update(&new.metadata, &old.metadata, &mut causes);
    let (new, old) = (new.spec.unwrap_or_default(), old.spec.unwrap_or_default());
    validate_taints(&new, &mut causes);
    validate_pod_cidrs(&new, &mut causes);
    let path = FieldPath::root("spec");
    let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    if given(&old.pod_cidr) && (new.pod_cidr != old.pod_cidr || new.pod_cidrs != old.pod_cidrs) {
        let detail = "node updates may not change podCIDR except from \"\" to valid";
        causes.push(forbidden(path.field("podCIDRs"), detail));
    }
    if given(&old.provider_id) && new.provider_id != old.provider_id {
        let detail = "node updates may not change providerID except from \"\" to valid";
        causes.push(forbidden(path.field("providerID"), detail));
    }
    causes
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
            let found: Vec<String> = validate(&node(spec)).into_iter().map(|cause| cause.field).collect();
            assert_eq!(found, fields);
        }
        let (old, new) = (node(json!({"podCIDR": "10.1.0.0/24"})), node(json!({"podCIDR": "10.2.0.0/24"})));
        assert_eq!(validate_update(&new, &old)[0].field, "spec.podCIDRs");
        let mut registered = json!({"status": {"capacity": {"cpu": 2}}});
        default(&mut registered);
        assert_eq!(registered["status"]["allocatable"], json!({"cpu": "2"}));
    }
}
