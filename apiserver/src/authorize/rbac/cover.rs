//! Whether the rights somebody holds are enough to hand out others: nobody grants what it does not hold itself.

use super::PolicyRule;
use super::rule::quoted;
use kubus_proto::user::UserInfo;
use std::collections::{BTreeMap, BTreeSet};

/// Parts of `granted` that `held` does not cover, each about one verb, group, resource and name.
pub fn missing(held: &[&PolicyRule], granted: &[PolicyRule]) -> Vec<PolicyRule> {
    let parts = granted.iter().flat_map(break_down);
    parts.filter(|part| !held.iter().any(|rule| covers(rule, part))).collect()
}

/// A rule as rules with one value in each list.
fn break_down(rule: &PolicyRule) -> Vec<PolicyRule> {
    let one = |text: &String| vec![text.clone()];
    let mut parts = Vec::new();
    for group in &rule.api_groups {
        for resource in &rule.resources {
            for verb in &rule.verbs {
                let part = PolicyRule {
                    verbs: one(verb),
                    api_groups: one(group),
                    resources: one(resource),
                    ..PolicyRule::default()
                };
                if rule.resource_names.is_empty() {
                    parts.push(part);
                } else {
                    let names = rule.resource_names.iter();
                    parts.extend(names.map(|name| PolicyRule { resource_names: one(name), ..part.clone() }));
                }
            }
        }
    }
    for url in &rule.non_resource_urls {
        let verbs = rule.verbs.iter();
        parts.extend(verbs.map(|verb| PolicyRule {
            verbs: one(verb),
            non_resource_urls: one(url),
            ..PolicyRule::default()
        }));
    }
    parts
}

/// Whether `held` lets its holder do all that `part` does.
fn covers(held: &PolicyRule, part: &PolicyRule) -> bool {
    let all = |own: &[String], wanted: &[String]| {
        own.iter().any(|text| text == "*") || wanted.iter().all(|text| own.contains(text))
    };
    let resources = |own: &[String], wanted: &[String]| {
        wanted.iter().all(|wanted| {
            let any = wanted.split_once('/').map(|(_, sub)| format!("*/{sub}"));
            own.iter().any(|own| own == "*" || own == wanted || any.as_ref() == Some(own))
        })
    };
    let names = held.resource_names.is_empty()
        || (!part.resource_names.is_empty()
            && part.resource_names.iter().all(|name| held.resource_names.contains(name)));
    let url = |wanted: &String| {
        let prefix = |own: &String| own.strip_suffix('*').is_some_and(|prefix| wanted.starts_with(prefix));
        held.non_resource_urls.iter().any(|own| own == wanted || prefix(own))
    };
    all(&held.verbs, &part.verbs)
        && all(&held.api_groups, &part.api_groups)
        && resources(&held.resources, &part.resources)
        && names
        && part.non_resource_urls.iter().all(url)
}

/// Groups, resources and names of a rule.
type Simple = (Vec<String>, Vec<String>, Vec<String>);

/// Joins rules that differ in their verbs alone, where each is about one resource of one group.
pub fn compact(rules: Vec<PolicyRule>) -> Vec<PolicyRule> {
    let mut simple: BTreeMap<Simple, PolicyRule> = BTreeMap::new();
    let mut others = Vec::new();
    for rule in rules {
        if !rule.non_resource_urls.is_empty() {
            others.push(rule);
            continue;
        }
        let key = (rule.api_groups.clone(), rule.resources.clone(), rule.resource_names.clone());
        match simple.get_mut(&key) {
            Some(known) => known.verbs.extend(rule.verbs),
            None => {
                simple.insert(key, rule);
            }
        }
    }
    others.extend(simple.into_values());
    others
}

/// Refuses to hand out `granted` where `held` does not cover it, in Kubernetes' words.
pub fn confirm(user: &UserInfo, held: &[&PolicyRule], granted: &[PolicyRule]) -> Result<(), String> {
    let missing = missing(held, granted);
    if missing.is_empty() {
        return Ok(());
    }
    let texts: BTreeSet<String> = compact(missing).iter().map(PolicyRule::to_string).collect();
    let texts: Vec<String> = texts.into_iter().collect();
    Err(format!(
        "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        user.name,
        quoted(&user.groups),
        texts.join("\n")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn rules(value: Value) -> Vec<PolicyRule> {
        serde_json::from_value(value).expect("rules")
    }

    #[test]
    fn nobody_grants_what_it_does_not_hold() {
        let pods = |verbs: Value| json!({"verbs": verbs, "apiGroups": [""], "resources": ["pods"]});
        for (held, granted, covered) in [
            (json!([]), json!([pods(json!(["get"]))]), false),
            (json!([]), json!([]), true),
            (json!([pods(json!(["get", "list"]))]), json!([pods(json!(["get"]))]), true),
            (json!([pods(json!(["get"]))]), json!([pods(json!(["get", "list"]))]), false),
            (json!([pods(json!(["get"])), pods(json!(["list"]))]), json!([pods(json!(["get", "list"]))]), true),
            (json!([pods(json!(["get"]))]), json!([pods(json!(["*"]))]), false),
            (json!([pods(json!(["*"]))]), json!([pods(json!(["*"]))]), true),
            (
                json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]),
                json!([{"verbs": ["get"], "apiGroups": ["a"], "resources": ["b/c"], "resourceNames": ["x"]}]),
                true,
            ),
            (
                json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["x"]}]),
                json!([pods(json!(["get"]))]),
                false,
            ),
            (
                json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["*/scale"]}]),
                json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["replicationcontrollers/scale"]}]),
                true,
            ),
            (
                json!([{"verbs": ["get"], "nonResourceURLs": ["/api*"]}]),
                json!([{"verbs": ["get"], "nonResourceURLs": ["/apis"]}]),
                true,
            ),
            (
                json!([{"verbs": ["get"], "nonResourceURLs": ["/api"]}]),
                json!([{"verbs": ["get"], "nonResourceURLs": ["/api*"]}]),
                false,
            ),
            (
                json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]),
                json!([{"verbs": ["get"], "nonResourceURLs": ["/api"]}]),
                false,
            ),
        ] {
            let (own, wanted) = (rules(held.clone()), rules(granted.clone()));
            let own: Vec<&PolicyRule> = own.iter().collect();
            assert_eq!(missing(&own, &wanted).is_empty(), covered, "{held} {granted}");
        }
    }

    #[test]
    fn the_refusal_names_what_is_missing() {
        let user = UserInfo { name: "jane".into(), groups: vec!["dev".into(), "b".into()], ..UserInfo::default() };
        let granted = rules(json!([
            {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["secrets"]},
            {"verbs": ["get"], "nonResourceURLs": ["/metrics"]},
        ]));
        assert_eq!(
            confirm(&user, &[], &granted).expect_err("refused"),
            "user \"jane\" (groups=[\"dev\" \"b\"]) is attempting to grant RBAC permissions not currently held:\n\
             {APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"list\"]}\n\
             {NonResourceURLs:[\"/metrics\"], Verbs:[\"get\"]}"
        );
    }
}
