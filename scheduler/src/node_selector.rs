//! Terms that choose nodes by labels and name:
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#node-affinity>.

use k8s_openapi::api::core::v1 as api;
use kubus_proto::selector::{Operator, Requirement};
use std::collections::BTreeMap;

/// The only field that a term can name.
const NAME_FIELD: &str = "metadata.name";

/// Expressions that must all hold; an empty term holds nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    labels: Vec<Requirement>,
    /// Names the node must (`true`) or must not have.
    names: Vec<(bool, Vec<String>)>,
    /// An expression that cannot be understood holds nowhere.
    broken: bool,
}

impl Term {
    /// From a pod's spec.
    pub fn read(term: &api::NodeSelectorTerm) -> Self {
        let mut read = Self { labels: Vec::new(), names: Vec::new(), broken: false };
        for expression in term.match_expressions.iter().flatten() {
            let operator = match expression.operator.as_str() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                "Gt" => Operator::Gt,
                "Lt" => Operator::Lt,
                _ => {
                    read.broken = true;
                    continue;
                }
            };
            let values = expression.values.clone().unwrap_or_default();
            read.labels.push(Requirement::new(expression.key.clone(), operator, values));
        }
        for field in term.match_fields.iter().flatten() {
            let values = field.values.clone().unwrap_or_default();
            match (field.key.as_str(), field.operator.as_str()) {
                (NAME_FIELD, "In") => read.names.push((true, values)),
                (NAME_FIELD, "NotIn") => read.names.push((false, values)),
                _ => read.broken = true,
            }
        }
        read
    }

    /// Whether the node of this name and these labels satisfies every expression.
    pub fn matches(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        let empty = self.labels.is_empty() && self.names.is_empty();
        !(self.broken || empty)
            && self.labels.iter().all(|requirement| requirement.matches(labels))
            && self.names.iter().all(|(wanted, names)| names.iter().any(|n| n == name) == *wanted)
    }

    /// The node names it is limited to, if it is.
    fn limited_to(&self) -> Option<Vec<String>> {
        let mut limits = self.names.iter().filter(|(wanted, _)| *wanted).map(|(_, names)| names);
        let first = limits.next()?.clone();
        Some(limits.fold(first, |kept, names| kept.into_iter().filter(|n| names.contains(n)).collect()))
    }
}

/// Where a pod may go, and where it would rather go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeAffinity {
    /// `spec.nodeSelector`.
    pub selector: BTreeMap<String, String>,
    /// Required terms, of which one must hold; `None` where nothing is required.
    pub required: Option<Vec<Term>>,
    /// Preferred terms with their weights.
    pub preferred: Vec<(i64, Term)>,
}

impl NodeAffinity {
    /// From a pod's spec.
    pub fn read(spec: &api::PodSpec) -> Self {
        let affinity = spec.affinity.as_ref().and_then(|a| a.node_affinity.as_ref());
        let required = affinity.and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
        let preferred = affinity.and_then(|a| a.preferred_during_scheduling_ignored_during_execution.as_ref());
        Self {
            selector: spec.node_selector.clone().unwrap_or_default(),
            required: required.map(|selector| selector.node_selector_terms.iter().map(Term::read).collect()),
            preferred: preferred.into_iter().flatten().map(|p| (p.weight.into(), Term::read(&p.preference))).collect(),
        }
    }

    /// Whether the node of this name and these labels is one the pod may go to.
    pub fn allows(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.selector.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.required.as_ref().is_none_or(|terms| terms.iter().any(|term| term.matches(name, labels)))
    }

    /// Sum of the weights of the preferred terms that hold.
    pub fn preference(&self, name: &str, labels: &BTreeMap<String, String>) -> i64 {
        self.preferred.iter().filter(|(_, term)| term.matches(name, labels)).map(|(weight, _)| weight).sum()
    }

