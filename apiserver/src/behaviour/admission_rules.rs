//! What webhooks and admission policies share: what they match, and conditions on it.
//! <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-rules>

use super::at::At;
use super::defaulting::{items, put, put_empty};
use super::names::qualified_name;
use crate::cel::{Expression, Kind};
use kubus_proto::status::Cause;
use serde_json::{Map, Value};

const OPERATIONS: &[&str] = &["*", "CREATE", "UPDATE", "DELETE", "CONNECT"];
const SCOPES: &[&str] = &["*", "Cluster", "Namespaced"];
/// Most conditions of one webhook or policy.
const CONDITIONS_LIMIT: usize = 64;

/// How strictly versions are matched, and which objects: all, where nothing is said.
pub fn default_match(holder: &mut Map<String, Value>) {
    put(holder, "matchPolicy", "Equivalent");
    put_empty(holder, "namespaceSelector");
    put_empty(holder, "objectSelector");
}

/// Rules that name no scope match both.
pub fn default_rules(holder: &mut Map<String, Value>, key: &str) {
    items(holder, key).for_each(|rule| put(rule, "scope", "*"));
}

/// The two policies that webhooks and policies have.
pub fn validate_policies(holder: &At<'_>, causes: &mut Vec<Cause>) {
    holder.field("failurePolicy").one_of(&["Fail", "Ignore"], causes);
    holder.field("reinvocationPolicy").one_of(&["IfNeeded", "Never"], causes);
}

/// How versions are matched, and the selectors.
pub fn validate_match(holder: &At<'_>, causes: &mut Vec<Cause>) {
    holder.field("matchPolicy").one_of(&["Equivalent", "Exact"], causes);
    for key in ["namespaceSelector", "objectSelector"] {
        holder.field(key).label_selector(causes);
    }
}

/// One rule: operations, groups, versions, resources, scope.
pub fn validate_operations(rule: &At<'_>, causes: &mut Vec<Cause>) {
    let operations = rule.field("operations");
    operations.require("", causes);
    alone(&operations, "if '*' is present, must not specify other operations", causes);
    for one in operations.items() {
        one.one_of(OPERATIONS, causes);
    }
    let groups = rule.field("apiGroups");
    groups.require("", causes);
    alone(&groups, "if '*' is present, must not specify other API groups", causes);
    let versions = rule.field("apiVersions");
    versions.require("", causes);
    alone(&versions, "if '*' is present, must not specify other API versions", causes);
    versions.items().filter(At::is_empty).for_each(|one| one.missing("", causes));
    let resources = rule.field("resources");
    resources.require("", causes);
    validate_resources(&resources, causes);
    rule.field("scope").one_of(SCOPES, causes);
}

fn alone(list: &At<'_>, detail: &str, causes: &mut Vec<Cause>) {
    if list.len() > 1 && list.items().any(|item| item.text() == "*") {
        list.invalid(detail, causes);
    }
}

/// Of `*/*`, `a/*` and `*/b`, none may stand beside what it covers.
fn validate_resources(resources: &At<'_>, causes: &mut Vec<Cause>) {
    let all = resources.items().any(|one| one.text() == "*/*");
    if all && resources.len() > 1 {
        resources.invalid("if '*/*' is present, must not specify other resources", causes);
    }
    let named = |name: &str| resources.items().any(|one| one.text() == name);
    for one in resources.items() {
        if one.is_empty() {
            one.missing("", causes);
            continue;
        }
        let Some((resource, part)) = one.text().split_once('/') else { continue };
        if part != "*" && resource != "*" && named(&format!("{resource}/*")) {
            one.invalid(format!("if '{resource}/*' is present, must not specify {}", one.text()), causes);
        }
        if resource != "*" && part != "*" && named(&format!("*/{part}")) {
            one.invalid(format!("if '*/{part}' is present, must not specify {}", one.text()), causes);
        }
    }
}

/// Conditions: each has a name of its own and an expression that can be read.
pub fn validate_conditions(conditions: &At<'_>, variables: &[&str], causes: &mut Vec<Cause>) {
    if conditions.len() > CONDITIONS_LIMIT {
        causes.push(super::causes::too_many(conditions.path, conditions.len(), CONDITIONS_LIMIT));
    }
    conditions.unique("name", causes);
    for condition in conditions.items() {
        validate_expression(&condition.field("expression"), variables, &[Kind::Bool], causes);
        condition.field("name").require_text(qualified_name, causes);
    }
}

/// Variables of the conditions of webhooks, of expressions of policies, and of selectors of devices.
pub const WEBHOOK_VARIABLES: &[&str] = &["object", "oldObject", "request", "authorizer"];
/// What policies' expressions know.
pub const POLICY_VARIABLES: &[&str] =
    &["object", "oldObject", "request", "params", "namespaceObject", "variables", "authorizer"];
/// What selectors of devices know.
pub const DEVICE_VARIABLES: &[&str] = &["device"];

/// An expression that must be given and be CEL over these variables. What it gives is looked at where `wanted` says what.
pub fn validate_expression(expression: &At<'_>, variables: &[&str], wanted: &[Kind<'_>], causes: &mut Vec<Cause>) {
    let source = expression.text();
    if source.trim().is_empty() {
        expression.missing("", causes);
        return;
    }
    let variables: Vec<(&str, Kind<'_>)> = variables.iter().map(|name| (*name, Kind::Dyn)).collect();
    if let Err(error) = Expression::compile(source, &variables, wanted) {
        expression.invalid(error.to_string(), causes);
    }
}
