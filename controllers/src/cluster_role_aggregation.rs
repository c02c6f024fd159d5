//! Gathers the rules of ClusterRoles that are made of others, found by their labels.
//! <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles>

use crate::controller::{Controller, Observation, Watch, no_first_keys};
use crate::object::Key;
use crate::plan::{Action, Found, Live, Lookup, Plan, Target};
use kubus_proto::kinds::cluster_role;
use kubus_proto::selector::Selector;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Row of the controllers table. It has one key and looks at every ClusterRole.
pub static CONTROLLER: Controller = Controller {
    name: "clusterrole-aggregation",
    watches: &[Watch { row: Some(&cluster_role::ROW), keys: |_, _| vec![Key::default()] }],
    plan: |o: &Observation<'_>, _| plan(o.live),
    workers: 1,
    first_keys: no_first_keys,
};

/// Writes the rules of every aggregated role that has others than it should.
pub fn plan(live: &Live) -> Plan {
    let mut plan = Plan::nothing();
    let lookup = Lookup::list(&cluster_role::ROW);
    let Some(Found::Object(list)) = live.get(&lookup) else {
        plan.lookups.push(lookup);
        return plan;
    };
    let mut roles: Vec<&Value> = list["items"].as_array().into_iter().flatten().collect();
    roles.sort_by_key(|role| role["metadata"]["name"].as_str().unwrap_or_default());
    for role in roles.iter().filter(|role| role["aggregationRule"].is_object()) {
        let rules = gathered(role, &roles);
        let stored = role["rules"].as_array().cloned().unwrap_or_default();
        if rules != stored {
            let text = |key: &str| role["metadata"][key].as_str().unwrap_or_default().to_owned();
            let target = Target {
                row: &cluster_role::ROW,
                namespace: String::new(),
                name: text("name"),
                uid: text("uid"),
                resource_version: Some(text("resourceVersion")),
            };
            plan.act(Action::Patch { target, subresource: "", patch: json!({"rules": rules}) });
        }
    }
    plan
}

/// The rules of all roles that a role's selectors take, each once. A selector that cannot be read takes none.
fn gathered(role: &Value, all: &[&Value]) -> Vec<Value> {
    let mut rules: Vec<Value> = Vec::new();
    for selector in role["aggregationRule"]["clusterRoleSelectors"].as_array().into_iter().flatten() {
        let parsed = serde_json::from_value(selector.clone()).ok();
        let Some(selector) = parsed.and_then(|selector| Selector::from_label_selector(&selector).ok()) else {
            continue;
        };
        for other in all.iter().filter(|other| other["metadata"]["name"] != role["metadata"]["name"]) {
            let labels: BTreeMap<String, String> =
                serde_json::from_value(other["metadata"]["labels"].clone()).unwrap_or_default();
            if !selector.matches(&labels) {
                continue;
            }
            for rule in other["rules"].as_array().into_iter().flatten() {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(resource: &str) -> Value {
        json!({"verbs": ["get"], "apiGroups": [""], "resources": [resource]})
    }

    fn planned(items: &[Value]) -> Vec<(String, Value)> {
        let mut live = Live::default();
        live.insert(&Lookup::list(&cluster_role::ROW), Found::Object(json!({"items": items})));
        let patched = plan(&live).steps.into_iter().filter_map(|step| match step.action {
            Action::Patch { target, patch, .. } => Some((target.name, patch["rules"].clone())),
            _ => None,
        });
        patched.collect()
    }

    #[test]
    fn rules_are_gathered_by_label_once_each() {
        let role = |name: &str, labels: Value, rules: Value| json!({"metadata": {"name": name, "labels": labels}, "rules": rules});
        let whole = |rules: Value| {
            let mut role = role("all", json!({"to": "all"}), rules);
            role["aggregationRule"] = json!({"clusterRoleSelectors": [
                {"matchLabels": {"to": "all"}}, {"matchExpressions": [{"key": "also", "operator": "Exists"}]}]});
            role
        };
        let b = role("b", json!({"to": "all"}), json!([rule("pods"), rule("nodes")]));
        let a = role("a", json!({"to": "all", "also": ""}), json!([rule("pods")]));
        let other = role("other", json!({}), json!([rule("secrets")]));
        let expected = json!([rule("pods"), rule("nodes")]);
        let stale = whole(json!([rule("secrets")]));
        assert_eq!(planned(&[b.clone(), stale, a.clone(), other.clone()]), [("all".to_owned(), expected.clone())]);
        assert!(planned(&[b, whole(expected), a, other]).is_empty());
        assert_eq!(planned(&[whole(json!([rule("pods")]))]), [("all".to_owned(), json!([]))]);
        assert_eq!(plan(&Live::default()).lookups.len(), 1);
    }
}
