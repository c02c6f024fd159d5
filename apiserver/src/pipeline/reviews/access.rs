//! SubjectAccessReview and its sisters: whether somebody may do something.

use super::Question;
use crate::authorize::components::Role;
use crate::authorize::{self, Attributes, Decision};
use crate::behaviour::causes;
use kubus_proto::ApiError;
use kubus_proto::status::Cause;
use kubus_proto::user::UserInfo;
use serde_json::{Value, json};

const GROUP: &str = "authorization.k8s.io";

/// SelfSubjectAccessReview.
pub fn own(question: &Question<'_>) -> Result<Value, ApiError> {
    let caller = &question.call.caller;
    refuse(question, wrong_attributes(&question.body["spec"]))?;
    decide(question, caller.part, &caller.user)
}

/// SubjectAccessReview.
pub fn of_somebody(question: &Question<'_>) -> Result<Value, ApiError> {
    refuse(question, wrong_spec(&question.body["spec"]))?;
    decide(question, None, &user(&question.body["spec"]))
}

/// LocalSubjectAccessReview.
pub fn of_somebody_here(question: &Question<'_>) -> Result<Value, ApiError> {
    let spec = &question.body["spec"];
    let mut wrong = wrong_spec(spec);
    if spec["nonResourceAttributes"].is_object() {
        wrong.push(causes::invalid(
            "spec.nonResourceAttributes",
            spec["nonResourceAttributes"].clone(),
            "disallowed on this kind of request",
        ));
    }
    let asked = &spec["resourceAttributes"]["namespace"];
    if spec["resourceAttributes"].is_object() && asked != question.call.path.namespace.as_str() {
        let detail = "must match metadata.namespace";
        wrong.push(causes::invalid("spec.resourceAttributes.namespace", asked.clone(), detail));
    }
    refuse(question, wrong)?;
    decide(question, None, &user(spec))
}

fn refuse(question: &Question<'_>, wrong: Vec<Cause>) -> Result<(), ApiError> {
    if wrong.is_empty() { Ok(()) } else { Err(ApiError::invalid(GROUP, question.call.row().kind, "", wrong)) }
}

fn wrong_attributes(spec: &Value) -> Vec<Cause> {
    let (resource, path) = (spec["resourceAttributes"].is_object(), spec["nonResourceAttributes"].is_object());
    match (resource, path) {
        (true, true) => {
            let detail = "cannot be specified in combination with resourceAttributes";
            vec![causes::invalid("spec.nonResourceAttributes", spec["nonResourceAttributes"].clone(), detail)]
        }
        (false, false) => {
            let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            vec![causes::invalid("spec.resourceAttributes", Value::Null, detail)]
        }
        _ => Vec::new(),
    }
}

fn wrong_spec(spec: &Value) -> Vec<Cause> {
    let mut wrong = wrong_attributes(spec);
    let groups = spec["groups"].as_array().is_some_and(|groups| !groups.is_empty());
    if spec["user"].as_str().unwrap_or_default().is_empty() && !groups {
        wrong.push(causes::invalid("spec.user", "", "at least one of user or group must be specified"));
    }
    wrong
}

/// The user a review is about.
fn user(spec: &Value) -> UserInfo {
    let text = |key: &str| spec[key].as_str().unwrap_or_default().to_owned();
    UserInfo {
        name: text("user"),
        uid: text("uid"),
        groups: serde_json::from_value(spec["groups"].clone()).unwrap_or_default(),
        extra: serde_json::from_value(spec["extra"].clone()).unwrap_or_default(),
    }
}

fn decide(question: &Question<'_>, part: Option<Role>, user: &UserInfo) -> Result<Value, ApiError> {
    let spec = &question.body["spec"];
    let (asked, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let text = |key: &str| asked[key].as_str().unwrap_or_default();
    let decision = question.call.access.see(question.state, |sight| {
        if path.is_object() {
            let text = |key: &str| path[key].as_str().unwrap_or_default();
            return authorize::decide_path(part, user, text("verb"), text("path"), sight);
        }
        let wanted = Attributes {
            verb: text("verb"),
            group: text("group"),
            resource: text("resource"),
            subresource: text("subresource"),
            namespace: text("namespace"),
            name: text("name"),
            ..Attributes::default()
        };
        authorize::decide(part, user, &wanted, sight)
    });
    let Decision { allowed, reason } = decision;
    let mut status = json!({"allowed": allowed});
    if !reason.is_empty() {
        status["reason"] = json!(reason);
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_says_about_whom_and_what_it_is() {
        for (spec, fields) in [
            (json!({"user": "a", "resourceAttributes": {}}), vec![]),
            (json!({"groups": ["a"], "nonResourceAttributes": {}}), vec![]),
            (json!({"user": "a"}), vec!["spec.resourceAttributes"]),
            (
                json!({"resourceAttributes": {}, "nonResourceAttributes": {}}),
                vec!["spec.nonResourceAttributes", "spec.user"],
            ),
        ] {
            let found: Vec<String> = wrong_spec(&spec).into_iter().map(|cause| cause.field).collect();
            assert_eq!(found, fields, "{spec}");
        }
    }
}
