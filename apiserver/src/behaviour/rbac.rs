//! What the four RBAC kinds share on their way into the store: rules, subjects, the reference to a role.
//! <https://kubernetes.io/docs/reference/access-authn-authz/rbac/>

use super::NameRule;
use super::causes::{invalid, not_supported, required};
use super::defaulting::{items, object, put_filled};
use super::names::dns_subdomain;
use super::path::FieldPath;
use k8s_openapi::api::rbac::v1::{PolicyRule, RoleRef, Subject};
use kubus_proto::status::Cause;
use serde_json::{Value, json};

/// The API group of roles, and of the users and groups they are given to.
pub const GROUP: &str = "rbac.authorization.k8s.io";
const ROLE_KINDS: &[&str] = &["Role", "ClusterRole"];
const SUBJECT_KINDS: &[&str] = &["ServiceAccount", "User", "Group"];

/// Checks the rules of a role. Those of a namespace cannot be about plain paths.
pub fn validate_rules(rules: Option<&[PolicyRule]>, namespaced: bool, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("rules");
    for (i, rule) in rules.into_iter().flatten().enumerate() {
        validate_rule(rule, namespaced, &path.index(i), causes);
    }
}

fn validate_rule(rule: &PolicyRule, namespaced: bool, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let given = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    if rule.verbs.is_empty() {
        causes.push(required(path.field("verbs"), "verbs must contain at least one value"));
    }
    if given(&rule.non_resource_urls) {
        let mut refuse = |detail: &str| {
            causes.push(invalid(path.field("nonResourceURLs"), json!(rule.non_resource_urls), detail));
        };
        if namespaced {
            refuse("namespaced rules cannot apply to non-resource URLs");
        }
        if given(&rule.api_groups) || given(&rule.resources) || given(&rule.resource_names) {
            refuse("rules cannot apply to both regular resources and non-resource URLs");
        }
        return;
    }
    if !given(&rule.api_groups) {
        causes.push(required(path.field("apiGroups"), "resource rules must supply at least one api group"));
    }
    if !given(&rule.resources) {
        causes.push(required(path.field("resources"), "resource rules must supply at least one resource"));
    }
}

/// Fills in the API groups of a binding: its role's, and those of its users and groups.
pub fn default_binding(binding: &mut Value) {
    let Some(fields) = binding.as_object_mut() else { return };
    if let Some(role) = object(fields, "roleRef") {
        put_filled(role, "apiGroup", GROUP);
    }
    for subject in items(fields, "subjects") {
        if let Some("User" | "Group") = subject.get("kind").and_then(Value::as_str) {
            put_filled(subject, "apiGroup", GROUP);
        }
    }
}

/// Checks the role of a binding and who it is given to.
pub fn validate_binding(role: &RoleRef, subjects: Option<&[Subject]>, namespaced: bool, causes: &mut Vec<Cause>) {
    let path = FieldPath::root("roleRef");
    let group = role.api_group.as_deref().unwrap_or_default();
    if group != GROUP {
        causes.push(not_supported(path.field("apiGroup"), group, &[GROUP]));
    }
    // A binding of every namespace cannot give what one namespace has.
    let kinds = if namespaced { ROLE_KINDS } else { &ROLE_KINDS[1..] };
    if !kinds.contains(&role.kind.as_str()) {
        causes.push(not_supported(path.field("kind"), role.kind.as_str(), kinds));
    }
    if role.name.is_empty() {
        causes.push(required(path.field("name"), ""));
    } else {
        let problems = NameRule::PathSegment.problems(&role.name);
        causes.extend(problems.iter().map(|problem| invalid(path.field("name"), role.name.as_str(), problem)));
    }
    let path = FieldPath::root("subjects");
    for (i, subject) in subjects.into_iter().flatten().enumerate() {
        validate_subject(subject, namespaced, &path.index(i), causes);
    }
}

fn validate_subject(subject: &Subject, namespaced: bool, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if subject.name.is_empty() {
        causes.push(required(path.field("name"), ""));
    }
    let group = subject.api_group.as_deref().unwrap_or_default();
    match subject.kind.as_str() {
        "ServiceAccount" => {
            if !subject.name.is_empty() {
                let problems = dns_subdomain(&subject.name);
                causes.extend(problems.iter().map(|p| invalid(path.field("name"), subject.name.as_str(), p)));
            }
            if !group.is_empty() {
                causes.push(not_supported(path.field("apiGroup"), group, &[""]));
            }
            if !namespaced && subject.namespace.as_deref().unwrap_or_default().is_empty() {
                causes.push(required(path.field("namespace"), ""));
            }
        }
        "User" | "Group" if group == GROUP => {}
        "User" | "Group" => causes.push(not_supported(path.field("apiGroup"), group, &[GROUP])),
        other => causes.push(not_supported(path.field("kind"), other, SUBJECT_KINDS)),
    }
}

