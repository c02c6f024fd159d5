//! How the lists and maps of each type merge: in a strategic merge patch, and in structured merge (field ownership and
//! server-side apply).
//! <https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/>
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy>

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// How one field merges in a strategic merge patch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MergeRule {
    /// Whether a list is merged with the old one and not put in its place.
    pub merge: bool,
    /// Whether a map is put in the place of the old one and not merged with it.
    pub replace: bool,
    /// The field that tells the items of a merged list apart; None for a list of plain values.
    pub key: Option<&'static str>,
}

/// How the items of a list are owned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListRule {
    /// All together.
    #[default]
    Atomic,
    /// Each value by itself.
    Set,
    /// Each map by itself; these fields tell one from another.
    Keyed(Vec<&'static str>),
}

/// How one field is owned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnRule {
    /// For a list.
    pub list: ListRule,
    /// For a map that is not as its type says: whether it is owned as a whole.
    pub atomic_map: Option<bool>,
}

/// Columns: type, field, patch strategy, patch merge key, list type, list map keys, map type.
static TABLE: &str = include_str!("merge_keys.tsv");

/// Structs that are owned as a whole.
static ATOMIC_TYPES: &[&str] = &[
    "ConfigMapKeySelector",
    "EndpointAddress",
    "EndpointPort",
    "FileKeySelector",
    "LabelSelector",
    "LocalObjectReference",
    "MatchResources",
    "NamedRuleWithOperations",
    "NodeSelector",
    "NodeSelectorTerm",
    "ObjectFieldSelector",
    "ObjectReference",
    "OwnerReference",
    "ParamKind",
    "ParamRef",
    "ResourceFieldSelector",
    "RoleRef",
    "ScopeSelector",
    "ScopedResourceSelectorRequirement",
    "SecretKeySelector",
    "SecretReference",
    "ServiceBackendPort",
    "Subject",
    "TopologySelectorTerm",
    "TypedLocalObjectReference",
    "Variable",
];

/// Fields that an object has even where nothing was said about them, since Kubernetes' own types hold them by value. To
/// fill one is no addition of the field itself, only of what is in it. The root's `metadata`, `spec` and `status` are such too.
static PRESENT_FIELDS: &[(&str, &[&str])] = &[
    ("CronJobSpec", &["jobTemplate"]),
    ("CustomResourceDefinitionSpec", &["names", "versions"]),
    ("CustomResourceDefinitionStatus", &["acceptedNames", "conditions", "storedVersions"]),
    ("DaemonSetSpec", &["template", "updateStrategy"]),
    ("DeploymentSpec", &["selector", "strategy", "template"]),
    ("EndpointSlice", &["endpoints", "ports"]),
    ("Event", &["involvedObject", "reportingComponent", "reportingInstance", "source"]),
    ("FlowSchemaSpec", &["priorityLevelConfiguration"]),
    ("HorizontalPodAutoscalerSpec", &["scaleTargetRef"]),
    ("HorizontalPodAutoscalerStatus", &["currentMetrics"]),
    ("IngressStatus", &["loadBalancer"]),
    ("JobSpec", &["template"]),
    ("JobTemplateSpec", &["metadata", "spec"]),
    ("NetworkPolicySpec", &["podSelector"]),
    ("NodeDaemonEndpoints", &["kubeletEndpoint"]),
    ("NodeStatus", &["daemonEndpoints", "nodeInfo"]),
    ("PersistentVolumeClaimSpec", &["resources"]),
    ("PodSpec", &["containers"]),
    ("PodTemplate", &["template"]),
    ("PodTemplateSpec", &["metadata", "spec"]),
    ("ReplicaSetSpec", &["selector", "template"]),
    ("ResourceClaimSpec", &["devices"]),
    ("ResourceClaimTemplateSpec", &["metadata", "spec"]),
    ("ResourceSliceSpec", &["pool"]),
    ("ServiceStatus", &["loadBalancer"]),
    ("StatefulSetSpec", &["selector", "template", "updateStrategy"]),
    ("VolumeAttachmentSpec", &["source"]),
];

/// What a key field is taken to be in an item that does not have it.
static KEY_DEFAULTS: &[(&str, &str)] = &[("protocol", "TCP")];

