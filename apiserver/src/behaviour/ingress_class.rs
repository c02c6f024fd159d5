//! IngressClass on its way into the store.
//! <https://kubernetes.io/docs/concepts/services-networking/ingress/#ingress-class>

use super::at::{At, immutable};
use super::defaulting::{object, put};
use super::domains::domain_prefixed_path;
use super::names::{dns_label, dns_subdomain};
use super::{Behaviour, NameRule, PLAIN, prepare, schema_of};
use k8s_openapi::api::networking::v1::IngressClass;
use kubus_proto::status::Cause;
use serde_json::Value;

/// Behaviour of IngressClass.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::ingress_class::ROW,
    schema: schema_of!(IngressClass),
    defaults: |class| {
        let parameters = class.as_object_mut().and_then(|class| object(class, "spec"));
        if let Some(parameters) = parameters.and_then(|spec| object(spec, "parameters")) {
            put(parameters, "scope", "Cluster");
        }
    },
    prepare_create: prepare::only_first_generation,
    spec_changed: prepare::spec_differs,
    rules,
    update_rules: |new, old, causes| immutable(&At::root(new, "spec"), &old["spec"], &["controller"], causes),
    ..PLAIN
};

/// Most characters of a controller's name.
const CONTROLLER_LIMIT: usize = 250;

fn rules(class: &Value, causes: &mut Vec<Cause>) {
    let spec = At::root(class, "spec");
    let controller = spec.field("controller");
    if controller.text().len() > CONTROLLER_LIMIT {
        causes.push(super::causes::too_long(controller.path, CONTROLLER_LIMIT));
    }
    controller.require_text(domain_prefixed_path, causes);
    let parameters = spec.field("parameters");
    if parameters.is_null() {
        return;
    }
    let segment = |text: &str| NameRule::PathSegment.problems(text);
    parameters.field("apiGroup").follow(dns_subdomain, causes);
    parameters.field("kind").require_text(segment, causes);
    parameters.field("name").require_text(segment, causes);
    let (scope, namespace) = (parameters.field("scope"), parameters.field("namespace"));
    scope.require_one_of(&["Cluster", "Namespace"], causes);
    match scope.text() {
        "Namespace" if namespace.is_empty() => {
            namespace.missing("`parameters.scope` is set to 'Namespace'", causes);
        }
        "Cluster" if !namespace.is_null() => {
            namespace.forbidden("`parameters.scope` is set to 'Cluster'", causes);
        }
        _ => namespace.follow(dns_label, causes),
    }
}
