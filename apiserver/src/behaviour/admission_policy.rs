//! ValidatingAdmissionPolicy and MutatingAdmissionPolicy on their way into the store.
//! <https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/>

use super::admission_rules::{
    POLICY_VARIABLES, default_match, default_rules, validate_conditions, validate_expression, validate_match,
    validate_operations, validate_policies,
};
use super::at::At;
use super::defaulting::{object, object_or_new, put};
use super::names::qualified_name;
use super::{Behaviour, PLAIN, WITH_STATUS, prepare, schema_of};
use crate::cel::Kind;
use k8s_openapi::api::admissionregistration::v1::{MutatingAdmissionPolicy, ValidatingAdmissionPolicy};
use kubus_proto::status::Cause;
use serde_json::{Map, Value};

/// Behaviour of ValidatingAdmissionPolicy.
pub static VALIDATING: Behaviour = Behaviour {
    row: &kubus_proto::kinds::validating_admission_policy::ROW,
    schema: schema_of!(ValidatingAdmissionPolicy),
    defaults,
    rules: |policy, causes| {
        let spec = At::root(policy, "spec");
        common_rules(&spec, causes);
        validating_rules(&spec, causes);
    },
    ..WITH_STATUS
};

/// Behaviour of MutatingAdmissionPolicy.
pub static MUTATING: Behaviour = Behaviour {
    row: &kubus_proto::kinds::mutating_admission_policy::ROW,
    schema: schema_of!(MutatingAdmissionPolicy),
    defaults,
    prepare_create: prepare::only_first_generation,
    spec_changed: prepare::spec_differs,
    rules: |policy, causes| {
        let spec = At::root(policy, "spec");
        common_rules(&spec, causes);
        mutating_rules(&spec, causes);
    },
    ..PLAIN
};

/// Reasons a validation may give for its refusal.
const REASONS: &[&str] = &["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"];
/// Most characters of a message, and of an annotation's key with the policy's name.
const MESSAGE_LIMIT: usize = 5 * 1024;
/// Most audit annotations of a policy.
const ANNOTATIONS_LIMIT: usize = 20;

fn defaults(policy: &mut Value) {
    let Some(spec) = policy.as_object_mut().and_then(|policy| object_or_new(policy, "spec")) else { return };
    put(spec, "failurePolicy", "Fail");
    default_constraints(spec, "matchConstraints");
}

/// What matches, where it is said at all.
pub fn default_constraints(spec: &mut Map<String, Value>, key: &str) {
    if let Some(constraints) = object(spec, key) {
        default_match(constraints);
        default_rules(constraints, "resourceRules");
        default_rules(constraints, "excludeResourceRules");
    }
}

fn common_rules(spec: &At<'_>, causes: &mut Vec<Cause>) {
    validate_policies(spec, causes);
    let kind = spec.field("paramKind");
    if !kind.is_null() {
        kind.field("apiVersion").require("", causes);
        kind.field("kind").require("", causes);
    }
    let constraints = spec.field("matchConstraints");
    if constraints.is_null() {
        constraints.missing("", causes);
    } else {
        constraints.field("resourceRules").require("", causes);
        validate_constraints(&constraints, causes);
    }
    validate_conditions(&spec.field("matchConditions"), POLICY_VARIABLES, causes);
    let variables = spec.field("variables");
    variables.unique("name", causes);
    for variable in variables.items() {
        variable.field("name").require_text(identifier, causes);
        validate_expression(&variable.field("expression"), POLICY_VARIABLES, &[], causes);
    }
}

/// Selectors and rules of what matches.
pub fn validate_constraints(constraints: &At<'_>, causes: &mut Vec<Cause>) {
    validate_match(constraints, causes);
    for key in ["resourceRules", "excludeResourceRules"] {
        constraints.field(key).items().for_each(|rule| validate_operations(&rule, causes));
    }
}

fn identifier(name: &str) -> Vec<String> {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if first && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Vec::new();
    }
    vec!["must be a valid CEL identifier".to_owned()]
}

