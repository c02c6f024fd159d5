//! How the lists and maps of each type merge in a strategic merge patch.
//! <https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/>

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// How one field merges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MergeRule {
    /// Whether a list is merged with the old one and not put in its place.
    pub merge: bool,
    /// Whether a map is put in the place of the old one and not merged with it.
    pub replace: bool,
    /// The field that tells the items of a merged list apart; None for a list of plain values.
    pub key: Option<&'static str>,
}

/// Columns: type, field, patch strategy, patch merge key, list type, list map keys, map type.
static TABLE: &str = include_str!("merge_keys.tsv");

static RULES: LazyLock<BTreeMap<(&'static str, &'static str), MergeRule>> = LazyLock::new(|| {
    let rows = TABLE.lines().filter(|line| !line.starts_with('#')).skip(1);
    rows.filter_map(|line| {
        let columns: Vec<&'static str> = line.split('\t').collect();
        let [type_name, field, strategies, key, ..] = columns.as_slice() else { return None };
        let type_name = type_name.rsplit('.').next()?;
        let has = |strategy| strategies.split(',').any(|s| s == strategy);
        let key = Some(*key).filter(|key| !key.is_empty());
        Some(((type_name, *field), MergeRule { merge: has("merge"), replace: has("replace"), key }))
    })
    .collect()
});

/// How `field` of the struct type `type_name` merges; a field without a rule is a list that is replaced or a map that is
/// merged.
pub fn merge_rule(type_name: &str, field: &str) -> MergeRule {
    RULES.get(&(type_name, field)).copied().unwrap_or_default()
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
    }

    #[test]
    fn no_two_types_of_one_name_merge_differently() {
        let mut seen: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for line in TABLE.lines().filter(|line| !line.starts_with('#')).skip(1) {
            let columns: Vec<&str> = line.split('\t').collect();
            let name = columns[0].rsplit('.').next().expect("a type");
            let patch = columns[2..4].to_vec();
            assert_eq!(*seen.entry((name, columns[1])).or_insert(patch.clone()), patch, "{line}");
        }
        assert!(seen.len() > 200);
    }
}
