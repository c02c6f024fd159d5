//! The default roles and bindings: made where they are missing, and completed where they fall short of what this version
//! has, unless their owner has turned that off.
//! <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings>

use crate::authorize::rbac::{PolicyRule, cover};
use crate::state::{Key, State};
use kubus_proto::KindRow;
use kubus_proto::kinds::{cluster_role, cluster_role_binding, role, role_binding};
use kubus_proto::path::ResourcePath;
use kubus_proto::request::Method;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// Whoever sets this to `false` on a default object has it left alone.
const AUTO_UPDATE: &str = "rbac.authorization.k8s.io/autoupdate";
/// Label of everything that comes from here.
const BOOTSTRAPPING: &str = "kubernetes.io/bootstrapping";

/// A default object.
struct Default {
    row: &'static KindRow,
    object: Value,
}

/// What the defaults come to on a state.
#[derive(Debug, PartialEq)]
pub struct Step {
    /// POST, PUT or DELETE.
    pub method: Method,
    /// Where.
    pub path: String,
    /// What is sent.
    pub body: Value,
}

static DEFAULTS: LazyLock<Vec<Default>> = LazyLock::new(|| {
    let files: [(&'static KindRow, &str); 4] = [
        (&cluster_role::ROW, include_str!("../authorize/default_roles/cluster_roles.json")),
        (&role::ROW, include_str!("../authorize/default_roles/roles.json")),
        (&cluster_role_binding::ROW, include_str!("../authorize/default_roles/cluster_role_bindings.json")),
        (&role_binding::ROW, include_str!("../authorize/default_roles/role_bindings.json")),
    ];
    let all = files.into_iter().flat_map(|(row, text)| {
        let rows: Vec<Map<String, Value>> = serde_json::from_str(text).expect("a test reads these files");
        rows.into_iter().map(move |fields| Default { row, object: object(row, fields) })
    });
    all.collect()
});

/// The object a line of a data file stands for.
fn object(row: &KindRow, mut fields: Map<String, Value>) -> Value {
    let mut metadata = json!({"labels": {}, "annotations": {AUTO_UPDATE: "true"}});
    for key in ["name", "namespace", "labels"] {
        if let Some(value) = fields.remove(key) {
            metadata[key] = value;
        }
    }
    metadata["labels"][BOOTSTRAPPING] = json!("rbac-defaults");
    let mut object = json!({"apiVersion": row.api_version(), "kind": row.kind, "metadata": metadata});
    if let Some(object) = object.as_object_mut() {
        object.append(&mut fields);
    }
    object
}

/// What must be done so that every default object is there and whole.
pub fn steps(state: &State) -> Vec<Step> {
    let stored = |default: &Default| {
        let text = |key: &str| default.object["metadata"][key].as_str().unwrap_or_default();
        let key = Key::new(default.row.resource_key(), text("namespace"), text("name"));
        state.get(&key).and_then(|object| object.decode().ok())
    };
    DEFAULTS.iter().flat_map(|default| step(default, stored(default).as_ref())).collect()
}

fn step(default: &Default, stored: Option<&Value>) -> Vec<Step> {
    let (row, object) = (default.row, &default.object);
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
    let collection = ResourcePath::of(row, text("namespace"), "", "");
    let own = ResourcePath::of(row, text("namespace"), text("name"), "");
    let create = Step { method: Method::Post, path: collection, body: object.clone() };
    let Some(stored) = stored else { return vec![create] };
    if stored["metadata"]["annotations"][AUTO_UPDATE] == "false" {
        return Vec::new();
    }
    if !object["roleRef"].is_null() && object["roleRef"] != stored["roleRef"] {
        // What a binding hands out can never be changed.
        return vec![Step { method: Method::Delete, path: own, body: Value::Null }, create];
    }
    let completed = completed(object, stored);
    if completed == *stored { Vec::new() } else { vec![Step { method: Method::Put, path: own, body: completed }] }
}

/// What is stored, with everything that the default has and it has not.
fn completed(default: &Value, stored: &Value) -> Value {
    let mut new = stored.clone();
    for field in ["labels", "annotations"] {
        for (key, value) in default["metadata"][field].as_object().into_iter().flatten() {
            if new["metadata"][field][key].is_null() {
                new["metadata"][field][key] = value.clone();
            }
        }
    }
    if default["aggregationRule"].is_object() {
        // Its rules are gathered from other roles by a controller.
        if stored["aggregationRule"].is_null() {
            new["aggregationRule"] = default["aggregationRule"].clone();
        }
        return new;
    }
    let rules =
        |object: &Value| -> Vec<PolicyRule> { serde_json::from_value(object["rules"].clone()).unwrap_or_default() };
    let (own, wanted) = (rules(stored), rules(default));
    let missing = cover::compact(cover::missing(&own.iter().collect::<Vec<_>>(), &wanted));
    extend(&mut new, "rules", missing.iter().map(|rule| json!(rule)));
    let subjects = default["subjects"].as_array().into_iter().flatten();
    let known = stored["subjects"].as_array().cloned().unwrap_or_default();
    extend(&mut new, "subjects", subjects.filter(|subject| !known.contains(subject)).cloned());
    new
}

fn extend(object: &mut Value, field: &str, more: impl Iterator<Item = Value>) {
    let mut more = more.peekable();
    if more.peek().is_none() {
        return;
    }
    if !object[field].is_array() {
        object[field] = json!([]);
    }
    if let Some(list) = object[field].as_array_mut() {
        list.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_cluster_gets_them_all() {
        let steps = steps(&State::default());
        assert!(steps.len() > 130 && steps.iter().all(|step| step.method == Method::Post));
        let admin = steps.iter().find(|s| s.body["metadata"]["name"] == "cluster-admin").expect("cluster-admin");
        assert_eq!(admin.path, "/apis/rbac.authorization.k8s.io/v1/clusterroles");
        assert_eq!(admin.body["metadata"]["labels"][BOOTSTRAPPING], "rbac-defaults");
        let elsewhere: Vec<_> = steps.iter().filter(|s| s.path.contains("/namespaces/")).collect();
        assert_eq!(elsewhere.len(), 14, "roles and bindings of kube-system and kube-public");
    }

    #[test]
    fn what_is_there_is_completed_and_what_is_turned_off_left_alone() {
        let row = &cluster_role::ROW;
        let fields =
            json!({"name": "r", "rules": [{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}]});
        let role = Default { row, object: object(row, fields.as_object().expect("a map").clone()) };
        assert!(step(&role, Some(&role.object)).is_empty());
        let mut less = role.object.clone();
        less["rules"] = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]);
        less["metadata"]["labels"] = json!({"mine": "yes"});
        let steps = step(&role, Some(&less));
        let [Step { method: Method::Put, body, .. }] = steps.as_slice() else { panic!("{steps:?}") };
        assert_eq!(body["rules"][1], json!({"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]}));
        assert_eq!(body["metadata"]["labels"], json!({"mine": "yes", BOOTSTRAPPING: "rbac-defaults"}));
        less["metadata"]["annotations"][AUTO_UPDATE] = json!("false");
        assert!(step(&role, Some(&less)).is_empty());

        let row = &cluster_role_binding::ROW;
        let fields = json!({"name": "b", "roleRef": {"kind": "ClusterRole", "name": "r"}, "subjects": [{"kind": "User", "name": "u"}]});
        let binding = Default { row, object: object(row, fields.as_object().expect("a map").clone()) };
        let mut other = binding.object.clone();
        other["subjects"] = json!([{"kind": "User", "name": "v"}]);
        let steps = step(&binding, Some(&other));
        assert_eq!(steps[0].body["subjects"].as_array().map(Vec::len), Some(2));
        other["roleRef"]["name"] = json!("x");
        let methods: Vec<_> = step(&binding, Some(&other)).into_iter().map(|step| step.method).collect();
        assert_eq!(methods, [Method::Delete, Method::Post]);
    }
}
