//! Chains of owners in a simulated cluster, and single judgements as a table.

use super::*;
use crate::simulation::Simulation;
use kubus_proto::kinds::{config_map, namespace, node, pod, replica_set, secret, service_account};
use serde_json::Value;

fn config(name: &str, owners: &[(&Value, bool)]) -> Value {
    let owners: Vec<Value> = owners
        .iter()
        .map(|(o, blocks)| {
            json!({"apiVersion": "v1", "kind": o["kind"], "name": o["metadata"]["name"], "uid": o["metadata"]["uid"],
                "blockOwnerDeletion": blocks})
        })
        .collect();
    json!({"kind": "ConfigMap", "apiVersion": "v1",
        "metadata": {"namespace": "ns", "name": name, "ownerReferences": owners}})
}

fn names(cluster: &Simulation) -> Vec<String> {
    let name = |o: &Value| o["metadata"]["name"].as_str().expect("name").to_owned();
    cluster.list(&config_map::ROW).iter().map(name).collect()
}

/// a owns b, b owns c (blocking); d has two owners: a and the lone e.
fn chain(cluster: &Simulation) {
    let a = cluster.create(&config_map::ROW, config("a", &[]));
    let b = cluster.create(&config_map::ROW, config("b", &[(&a, true)]));
    cluster.create(&config_map::ROW, config("c", &[(&b, true)]));
    let e = cluster.create(&config_map::ROW, config("e", &[]));
    cluster.create(&config_map::ROW, config("d", &[(&a, true), (&e, false)]));
}

#[test]
fn dependents_go_after_stay_behind_or_go_first() {
    for (propagation, left, order) in [
        (None, vec!["d", "e"], vec!["delete configmap b", "delete configmap c"]),
        (Some(Propagation::Orphan), vec!["b", "c", "d", "e"], vec![]),
        (Some(Propagation::Foreground), vec!["d", "e"], vec!["delete configmap b", "delete configmap c"]),
    ] {
        let mut cluster = Simulation::new(&["garbagecollector"]);
        chain(&cluster);
        cluster.settle();
        assert!(cluster.take_actions().is_empty(), "nothing is garbage");
        cluster.delete(&config_map::ROW, "ns", "a", propagation);
        cluster.settle();
        assert_eq!(names(&cluster), left, "{propagation:?}");
        let actions = cluster.take_actions();
        let deletes: Vec<_> = actions.iter().filter(|a| a.starts_with("delete")).collect();
        assert_eq!(deletes, order.iter().collect::<Vec<_>>(), "{propagation:?}: {actions:?}");
        let d = cluster.get(&config_map::ROW, "ns", "d").expect("d");
        assert_eq!(d["metadata"]["ownerReferences"].as_array().map(Vec::len), Some(1), "{propagation:?}: e is left");
    }
}

#[test]
fn a_foreground_deletion_waits_for_pods_that_stop() {
    let mut cluster = Simulation::new(&["garbagecollector"]);
    let set = cluster.create(
        &replica_set::ROW,
        json!({"kind": "ReplicaSet", "apiVersion": "apps/v1", "metadata": {"namespace": "ns", "name": "web"},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}}}),
    );
    let owner = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": set["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true}]);
    cluster.create(
        &pod::ROW,
        json!({"metadata": {"namespace": "ns", "name": "p", "ownerReferences": owner},
            "spec": {"containers": [], "nodeName": "n1"}}),
    );
    cluster.settle();
    cluster.delete(&replica_set::ROW, "ns", "web", Some(Propagation::Foreground));
    cluster.settle();
    let pod = cluster.get(&pod::ROW, "ns", "p").expect("still stopping");
    assert!(!pod["metadata"]["deletionTimestamp"].is_null());
    assert!(cluster.get(&replica_set::ROW, "ns", "web").is_some(), "its owner waits");
    cluster.tend(&pod, "n1");
    cluster.settle();
    assert!(cluster.get(&replica_set::ROW, "ns", "web").is_none());
}

#[test]
fn owners_the_cache_has_not_seen_are_looked_up() {
    let mut cluster = Simulation::new(&["garbagecollector"]);
    let owner = cluster.create(&secret::ROW, json!({"kind": "Secret", "metadata": {"namespace": "ns", "name": "s"}}));
    cluster.create(&config_map::ROW, config("young", &[(&owner, false)]));
    let mut former = owner.clone();
    former["metadata"]["uid"] = json!("another");
    cluster.create(&config_map::ROW, config("of-a-namesake", &[(&former, false)]));
    let mut foreign = owner;
    foreign["kind"] = json!("Unheard");
    cluster.create(&config_map::ROW, config("foreign", &[(&foreign, false)]));
    // The dependents arrive first; their owner has not yet.
    while cluster.deliver(&config_map::ROW) {}
    for (index, key) in cluster.dirty() {
        cluster.reconcile(index, &key);
    }
    assert_eq!(names(&cluster), ["foreign", "young"]);
}

#[test]
fn a_judgement_is_for_the_state_that_was_judged() {
    let owner: OwnerReference =
        serde_json::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "gone"}))
            .expect("owner");
    let item = Item {
        row: &config_map::ROW,
        key: Key::new("ns", "b"),
        uid: "b".into(),
        resource_version: "7".into(),
        owners: vec![owner],
        finalizers: vec![],
        deleting: false,
    };
    let mut live = Live::default();
    let asked = plan(&item, &[], &|_| None, &live);
    live.insert(&asked.lookups[0], Found::Missing);
    let judged = plan(&item, &[], &|_| None, &live);
    let Some(Action::Delete { target, propagation, .. }) = judged.steps.first().map(|s| &s.action) else {
        panic!("deleted");
    };
    assert_eq!((target.uid.as_str(), target.resource_version.as_deref()), ("b", Some("7")));
    assert_eq!(*propagation, Some(Propagation::Background));
    let cluster_wide = Item { row: &node::ROW, key: Key::new("", "n"), ..item };
    let plan = plan(&cluster_wide, &[], &|_| None, &Live::default());
    assert!(plan.steps.is_empty() && plan.lookups.is_empty(), "an owner in a namespace cannot be judged from outside");
}

#[test]
fn a_namespace_takes_everything_with_it() {
    let mut cluster = Simulation::new(&[]);
    cluster.create(&namespace::ROW, json!({"metadata": {"name": "ns"}}));
    cluster.settle();
    assert!(cluster.get(&service_account::ROW, "ns", "default").is_some(), "each namespace has a service account");
    cluster.create(
        &kubus_proto::kinds::deployment::ROW,
        json!({"metadata": {"namespace": "ns", "name": "web"}, "spec": {"replicas": 3,
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": []}}}}),
    );
    chain(&cluster);
    cluster.create(&node::ROW, json!({"metadata": {"name": "n1"}}));
    cluster.run_to_completion();
    assert_eq!(cluster.list(&pod::ROW).len(), 3);
    cluster.delete(&namespace::ROW, "", "ns", None);
    for _ in 0..20 {
        cluster.run_to_completion();
        cluster.pass(1);
    }
    assert!(cluster.get(&namespace::ROW, "", "ns").is_none());
    let state = cluster.api.0.lock().expect("lock");
    let left: Vec<_> = state.objects.keys().map(|(plural, key)| format!("{plural} {key}")).collect();
    assert_eq!(left, ["nodes n1"]);
}
