//! One rule of a role: what it lets its holders do, and how messages write it.

use crate::authorize::Attributes;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// What stands for every verb, group, resource or path.
const ALL: &str = "*";

/// A rule as it is stored. All lists are empty where the rule does not speak of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyRule {
    /// Verbs.
    #[serde(deserialize_with = "nullable")]
    pub verbs: Vec<String>,
    /// API groups.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Vec<String>,
    /// `plural`, `plural/subresource`, `*/subresource` or `*`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Names; none means every name.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    /// Paths, with `*` at their end for whatever follows.
    #[serde(rename = "nonResourceURLs", deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub non_resource_urls: Vec<String>,
}

fn nullable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::<Vec<String>>::deserialize(deserializer)?.unwrap_or_default())
}

fn holds(list: &[String], wanted: &str) -> bool {
    list.iter().any(|own| own == ALL || own == wanted)
}

impl PolicyRule {
    /// Whether it lets a request for a resource pass.
    pub fn allows(&self, wanted: &Attributes<'_>) -> bool {
        let named = self.resource_names.is_empty() || self.resource_names.iter().any(|name| name == wanted.name());
        named
            && holds(&self.verbs, wanted.verb)
            && holds(&self.api_groups, wanted.group)
            && self.resources.iter().any(|own| resource_matches(own, wanted.resource, wanted.subresource))
    }

    /// Whether it lets a request for a path that is no resource pass.
    pub fn allows_path(&self, verb: &str, path: &str) -> bool {
        holds(&self.verbs, verb) && self.non_resource_urls.iter().any(|own| path_matches(own, path))
    }
}

fn resource_matches(own: &str, resource: &str, subresource: &str) -> bool {
    if own == ALL {
        return true;
    }
    match own.split_once('/') {
        None => subresource.is_empty() && own == resource,
        Some((plural, sub)) => !subresource.is_empty() && sub == subresource && (plural == ALL || plural == resource),
    }
}

fn path_matches(own: &str, path: &str) -> bool {
    own == ALL || own == path || own.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix))
}

/// As Go prints a list of quoted texts.
pub fn quoted(list: &[String]) -> String {
    let quoted: Vec<String> = list.iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", quoted.join(" "))
}

impl fmt::Display for PolicyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("APIGroups", &self.api_groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.non_resource_urls),
            ("ResourceNames", &self.resource_names),
            ("Verbs", &self.verbs),
        ];
        let given = parts.iter().filter(|(_, list)| !list.is_empty());
        let texts: Vec<String> = given.map(|(name, list)| format!("{name}:{}", quoted(list))).collect();
        write!(f, "{{{}}}", texts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(value: serde_json::Value) -> PolicyRule {
        serde_json::from_value(value).expect("a rule")
    }

    #[test]
    fn a_rule_allows_what_it_names() {
        let pods = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]});
        for (given, verb, group, resource, subresource, name, allowed) in [
            (pods.clone(), "get", "", "pods", "", "", true),
            (pods.clone(), "list", "", "pods", "", "", false),
            (pods.clone(), "get", "apps", "pods", "", "", false),
            (pods.clone(), "get", "", "pods", "log", "", false),
            (json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}), "get", "apps", "x", "status", "n", true),
            (
                json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods/log"]}),
                "get",
                "",
                "pods",
                "log",
                "",
                true,
            ),
            (json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods/log"]}), "get", "", "pods", "", "", false),
            (
                json!({"verbs": ["update"], "apiGroups": ["apps"], "resources": ["*/scale"]}),
                "update",
                "apps",
                "deployments",
                "scale",
                "d",
                true,
            ),
            (
                json!({"verbs": ["update"], "apiGroups": ["apps"], "resources": ["*/scale"]}),
                "update",
                "apps",
                "deployments",
                "",
                "d",
                false,
            ),
            (
                json!({"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"]}),
                "get",
                "",
                "secrets",
                "",
                "a",
                true,
            ),
            (
                json!({"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"]}),
                "get",
                "",
                "secrets",
                "",
                "b",
                false,
            ),
            (
                json!({"verbs": ["*"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"]}),
                "create",
                "",
                "secrets",
                "",
                "",
                false,
            ),
            (json!({"verbs": ["*"], "nonResourceURLs": ["*"]}), "get", "", "pods", "", "", false),
        ] {
            let wanted = Attributes { verb, group, resource, subresource, name, ..Attributes::default() };
            assert_eq!(rule(given.clone()).allows(&wanted), allowed, "{given} {verb} {resource}/{subresource} {name}");
        }
        let scaled = rule(json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": null}));
        assert!(scaled.resource_names.is_empty());
    }

    #[test]
    fn paths_match_whole_or_to_a_star() {
        for (own, path, matches) in [
            ("/healthz", "/healthz", true),
            ("/healthz", "/healthz/etcd", false),
            ("/healthz/*", "/healthz/etcd", true),
            ("/api*", "/apis/apps", true),
            ("*", "/x", true),
            ("/version", "/", false),
        ] {
            assert_eq!(path_matches(own, path), matches, "{own} {path}");
        }
    }

    #[test]
    fn a_rule_is_written_as_kubernetes_writes_it() {
        let rule = rule(json!({"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}));
        assert_eq!(rule.to_string(), r#"{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}"#);
    }
}
