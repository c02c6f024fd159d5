//! SelfSubjectRulesReview: all that who asks may do in a namespace.

use super::Question;
use crate::authorize::rbac::PolicyRule;
use crate::authorize::{MASTERS, components};
use kubus_proto::{ApiError, Reason};
use serde_json::{Value, json};

/// SelfSubjectRulesReview.
pub fn own(question: &Question<'_>) -> Result<Value, ApiError> {
    let namespace = question.body["spec"]["namespace"].as_str().unwrap_or_default();
    if namespace.is_empty() {
        return Err(ApiError::new(Reason::BadRequest, "no namespace on request"));
    }
    let caller = &question.call.caller;
    let index = question.call.access.index(question.state);
    let mut rules: Vec<PolicyRule> = index.rules_of(&caller.user, namespace).into_iter().cloned().collect();
    let mut incomplete = "";
    if let Some(part) = caller.part.filter(|_| !caller.in_group(MASTERS)) {
        rules = components::rules_of(part);
    }
    if caller.node().is_some() {
        incomplete = "node authorizer does not support user rule resolution";
    }
    let missing = index.grants(&caller.user, namespace).filter(|grant| grant.rules.is_none());
    let missing: Vec<String> = missing.map(|grant| grant.missing()).collect();
    let (resources, paths): (Vec<&PolicyRule>, Vec<&PolicyRule>) =
        rules.iter().partition(|rule| rule.non_resource_urls.is_empty());
    let resources: Vec<Value> = resources.into_iter().map(|rule| json!(rule)).collect();
    let paths: Vec<Value> =
        paths.into_iter().map(|rule| json!({"verbs": rule.verbs, "nonResourceURLs": rule.non_resource_urls})).collect();
    let errors: Vec<&str> =
        missing.iter().map(String::as_str).chain([incomplete]).filter(|text| !text.is_empty()).collect();
    let mut status = json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": !errors.is_empty()});
    if !errors.is_empty() {
        status["evaluationError"] = json!(errors.join(", "));
    }
    Ok(status)
}
