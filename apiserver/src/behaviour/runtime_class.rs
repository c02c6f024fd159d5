//! RuntimeClass on its way into the store.
//! <https://kubernetes.io/docs/concepts/containers/runtime-class/>

use super::causes::invalid;
use super::labels::validate_labels;
use super::metadata::check;
use super::names::dns_label;
use super::path::FieldPath;
use super::pod_spec::{validate_amounts, validate_tolerations};
use super::workload::immutable;
use super::{Behaviour, PLAIN, schema_of};
use k8s_openapi::api::node::v1::RuntimeClass;
use kubus_proto::status::Cause;

/// Behaviour of RuntimeClass.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::runtime_class::ROW,
    schema: schema_of!(RuntimeClass),
    rules: |class, causes| check(class, causes, validate_class),
    update_rules: |new, old, causes| {
        immutable(&new["handler"], &old["handler"], &FieldPath::root("handler"), causes);
    },
    ..PLAIN
};

fn validate_class(class: &RuntimeClass, causes: &mut Vec<Cause>) {
    let handler = class.handler.as_str();
    causes.extend(dns_label(handler).iter().map(|problem| invalid("handler", handler, problem)));
    if let Some(amounts) = class.overhead.as_ref().and_then(|overhead| overhead.pod_fixed.as_ref()) {
        validate_amounts(amounts, &FieldPath::root("overhead").field("podFixed"), causes);
    }
    if let Some(scheduling) = &class.scheduling {
        let path = FieldPath::root("scheduling");
        validate_labels(scheduling.node_selector.as_ref(), &path.field("nodeSelector"), causes);
        validate_tolerations(scheduling.tolerations.as_deref().unwrap_or_default(), &path.field("tolerations"), causes);
    }
}
