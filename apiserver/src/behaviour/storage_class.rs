//! StorageClass on its way into the store.
//! <https://kubernetes.io/docs/concepts/storage/storage-classes/>

use super::at::{At, immutable};
use super::defaulting::put;
use super::names::qualified_name;
use super::{Behaviour, PLAIN, schema_of};
use k8s_openapi::api::storage::v1::StorageClass;
use kubus_proto::status::Cause;
use serde_json::Value;

/// Behaviour of StorageClass.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::storage_class::ROW,
    schema: schema_of!(StorageClass),
    defaults: |class| {
        let Some(class) = class.as_object_mut() else { return };
        put(class, "reclaimPolicy", "Delete");
        put(class, "volumeBindingMode", "Immediate");
    },
    rules,
    update_rules,
    ..PLAIN
};

/// Most parameters of a class, and bytes of all of them.
pub const PARAMETERS_LIMIT: usize = 512;
/// Most bytes of all parameters of a class.
pub const PARAMETERS_LIMIT_BYTES: usize = 256 * 1024;

fn rules(class: &Value, causes: &mut Vec<Cause>) {
    let provisioner = At::root(class, "provisioner");
    provisioner.require_text(|name| qualified_name(&name.to_lowercase()), causes);
    validate_parameters(&At::root(class, "parameters"), causes);
    At::root(class, "reclaimPolicy").one_of(&["Delete", "Retain"], causes);
    At::root(class, "volumeBindingMode").require_one_of(&["Immediate", "WaitForFirstConsumer"], causes);
    for term in At::root(class, "allowedTopologies").items() {
        let expressions = term.field("matchLabelExpressions");
        expressions.unique("key", causes);
        for expression in expressions.items() {
            expression.field("values").require("", causes);
            expression.field("key").follow(qualified_name, causes);
        }
    }
}

/// Parameters of a class: how many, how large, none without a name.
pub fn validate_parameters(parameters: &At<'_>, causes: &mut Vec<Cause>) {
    if parameters.len() > PARAMETERS_LIMIT {
        causes.push(super::causes::too_many(parameters.path, parameters.len(), PARAMETERS_LIMIT));
        return;
    }
    let mut total_bytes = 0;
    for (key, value) in parameters.entries() {
        if key.is_empty() {
            causes.push(super::causes::invalid(parameters.path, key, "field can not be empty."));
        }
        total_bytes += key.len() + value.text().len();
    }
    if total_bytes > PARAMETERS_LIMIT_BYTES {
        causes.push(super::causes::too_long(parameters.path, PARAMETERS_LIMIT_BYTES));
    }
}

fn update_rules(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    for field in ["parameters", "provisioner", "reclaimPolicy"] {
        let (at, before) = (At::root(new, field), At::root(old, field));
        if at.value != before.value && !(at.is_empty() && before.is_empty()) {
            at.forbidden(format!("updates to {field} are forbidden."), causes);
        }
    }
    let root = At { value: new, path: super::path::FieldPath::root("") };
    let mut found = Vec::new();
    immutable(&root, old, &["volumeBindingMode"], &mut found);
    causes.extend(found.into_iter().map(|cause| Cause { field: "volumeBindingMode".to_owned(), ..cause }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn classes_are_checked() {
        let mut class = json!({"provisioner": "Bad Name", "reclaimPolicy": "Recycle", "volumeBindingMode": "Later",
            "allowedTopologies": [{"matchLabelExpressions": [{"key": "a", "values": []}]}]});
        let fields = |causes: Vec<Cause>| causes.into_iter().map(|cause| cause.field).collect::<Vec<_>>();
        let mut causes = Vec::new();
        rules(&class, &mut causes);
        let list = "allowedTopologies[0].matchLabelExpressions[0].values";
        assert_eq!(fields(causes), ["provisioner", "reclaimPolicy", "volumeBindingMode", list]);
        let old = class.clone();
        class["parameters"] = json!({"a": "b"});
        class["volumeBindingMode"] = json!("Immediate");
        let mut causes = Vec::new();
        update_rules(&class, &old, &mut causes);
        assert_eq!(fields(causes), ["parameters", "volumeBindingMode"]);
    }
}
