//! DefaultStorageClass: a claim that names no class gets the cluster's default.
//! <https://kubernetes.io/docs/concepts/storage/storage-classes/#default-storageclass>

use kubus_proto::KindRow;
use serde_json::{Value, json};

/// Marks the default; the second is its old name.
const ANNOTATIONS: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

/// Names the class in a claim. Of several defaults the newest counts, of equally old ones the first by name.
pub fn fill(row: &KindRow, object: &mut Value, classes: &[Value]) {
    let named = object["spec"].get("storageClassName").is_some_and(|name| !name.is_null());
    if (row.group, row.plural) != ("", "persistentvolumeclaims") || named {
        return;
    }
    let is_default = |class: &&Value| ANNOTATIONS.iter().any(|key| class["metadata"]["annotations"][*key] == "true");
    let text = |class: &Value, key: &str| class["metadata"][key].as_str().unwrap_or_default().to_owned();
    let mut defaults: Vec<&Value> = classes.iter().filter(is_default).collect();
    defaults.sort_by_key(|class| (std::cmp::Reverse(text(class, "creationTimestamp")), text(class, "name")));
    if let Some(class) = defaults.first() {
        object["spec"]["storageClassName"] = json!(text(class, "name"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubus_proto::kinds::persistent_volume_claim;

    #[test]
    fn the_newest_default_is_taken() {
        let class = |name: &str, made: &str, default: &str| json!({"metadata": {"name": name, "creationTimestamp": made, "annotations": {ANNOTATIONS[0]: default}}});
        let classes =
            [class("a", "1", "false"), class("b", "1", "true"), class("c", "2", "true"), class("d", "2", "true")];
        for (spec, expected) in [
            (json!({}), json!("c")),
            (json!({"storageClassName": ""}), json!("")),
            (json!({"storageClassName": "x"}), json!("x")),
        ] {
            let mut claim = json!({"spec": spec});
            fill(&persistent_volume_claim::ROW, &mut claim, &classes);
            assert_eq!(claim["spec"]["storageClassName"], expected);
        }
    }
}
