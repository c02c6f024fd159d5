//! FlowSchema on its way into the store.
//! <https://kubernetes.io/docs/concepts/cluster-administration/flow-control/>

use super::at::At;
use super::defaulting::{object_or_new, put};
use super::names::dns_subdomain;
use super::{Behaviour, WITH_STATUS, schema_of};
use k8s_openapi::api::flowcontrol::v1::FlowSchema;
use kubus_proto::status::Cause;
use serde_json::Value;

/// Behaviour of FlowSchema.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::flow_schema::ROW,
    schema: schema_of!(FlowSchema),
    defaults: |flow| {
        if let Some(spec) = flow.as_object_mut().and_then(|flow| object_or_new(flow, "spec")) {
            put(spec, "matchingPrecedence", DEFAULT_PRECEDENCE);
        }
    },
    rules,
    ..WITH_STATUS
};

/// Which schema is looked at first: the one with the smaller number.
const DEFAULT_PRECEDENCE: i64 = 1000;
const PRECEDENCE_LIMIT: i64 = 10_000;
/// Verbs of requests, and all of them.
const VERBS: &[&str] =
    &["*", "create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];
/// The same of requests for plain paths.
const PATH_VERBS: &[&str] = &["*", "delete", "get", "head", "options", "patch", "post", "put"];

fn rules(flow: &Value, causes: &mut Vec<Cause>) {
    let spec = At::root(flow, "spec");
    let precedence = spec.field("matchingPrecedence");
    let number = precedence.number().unwrap_or_default();
    if number <= 0 {
        precedence.invalid("must be a positive value", causes);
    }
    if number > PRECEDENCE_LIMIT {
        precedence.invalid(format!("must not be greater than {PRECEDENCE_LIMIT}"), causes);
    }
    // Only what is exempt may come before everything else.
    if number == 1 && flow["metadata"]["name"] != "exempt" {
        precedence.invalid("only the schema named 'exempt' may have matchingPrecedence 1", causes);
    }
    let method = spec.field("distinguisherMethod");
    if !method.is_null() {
        method.field("type").require_one_of(&["ByNamespace", "ByUser"], causes);
    }
    let level = spec.field("priorityLevelConfiguration");
    let name = level.field("name");
    if name.is_empty() {
        name.missing("must reference a priority level", causes);
    } else {
        name.follow(dns_subdomain, causes);
    }
    spec.field("rules").items().for_each(|rule| validate_rule(&rule, causes));
}

fn validate_rule(rule: &At<'_>, causes: &mut Vec<Cause>) {
    let subjects = rule.field("subjects");
    subjects.require("subjects must contain at least one value", causes);
    subjects.items().for_each(|subject| validate_subject(&subject, causes));
    let (resources, paths) = (rule.field("resourceRules"), rule.field("nonResourceRules"));
    if resources.is_empty() && paths.is_empty() {
        rule.missing("at least one of resourceRules and nonResourceRules has to be non-empty", causes);
    }
    for rule in resources.items() {
        validate_verbs(&rule.field("verbs"), VERBS, causes);
        for (field, what) in [("apiGroups", "api group"), ("resources", "resource")] {
            list(&rule.field(field), &format!("resource rules must supply at least one {what}"), causes);
        }
        let namespaces = rule.field("namespaces");
        if namespaces.is_empty() && rule.value["clusterScope"] != true {
            namespaces.missing("resource rules that are not cluster scoped must supply at least one namespace", causes);
        }
    }
    for rule in paths.items() {
        validate_verbs(&rule.field("verbs"), PATH_VERBS, causes);
        list(&rule.field("nonResourceURLs"), "nonResourceURLs must contain at least one value", causes);
    }
}

fn validate_verbs(verbs: &At<'_>, known: &[&str], causes: &mut Vec<Cause>) {
    list(verbs, "verbs must contain at least one value", causes);
    if verbs.items().any(|verb| !known.contains(&verb.text())) {
        causes.push(super::causes::not_supported(verbs.path, verbs.value.clone(), known));
    }
}

/// A list that must not be empty, and where `*` stands alone.
fn list(list: &At<'_>, detail: &str, causes: &mut Vec<Cause>) {
    if list.require(detail, causes) && list.len() > 1 && list.items().any(|item| item.text() == "*") {
        list.invalid("if '*' is present, must not specify other values", causes);
    }
}

fn validate_subject(subject: &At<'_>, causes: &mut Vec<Cause>) {
    let kind = subject.field("kind");
    if !kind.one_of(&["Group", "ServiceAccount", "User"], causes) {
        return;
    }
    for (name, field) in [("Group", "group"), ("ServiceAccount", "serviceAccount"), ("User", "user")] {
        let own = subject.field(field);
        match (kind.text() == name, own.is_null()) {
            (true, true) => own.missing(&format!("{field} is required when subject kind is '{name}'"), causes),
            (false, false) => own.forbidden(format!("{field} is forbidden when subject kind is not '{name}'"), causes),
            (true, false) => {
                own.field("name").require("", causes);
                if name == "ServiceAccount" {
                    own.field("namespace").require("must specify namespace for service account", causes);
                }
            }
            (false, true) => {}
        }
    }
}
