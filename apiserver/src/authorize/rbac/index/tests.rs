//! The index of rules: what is found for whom, and when it is made anew.

use super::*;
use crate::authorize::Attributes;
use crate::authorize::rbac::{Answer, path, resource};
use crate::state::{Action, Command, Draft, Key, Op, RequestId, Require, Transaction};
use kubus_proto::kinds::by_plural;
use serde_json::{Value, json};

fn put(state: &mut State, plural: &str, namespace: &str, name: &str, mut object: Value) {
    let row = by_plural(GROUP, plural).expect(plural);
    object["metadata"] = json!({"name": name, "namespace": namespace, "uid": "u"});
    let draft = Draft::encode(row, &object).expect("encodes");
    let key = Key::new(row.resource_key(), namespace, name);
    change(state, Op { key, require: Require::default(), action: Action::Put(draft) });
}

fn remove(state: &mut State, plural: &str, namespace: &str, name: &str) {
    let key = Key::new(key(plural), namespace, name);
    change(state, Op { key, require: Require::default(), action: Action::Delete });
}

fn change(state: &mut State, op: Op) {
    let id = RequestId { request: uuid::Uuid::new_v4(), part: 0 };
    let transactions = vec![Transaction { id, ops: vec![op] }];
    state.apply(Command { now_ms: 1, transactions });
}

fn user(name: &str, groups: &[&str]) -> UserInfo {
    let groups = groups.iter().map(|g| (*g).to_owned()).collect();
    UserInfo { name: name.to_owned(), groups, ..UserInfo::default() }
}

fn cluster() -> State {
    let mut state = State::default();
    let rule = |verbs: &[&str], resource: &str| json!({"verbs": verbs, "apiGroups": [""], "resources": [resource]});
    put(&mut state, "clusterroles", "", "reader", json!({"rules": [rule(&["get", "list"], "pods")]}));
    put(
        &mut state,
        "clusterroles",
        "",
        "health",
        json!({"rules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz"]}]}),
    );
    put(&mut state, "roles", "a", "writer", json!({"rules": [rule(&["create"], "pods")]}));
    let binding = |kind: &str, role: &str, subject: Value| json!({"roleRef": {"apiGroup": GROUP, "kind": kind, "name": role}, "subjects": [subject]});
    let jane = json!({"kind": "User", "name": "jane"});
    put(
        &mut state,
        "clusterrolebindings",
        "",
        "all",
        binding("ClusterRole", "reader", json!({"kind": "Group", "name": "dev"})),
    );
    put(
        &mut state,
        "clusterrolebindings",
        "",
        "health",
        binding("ClusterRole", "health", json!({"kind": "Group", "name": "dev"})),
    );
    put(&mut state, "rolebindings", "a", "write", binding("Role", "writer", jane.clone()));
    put(&mut state, "rolebindings", "b", "read", binding("ClusterRole", "reader", jane));
    let robot = json!({"kind": "ServiceAccount", "name": "robot", "namespace": "c"});
    put(&mut state, "rolebindings", "a", "robot", binding("ClusterRole", "reader", robot));
    put(
        &mut state,
        "rolebindings",
        "a",
        "dangling",
        binding("Role", "nowhere", json!({"kind": "User", "name": "joe"})),
    );
    put(&mut state, "rolebindings", "a", "empty", json!({"roleRef": {"kind": "Role", "name": "writer"}}));
    state
}

#[test]
fn bindings_say_who_may_do_what_where() {
    let index = Index::of(&cluster(), &Index::default());
    for (name, groups, verb, namespace, allowed) in [
        ("jane", &[][..], "create", "a", true),
        ("jane", &[], "create", "b", false),
        ("jane", &[], "create", "", false),
        ("jane", &[], "get", "b", true),
        ("jane", &[], "get", "a", false),
        ("joan", &["dev"], "get", "a", true),
        ("joan", &["dev"], "list", "", true),
        ("joan", &["ops"], "list", "", false),
        ("system:serviceaccount:c:robot", &[], "get", "a", true),
        ("system:serviceaccount:c:robot", &[], "get", "c", false),
        ("system:serviceaccount:a:robot", &[], "get", "a", false),
        ("dev", &[], "get", "a", false),
    ] {
        let wanted = Attributes { verb, resource: "pods", namespace, ..Attributes::default() };
        let answer = resource(&index, &user(name, groups), &wanted);
        assert_eq!(
            matches!(answer, Answer::Allowed(_)),
            allowed,
            "{name} {groups:?} {verb} in {namespace:?}: {answer:?}"
        );
    }
    assert!(matches!(path(&index, &user("x", &["dev"]), "get", "/healthz"), Answer::Allowed(_)));
    assert!(matches!(path(&index, &user("x", &["dev"]), "post", "/healthz"), Answer::NoOpinion(_)));
}

#[test]
fn answers_say_why() {
    let index = Index::of(&cluster(), &Index::default());
    let wanted = Attributes { verb: "create", resource: "pods", namespace: "a", ..Attributes::default() };
    assert_eq!(
        resource(&index, &user("jane", &[]), &wanted),
        Answer::Allowed("RBAC: allowed by RoleBinding \"write/a\" of Role \"writer\" to User \"jane\"".to_owned())
    );
    assert_eq!(
        resource(&index, &user("joe", &[]), &wanted),
        Answer::NoOpinion("RBAC: role.rbac.authorization.k8s.io \"nowhere\" not found".to_owned())
    );
}

#[test]
fn an_index_follows_its_state_and_decodes_only_what_changed() {
    let mut state = cluster();
    let first = Index::of(&state, &Index::default());
    assert!(first.is_current(&state));
    let kept = first.rules(&RoleRef { kind: "ClusterRole".into(), name: "reader".into() }, "").expect("reader");
    remove(&mut state, "rolebindings", "a", "write");
    assert!(!first.is_current(&state));
    let second = Index::of(&state, &first);
    let again = second.rules(&RoleRef { kind: "ClusterRole".into(), name: "reader".into() }, "").expect("reader");
    assert!(Arc::ptr_eq(&kept, &again), "what did not change is not decoded again");
    let wanted = Attributes { verb: "create", resource: "pods", namespace: "a", ..Attributes::default() };
    assert_eq!(resource(&second, &user("jane", &[]), &wanted), Answer::NoOpinion(String::new()));
    assert!(second.is_current(&cluster()), "an older state is seen with the newer rules");
}