/// The role of a binding cannot change: who may change a binding could give away what he may not give.
pub fn role_stays(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let (new, old) = (&new["roleRef"], &old["roleRef"]);
    if new != old {
        causes.push(invalid("roleRef", new.clone(), "cannot change roleRef"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BEHAVIOURS, Behaviour};
    use super::*;

    fn behaviour(kind: &str) -> &'static Behaviour {
        BEHAVIOURS.iter().find(|b| b.row.group == GROUP && b.row.kind == kind).expect("a kind")
    }

    fn said(causes: &[Cause]) -> Vec<String> {
        causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
    }

    #[test]
    fn rules_and_bindings_are_checked() {
        let urls = json!({"verbs": ["get"], "nonResourceURLs": ["/x"], "resources": ["pods"]});
        let role = |name: &str| json!({"apiGroup": GROUP, "kind": name, "name": "r"});
        let account = json!({"kind": "ServiceAccount", "name": "a"});
        for (kind, own, expected) in [
            ("Role", json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}), vec![]),
            ("Role", json!({}), vec![]),
            (
                "Role",
                json!({"rules": [{"verbs": []}]}),
                vec![
                    "rules[0].verbs: Required value: verbs must contain at least one value",
                    "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
                    "rules[0].resources: Required value: resource rules must supply at least one resource",
                ],
            ),
            (
                "Role",
                json!({"rules": [urls]}),
                vec![
                    "rules[0].nonResourceURLs: Invalid value: [\"/x\"]: namespaced rules cannot apply to non-resource URLs",
                    "rules[0].nonResourceURLs: Invalid value: [\"/x\"]: rules cannot apply to both regular resources and \
                     non-resource URLs",
                ],
            ),
            (
                "ClusterRole",
                json!({"aggregationRule": {"clusterRoleSelectors": []}}),
                vec![
                    "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if \
                     aggregationRule is non-nil",
                ],
            ),
            ("RoleBinding", json!({"roleRef": role("Role"), "subjects": [account]}), vec![]),
            (
                "RoleBinding",
                json!({"roleRef": {"apiGroup": "x", "kind": "Rol", "name": ""}, "subjects": [{"kind": "Robot", "name": ""}]}),
                vec![
                    "roleRef.apiGroup: Unsupported value: \"x\": supported values: \"rbac.authorization.k8s.io\"",
                    "roleRef.kind: Unsupported value: \"Rol\": supported values: \"Role\", \"ClusterRole\"",
                    "roleRef.name: Required value",
                    "subjects[0].name: Required value",
                    "subjects[0].kind: Unsupported value: \"Robot\": supported values: \"ServiceAccount\", \"User\", \"Group\"",
                ],
            ),
            (
                "ClusterRoleBinding",
                json!({"roleRef": role("Role"), "subjects": [account]}),
                vec![
                    "roleRef.kind: Unsupported value: \"Role\": supported values: \"ClusterRole\"",
                    "subjects[0].namespace: Required value",
                ],
            ),
        ] {
            let behaviour = behaviour(kind);
            let mut object = own.clone();
            object["metadata"] = json!({"name": "system:x"});
            if behaviour.row.namespaced {
                object["metadata"]["namespace"] = json!("n");
            }
            behaviour.default(&mut object);
            assert_eq!(said(&behaviour.validate(&object)), expected, "{own}");
        }
    }

    #[test]
    fn groups_are_filled_in_and_the_role_of_a_binding_stays() {
        let behaviour = behaviour("RoleBinding");
        let mut old = json!({"metadata": {"name": "b", "namespace": "n"}, "roleRef": {"kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s"}]});
        behaviour.default(&mut old);
        assert_eq!((&old["roleRef"]["apiGroup"], &old["subjects"][0]["apiGroup"]), (&json!(GROUP), &json!(GROUP)));
        assert_eq!(old["subjects"][1], json!({"kind": "ServiceAccount", "name": "s"}));
        let mut new = old.clone();
        new["roleRef"]["name"] = json!("edit");
        let found = said(&behaviour.validate_update(&new, &old));
        assert!(found.len() == 1 && found[0].ends_with("cannot change roleRef"), "{found:?}");
    }
}
