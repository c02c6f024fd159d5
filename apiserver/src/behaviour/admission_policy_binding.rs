//! ValidatingAdmissionPolicyBinding and MutatingAdmissionPolicyBinding on their way into the store.
//! <https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/>

use super::admission_policy::{default_constraints, validate_constraints};
use super::at::At;
use super::defaulting::object_or_new;
use super::names::dns_subdomain;
use super::{Behaviour, PLAIN, prepare, schema_of};
use k8s_openapi::api::admissionregistration::v1::{MutatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBinding};
use kubus_proto::status::Cause;
use serde_json::Value;
use std::collections::BTreeSet;

/// Behaviour of ValidatingAdmissionPolicyBinding.
pub static VALIDATING: Behaviour = Behaviour {
    row: &kubus_proto::kinds::validating_admission_policy_binding::ROW,
    schema: schema_of!(ValidatingAdmissionPolicyBinding),
    rules: |binding, causes| {
        rules(binding, causes);
        let spec = At::root(binding, "spec");
        validate_actions(&spec.field("validationActions"), causes);
    },
    ..BINDINGS
};

/// Behaviour of MutatingAdmissionPolicyBinding.
pub static MUTATING: Behaviour = Behaviour {
    row: &kubus_proto::kinds::mutating_admission_policy_binding::ROW,
    schema: schema_of!(MutatingAdmissionPolicyBinding),
    rules,
    ..BINDINGS
};

const BINDINGS: Behaviour = Behaviour {
    defaults: |binding| {
        if let Some(spec) = binding.as_object_mut().and_then(|binding| object_or_new(binding, "spec")) {
            default_constraints(spec, "matchResources");
        }
    },
    prepare_create: prepare::only_first_generation,
    spec_changed: prepare::spec_differs,
    ..PLAIN
};

const ACTIONS: &[&str] = &["Audit", "Deny", "Warn"];

fn rules(binding: &Value, causes: &mut Vec<Cause>) {
    let spec = At::root(binding, "spec");
    spec.field("policyName").require_text(dns_subdomain, causes);
    let param = spec.field("paramRef");
    if !param.is_null() {
        let (name, selector) = (param.field("name"), param.field("selector"));
        match (name.is_empty(), selector.is_null()) {
            (true, true) => param.missing("one of name or selector must be specified", causes),
            (false, false) => name.forbidden("name and selector are mutually exclusive", causes),
            (true, false) => selector.label_selector(causes),
            (false, true) => name.follow(dns_subdomain, causes),
        }
        param.field("parameterNotFoundAction").require_one_of(&["Allow", "Deny"], causes);
    }
    let resources = spec.field("matchResources");
    if !resources.is_null() {
        validate_constraints(&resources, causes);
    }
}

fn validate_actions(actions: &At<'_>, causes: &mut Vec<Cause>) {
    if !actions.require("", causes) {
        return;
    }
    let mut seen = BTreeSet::new();
    for action in actions.items() {
        action.one_of(ACTIONS, causes);
        if !seen.insert(action.text()) {
            causes.push(super::causes::duplicate(action.path, action.text()));
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        actions.invalid(
            "must not contain both Deny and Warn (repeating the same validation failure information in the API \
             response and headers serves no purpose)",
            causes,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bindings_are_checked() {
        for (spec, expected) in [
            (json!({"policyName": "p", "validationActions": ["Deny", "Audit"]}), vec![]),
            (
                json!({"policyName": "P_", "validationActions": ["Deny", "Warn"]}),
                vec!["spec.policyName", "spec.validationActions"],
            ),
            (
                json!({"policyName": "p", "paramRef": {}}),
                vec!["spec.paramRef", "spec.paramRef.parameterNotFoundAction", "spec.validationActions"],
            ),
            (
                json!({"policyName": "p", "validationActions": ["Audit", "Audit"], "paramRef": {"name": "a", "selector": {}, "parameterNotFoundAction": "Allow"}}),
                vec!["spec.paramRef.name", "spec.validationActions[1]"],
            ),
        ] {
            let mut binding = json!({"metadata": {"name": "b"}, "spec": spec});
            VALIDATING.default(&mut binding);
            let found: Vec<String> = VALIDATING.validate(&binding).into_iter().map(|cause| cause.field).collect();
            assert_eq!(found, expected, "{spec}");
        }
    }
}
