//! RoleBinding and ClusterRoleBinding of `rbac.authorization.k8s.io/v1alpha1`: subjects with an apiVersion, `*` for everybody.

use super::Conversion;
use serde_json::{Map, Value, json};

/// Both kinds of bindings.
pub static BINDING_V1ALPHA1: Conversion = Conversion {
    to_stored: |binding| {
        for subject in subjects(binding) {
            if subject.get("kind").is_some_and(|kind| kind == "User") && subject.get("name").is_some_and(|n| n == "*") {
                subject.insert("kind".to_owned(), json!("Group"));
                subject.insert("name".to_owned(), json!("system:authenticated"));
            }
            if let Some(Value::String(version)) = subject.remove("apiVersion") {
                let group = version.split_once('/').map_or("", |(group, _)| group);
                if !group.is_empty() {
                    subject.insert("apiGroup".to_owned(), json!(group));
                }
            }
        }
    },
    from_stored: |binding| {
        for subject in subjects(binding) {
            let group = subject.remove("apiGroup");
            let version = match group.as_ref().and_then(Value::as_str) {
                Some(group) if !group.is_empty() => format!("{group}/v1alpha1"),
                _ => "v1".to_owned(),
            };
            subject.insert("apiVersion".to_owned(), json!(version));
        }
    },
    ..super::SAME
};

fn subjects(binding: &mut Value) -> impl Iterator<Item = &mut Map<String, Value>> {
    binding.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_have_groups_again() {
        let mut binding = json!({"subjects": [
            {"kind": "User", "name": "*", "apiVersion": "rbac.authorization.k8s.io/v1alpha1"},
            {"kind": "ServiceAccount", "name": "a", "namespace": "b", "apiVersion": "v1"},
        ]});
        (BINDING_V1ALPHA1.to_stored)(&mut binding);
        assert_eq!(
            binding["subjects"],
            json!([
                {"kind": "Group", "name": "system:authenticated", "apiGroup": "rbac.authorization.k8s.io"},
                {"kind": "ServiceAccount", "name": "a", "namespace": "b"},
            ])
        );
        (BINDING_V1ALPHA1.from_stored)(&mut binding);
        assert_eq!(binding["subjects"][0]["apiVersion"], "rbac.authorization.k8s.io/v1alpha1");
        assert_eq!(binding["subjects"][1]["apiVersion"], "v1");
    }
}
