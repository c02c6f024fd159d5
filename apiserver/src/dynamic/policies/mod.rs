//! Admission policies: rules in CEL that administrators bind to requests.
//! <https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/>

mod binding;
mod compiled;
mod params;
mod variables;

use super::matching::Version;
use super::{Objects, Remarks, Write, request};
use crate::cel::{Budget, Scope, dynamic};
use crate::state::{Key, State};
use binding::{Binding, bindings};
use compiled::{Policy, Validation, policy};
use kubus_proto::kinds::namespace;
use kubus_proto::status::Cause;
use kubus_proto::{ApiError, Reason};
use params::Params;
use serde_json::{Value, json};
use variables::Variables;

/// Where a failure that is only to be audited is noted.
const AUDIT_KEY: &str = "validation.policy.admission.k8s.io/validation_failure";

/// A rule that does not hold, or could not be asked.
struct Failure {
    message: String,
    reason: Reason,
}

/// Asks every policy that is bound to a request. What refuses it is told; what only warns is in the remarks.
pub fn validate(write: &Write<'_>, objects: Objects<'_>, state: &State) -> Result<Remarks, ApiError> {
    let mut remarks = Remarks::default();
    // Policies about policies could lock everybody out.
    if write.path.row.group == "admissionregistration.k8s.io" {
        return Ok(remarks);
    }
    let mut refusal = None;
    for binding in bindings(state) {
        let Some(policy) = policy(&binding.policy, state) else { continue };
        let Some(version) = policy.matcher.matches(write, objects, state) else { continue };
        if binding.matcher.as_ref().is_some_and(|matcher| matcher.matches(write, objects, state).is_none()) {
            continue;
        }
        for failure in ask(&policy, &binding, write, &version, objects, state, &mut remarks) {
            refusal = refusal.or(act(&policy, &binding, failure, write, &mut remarks));
        }
    }
    refusal.map_or(Ok(remarks), Err)
}

/// What one binding of one policy finds wrong, over all of its parameters.
fn ask(
    policy: &Policy,
    binding: &Binding,
    write: &Write<'_>,
    version: &Version<'_>,
    objects: Objects<'_>,
    state: &State,
    remarks: &mut Remarks,
) -> Vec<Failure> {
    let broken = |message: String| {
        if policy.fails_open { Vec::new() } else { vec![Failure { message, reason: Reason::Invalid }] }
    };
    let params = match params::find(policy, binding, write, state) {
        Ok(Params::None) => vec![Value::Null],
        Ok(Params::Found(all)) => all,
        Ok(Params::Skip) => return Vec::new(),
        Err(why) => return broken(format!("failed to configure binding: {why}")),
    };
    let (new, old) = (version.show(objects.new), version.show(objects.old));
    let described = request::describe(write, version);
    let namespace = home(write, state);
    let mut budget = Budget::default();
    let mut failures = Vec::new();
    for param in &params {
        let mut scope = Scope::default();
        for (name, value) in [
            ("object", &new),
            ("oldObject", &old),
            ("request", &described),
            ("params", param),
            ("namespaceObject", &namespace),
        ] {
            scope.set(name, dynamic(value));
        }
        match policy.conditions.hold(&scope, &mut budget) {
            Ok(true) => {}
            Ok(false) => return Vec::new(),
            Err(why) => return broken(why),
        }
        let mut variables = Variables::new(&policy.variables);
        for validation in &policy.validations {
            match holds(validation, &mut variables, &mut scope, &mut budget) {
                Ok(None) => {}
                Ok(Some(message)) => failures.push(Failure { message, reason: validation.reason }),
                Err(why) => failures.extend(broken(why)),
            }
        }
        for (key, expression) in &policy.annotations {
            let key = format!("{}/{key}", policy.name);
            match variables.text(expression, &mut scope, &mut budget) {
                Ok(Some(text)) => remarks.annotations.push((key, text)),
                Ok(None) => {}
                Err(why) => failures.extend(broken(why)),
            }
        }
    }
    failures
}

/// The message of a rule that does not hold; an error for one that cannot be asked.
fn holds(
    validation: &Validation,
    variables: &mut Variables<'_>,
    scope: &mut Scope<'_>,
    budget: &mut Budget,
) -> Result<Option<String>, String> {
    let source = &validation.source;
    let failed = |why: String| format!("expression '{source}' resulted in error: {why}");
    if variables.holds(&validation.expression, scope, budget).map_err(failed)? {
        return Ok(None);
    }
    let made = match &validation.message_expression {
        Some(expression) => variables.text(expression, scope, budget).ok().flatten(),
        None => None,
    };
    let made = made.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty() && !text.contains('\n'));
    let said = Some(validation.message.trim().to_owned()).filter(|text| !text.is_empty());
    Ok(Some(made.or(said).unwrap_or_else(|| format!("failed expression: {}", source.trim()))))
}

/// The namespace of the object, null for what lives in none.
fn home(write: &Write<'_>, state: &State) -> Value {
    if !write.path.row.namespaced {
        return Value::Null;
    }
    let key = Key::new(namespace::ROW.resource_key(), "", write.path.namespace.as_str());
    state.get(&key).and_then(|namespace| namespace.decode().ok()).unwrap_or_default()
}

/// Does with a failure what its binding says; gives the refusal, if it is one.
fn act(
    policy: &Policy,
    binding: &Binding,
    failure: Failure,
    write: &Write<'_>,
    remarks: &mut Remarks,
) -> Option<ApiError> {
    let Failure { message, reason } = failure;
    let (policy, bound) = (&policy.name, &binding.name);
    let mut refusal = None;
    for action in &binding.actions {
        match action.as_str() {
            "Deny" => {
                let text =
                    format!("ValidatingAdmissionPolicy '{policy}' with binding '{bound}' denied request: {message}");
                let row = write.path.row;
                let cause = Cause { reason: String::new(), message: text.clone(), field: String::new() };
                let error = ApiError::forbidden(write.path.group(), row.plural, write.name, &text);
                refusal = Some(ApiError { reason, causes: vec![cause], ..error });
            }
            "Warn" => {
                let text = format!(
                    "Validation failed for ValidatingAdmissionPolicy '{policy}' with binding '{bound}': {message}"
                );
                remarks.warn(&text);
            }
            "Audit" => {
                let note = json!([{"message": message, "policy": policy, "binding": bound,
                    "validationActions": binding.actions}]);
                remarks.annotations.push((AUDIT_KEY.to_owned(), note.to_string()));
            }
            _ => {}
        }
    }
    refusal
}