    /// The only nodes worth looking at, where every required term names its nodes (a DaemonSet's pods).
    pub fn limited_to(&self) -> Option<Vec<String>> {
        let terms = self.required.as_ref().filter(|terms| !terms.is_empty())?;
        let mut names = terms.iter().map(Term::limited_to).collect::<Option<Vec<_>>>()?.concat();
        names.sort();
        names.dedup();
        Some(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn affinity(spec: Value) -> NodeAffinity {
        let mut spec = spec;
        spec["containers"] = json!([]);
        NodeAffinity::read(&serde_json::from_value(spec).expect("pod spec"))
    }

    fn required(terms: Value) -> NodeAffinity {
        affinity(json!({"affinity": {"nodeAffinity":
            {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}}))
    }

    fn labels() -> BTreeMap<String, String> {
        [("zone", "a"), ("rank", "5"), ("disk", "ssd")].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
    }

    #[test]
    fn terms_match_as_documented() {
        let one =
            |key: &str, operator: &str, values: Value| json!({"key": key, "operator": operator, "values": values});
        for (terms, expected) in [
            (json!([{"matchExpressions": [one("zone", "In", json!(["a", "b"]))]}]), true),
            (json!([{"matchExpressions": [one("zone", "NotIn", json!(["a"]))]}]), false),
            (json!([{"matchExpressions": [one("gpu", "NotIn", json!(["a"]))]}]), true),
            (json!([{"matchExpressions": [one("disk", "Exists", json!([]))]}]), true),
            (json!([{"matchExpressions": [one("disk", "DoesNotExist", json!([]))]}]), false),
            (json!([{"matchExpressions": [one("rank", "Gt", json!(["4"]))]}]), true),
            (json!([{"matchExpressions": [one("rank", "Lt", json!(["5"]))]}]), false),
            (json!([{"matchExpressions": [one("zone", "Near", json!(["a"]))]}]), false),
            (json!([{"matchFields": [one("metadata.name", "In", json!(["n1"]))]}]), true),
            (json!([{"matchFields": [one("metadata.name", "NotIn", json!(["n1"]))]}]), false),
            (json!([{"matchFields": [one("metadata.uid", "In", json!(["n1"]))]}]), false),
            (json!([{}]), false),
            (json!([]), false),
            (
                json!([{"matchExpressions": [one("zone", "In", json!(["b"]))]},
                       {"matchExpressions": [one("disk", "Exists", json!([]))]}]),
                true,
            ),
            (json!([{"matchExpressions": [one("zone", "In", json!(["b"])), one("disk", "Exists", json!([]))]}]), false),
        ] {
            assert_eq!(required(terms.clone()).allows("n1", &labels()), expected, "{terms}");
        }
    }

    #[test]
    fn node_selector_and_preferences() {
        assert!(affinity(json!({"nodeSelector": {"zone": "a"}})).allows("n1", &labels()));
        assert!(!affinity(json!({"nodeSelector": {"zone": "b"}})).allows("n1", &labels()));
        assert!(affinity(json!({})).allows("n1", &labels()));
        let likes = affinity(json!({"affinity": {"nodeAffinity":
            {"preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 7, "preference": {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}},
                {"weight": 2, "preference": {"matchExpressions": [{"key": "gpu", "operator": "Exists"}]}}]}}}));
        assert_eq!(likes.preference("n1", &labels()), 7);
        assert!(likes.allows("n1", &labels()));
    }

    #[test]
    fn names_limit_the_nodes_only_when_every_term_has_them() {
        let named =
            |names: Value| json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": names}]});
        assert_eq!(required(json!([named(json!(["b"])), named(json!(["a"]))])).limited_to(), {
            Some(vec!["a".to_owned(), "b".to_owned()])
        });
        let free = json!({"matchExpressions": [{"key": "zone", "operator": "Exists"}]});
        assert_eq!(required(json!([named(json!(["b"])), free])).limited_to(), None);
        assert_eq!(affinity(json!({})).limited_to(), None);
    }
}