fn validating_rules(spec: &At<'_>, causes: &mut Vec<Cause>) {
    let (validations, annotations) = (spec.field("validations"), spec.field("auditAnnotations"));
    if validations.is_empty() && annotations.is_empty() {
        validations.missing("validations or auditAnnotations must contain at least one item", causes);
        annotations.missing("validations or auditAnnotations must contain at least one item", causes);
    }
    for validation in validations.items() {
        validate_expression(&validation.field("expression"), POLICY_VARIABLES, &[Kind::Bool], causes);
        let message = validation.field("message");
        if message.text().len() > MESSAGE_LIMIT {
            causes.push(super::causes::too_long(message.path, MESSAGE_LIMIT));
        }
        if !message.is_null() && message.text().trim().is_empty() {
            message.invalid("message must be non-empty if specified", causes);
        }
        if message.text().contains('\n') {
            message.invalid("message must not contain line breaks", causes);
        }
        let computed = validation.field("messageExpression");
        if !computed.is_null() {
            validate_expression(&computed, POLICY_VARIABLES, &[Kind::Text], causes);
        }
        validation.field("reason").one_of(REASONS, causes);
    }
    if annotations.len() > ANNOTATIONS_LIMIT {
        causes.push(super::causes::too_many(annotations.path, annotations.len(), ANNOTATIONS_LIMIT));
    }
    annotations.unique("key", causes);
    for annotation in annotations.items() {
        annotation.field("key").require_text(qualified_name, causes);
        validate_expression(&annotation.field("valueExpression"), POLICY_VARIABLES, &[Kind::Text, Kind::Null], causes);
    }
}

fn mutating_rules(spec: &At<'_>, causes: &mut Vec<Cause>) {
    let mutations = spec.field("mutations");
    mutations.require("mutations must contain at least one item", causes);
    spec.field("reinvocationPolicy").require("", causes);
    for mutation in mutations.items() {
        let kind = mutation.field("patchType");
        kind.require_one_of(&["ApplyConfiguration", "JSONPatch"], causes);
        for (name, field) in [("ApplyConfiguration", "applyConfiguration"), ("JSONPatch", "jsonPatch")] {
            let part = mutation.field(field);
            if kind.text() == name {
                if part.is_null() {
                    part.missing(&format!("must be specified when patchType is {name}"), causes);
                } else {
                    validate_expression(&part.field("expression"), POLICY_VARIABLES, &[], causes);
                }
            } else if !part.is_null() && !kind.is_empty() {
                part.forbidden(format!("may not be specified when patchType is {}", kind.text()), causes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn constraints() -> Value {
        json!({"resourceRules": [{"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}]})
    }

    fn found(behaviour: &Behaviour, spec: Value) -> Vec<String> {
        let mut policy = json!({"metadata": {"name": "p"}, "spec": spec});
        behaviour.default(&mut policy);
        behaviour.validate(&policy).into_iter().map(|cause| cause.field).collect()
    }

    #[test]
    fn validating_policies_are_checked() {
        let good =
            json!({"matchConstraints": constraints(), "validations": [{"expression": "object.spec.replicas <= 5"}]});
        assert_eq!(found(&VALIDATING, good.clone()), Vec::<String>::new());
        let mut policy = json!({"spec": good});
        VALIDATING.default(&mut policy);
        let spec = &policy["spec"];
        assert_eq!(
            (&spec["failurePolicy"], &spec["matchConstraints"]["resourceRules"][0]["scope"]),
            (&json!("Fail"), &json!("*"))
        );
        for (spec, expected) in [
            (json!({}), vec!["spec.matchConstraints", "spec.validations", "spec.auditAnnotations"]),
            (
                json!({"matchConstraints": constraints(), "validations": [{"expression": "a +", "reason": "Mood"}]}),
                vec!["spec.validations[0].expression", "spec.validations[0].reason"],
            ),
            (
                json!({"matchConstraints": {}, "paramKind": {"kind": "X"}, "auditAnnotations": [{"key": "a", "valueExpression": "'x'"}],
                    "variables": [{"name": "1", "expression": "1"}]}),
                vec!["spec.paramKind.apiVersion", "spec.matchConstraints.resourceRules", "spec.variables[0].name"],
            ),
        ] {
            assert_eq!(found(&VALIDATING, spec.clone()), expected, "{spec}");
        }
    }

    #[test]
    fn mutating_policies_are_checked() {
        let mutation = |kind: &str| json!({"patchType": kind, "jsonPatch": {"expression": "[]"}});
        let spec = |mutations: Value| json!({"matchConstraints": constraints(), "reinvocationPolicy": "Never", "mutations": mutations});
        for (spec, expected) in [
            (spec(json!([mutation("JSONPatch")])), vec![]),
            (spec(json!([])), vec!["spec.mutations"]),
            (
                spec(json!([mutation("ApplyConfiguration")])),
                vec!["spec.mutations[0].applyConfiguration", "spec.mutations[0].jsonPatch"],
            ),
        ] {
            assert_eq!(found(&MUTATING, spec.clone()), expected, "{spec}");
        }
    }
}