#[derive(Default)]
struct Rules {
    merge: BTreeMap<(&'static str, &'static str), MergeRule>,
    own: BTreeMap<(&'static str, &'static str), OwnRule>,
}

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let mut rules = Rules::default();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')).skip(1) {
        let columns: Vec<&'static str> = line.split('\t').collect();
        let [type_name, field, strategies, key, list, keys, map] = columns.as_slice() else { continue };
        let place = (type_name.rsplit('.').next().unwrap_or_default(), *field);
        let has = |strategy| strategies.split(',').any(|s| s == strategy);
        let key = Some(*key).filter(|key| !key.is_empty());
        rules.merge.insert(place, MergeRule { merge: has("merge"), replace: has("replace"), key });
        let list = match *list {
            "set" => ListRule::Set,
            "map" => ListRule::Keyed(keys.split(',').collect::<BTreeSet<_>>().into_iter().collect()),
            _ => ListRule::Atomic,
        };
        let atomic_map = Some(*map).filter(|map| !map.is_empty()).map(|map| map == "atomic");
        rules.own.insert(place, OwnRule { list, atomic_map });
    }
    rules
});

/// How `field` of the struct type `type_name` merges; a field without a rule is a list that is replaced or a map that is
/// merged.
pub fn merge_rule(type_name: &str, field: &str) -> MergeRule {
    RULES.merge.get(&(type_name, field)).copied().unwrap_or_default()
}

/// How `field` of the struct type `type_name` is owned; a field without a rule is a list that is owned as a whole, or a map
/// as its type says.
pub fn own_rule(type_name: &str, field: &str) -> OwnRule {
    RULES.own.get(&(type_name, field)).cloned().unwrap_or_default()
}

/// Whether a struct type is owned as a whole.
pub fn is_atomic(type_name: &str) -> bool {
    ATOMIC_TYPES.contains(&type_name)
}

/// Whether objects of `type_name` have `field` even where nothing was said about it; `root` is the kind's own type.
pub fn is_present(root: &str, type_name: &str, field: &str) -> bool {
    (type_name == root && matches!(field, "metadata" | "spec" | "status"))
        || PRESENT_FIELDS.iter().any(|(name, fields)| *name == type_name && fields.contains(&field))
}

/// What the key field `key` of a list's items is taken to be where it is missing.
pub fn key_default(key: &str) -> Option<&'static str> {
    KEY_DEFAULTS.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_found_by_the_types_own_name() {
        let by = |key| MergeRule { merge: true, replace: false, key };
        for (type_name, field, rule) in [
            ("PodSpec", "containers", by(Some("name"))),
            ("Container", "ports", by(Some("containerPort"))),
            ("PodSpec", "volumes", by(Some("name"))),
            ("ObjectMeta", "finalizers", by(None)),
            ("Container", "command", MergeRule::default()),
            ("PodDisruptionBudgetSpec", "selector", MergeRule { replace: true, ..MergeRule::default() }),
        ] {
            assert_eq!(merge_rule(type_name, field), rule, "{type_name}.{field}");
        }
        let list = |list| OwnRule { list, atomic_map: None };
        for (type_name, field, rule) in [
            ("PodSpec", "containers", list(ListRule::Keyed(vec!["name"]))),
            ("Container", "ports", list(ListRule::Keyed(vec!["containerPort", "protocol"]))),
            ("ObjectMeta", "finalizers", list(ListRule::Set)),
            ("Container", "command", list(ListRule::Atomic)),
            ("PodSpec", "nodeSelector", OwnRule { list: ListRule::Atomic, atomic_map: Some(true) }),
            ("PersistentVolumeSpec", "claimRef", OwnRule { list: ListRule::Atomic, atomic_map: Some(false) }),
            ("ObjectMeta", "labels", OwnRule::default()),
        ] {
            assert_eq!(own_rule(type_name, field), rule, "{type_name}.{field}");
        }
    }

    #[test]
    fn no_two_types_of_one_name_merge_differently() {
        let mut seen: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for line in TABLE.lines().filter(|line| !line.starts_with('#')).skip(1) {
            let columns: Vec<&str> = line.split('\t').collect();
            assert_eq!(columns.len(), 7, "{line}");
            let name = columns[0].rsplit('.').next().expect("a type");
            let rules = columns[2..].to_vec();
            assert_eq!(*seen.entry((name, columns[1])).or_insert(rules.clone()), rules, "{line}");
        }
        assert!(seen.len() > 200);
    }
}
