//! Tables of plans, and a ReplicaSet whose caches lag.

use super::*;
use crate::plan::FailedVerb;
use crate::simulation::{Simulation, describe};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;
use kubus_proto::Reason;
use kubus_proto::kinds::{namespace, replica_set as replica_set_kind, replication_controller};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::HashSet;
use std::time::Duration;

fn at(second: i64) -> Now {
    Now { wall: Timestamp::from_second(second).expect("time"), monotonic: Duration::ZERO }
}

fn set(replicas: i32) -> ReplicaSet {
    serde_json::from_value(set_value(replicas)).expect("set")
}

fn set_value(replicas: i32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"namespace": "ns", "name": "web", "uid": "set", "resourceVersion": "9", "generation": 1},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}, "annotations": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "i"}]}}},
        "status": {"replicas": 0, "observedGeneration": 1, "terminatingReplicas": 0},
    })
}

fn pod(name: &str, patch: Value) -> Arc<Pod> {
    let mut value = json!({
        "metadata": {"namespace": "ns", "name": name, "uid": name, "resourceVersion": "1", "labels": {"app": "web"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "set",
                "controller": true}]},
        "spec": {"containers": [], "nodeName": "n1"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True",
            "lastTransitionTime": "1970-01-01T00:01:40Z"}]},
    });
    for (part, fields) in patch.as_object().into_iter().flatten() {
        for (key, field) in fields.as_object().into_iter().flatten() {
            value[part][key] = field.clone();
        }
    }
    Arc::new(serde_json::from_value(value).expect("pod"))
}

fn plain(name: &str) -> Arc<Pod> {
    pod(name, json!({}))
}

fn observed<'a>(owned: Vec<Arc<Pod>>, in_flight: &'a InFlight, live: &'a Live) -> Observed<'a> {
    Observed {
        related: owned.clone(),
        owned,
        orphans: Vec::new(),
        in_flight,
        live,
        failure: None,
        namespace_terminating: false,
        seed: 7,
    }
}

fn verbs(plan: &Plan) -> Vec<String> {
    let of_pods = |s: &&Step| !s.action.is_status();
    plan.steps.iter().filter(of_pods).map(|s| describe(&s.action)).collect()
}

/// (wanted, pods in the cache, creates in flight, deletes in flight, creates planned, deletes planned)
#[test]
fn what_is_in_flight_counts_as_done() {
    for (wanted, cached, creating, deleting, creates, deletes) in [
        (3, 0, 0, 0, 3, 0),
        (3, 3, 0, 0, 0, 0),
        (3, 0, 3, 0, 0, 0),
        (3, 1, 1, 0, 1, 0),
        (3, 5, 0, 0, 0, 2),
        (3, 5, 0, 2, 0, 0),
        (3, 5, 0, 1, 0, 1),
        (3, 3, 0, 1, 1, 0),
        (0, 2, 1, 0, 0, 0),
        (5, 2, 1, 1, 3, 0),
        (1_000, 0, 0, 0, BURST, 0),
    ] {
        let owned: Vec<_> = (0..cached).map(|i| plain(&format!("p{i}"))).collect();
        let in_flight = InFlight {
            created: (0..creating).map(|i| Key::new("ns", format!("new{i}"))).collect(),
            deleted: (0..deleting).map(|i| format!("p{i}")).collect(),
            ..InFlight::default()
        };
        let set = set(wanted);
        let desired = replica_set::desired(&set).expect("desired");
        let plan = plan(at(200), &desired, &observed(owned, &in_flight, &Live::default()));
        let verbs = verbs(&plan);
        let count = |verb: &str| verbs.iter().filter(|v| v.starts_with(verb)).count();
        let case = (wanted, cached, creating, deleting);
        assert_eq!((count("create"), count("delete")), (creates, deletes), "{case:?}");
        let names: HashSet<_> = verbs.iter().collect();
        assert_eq!(names.len(), verbs.len(), "{case:?}: names are different");
        assert!((0..deleting).all(|i| !verbs.contains(&format!("delete pod p{i}"))), "{case:?}: none goes twice");
    }
}

#[test]
fn finished_terminating_and_foreign_pods_do_not_count() {
    let owned = vec![
        plain("good"),
        pod("failed", json!({"status": {"phase": "Failed"}})),
        pod("done", json!({"status": {"phase": "Succeeded"}})),
        pod("going", json!({"metadata": {"deletionTimestamp": "1970-01-01T00:00:00Z"}})),
        pod("relabelled", json!({"metadata": {"labels": {"app": "else"}}})),
    ];
    let set = set(2);
    let desired = replica_set::desired(&set).expect("desired");
    let (in_flight, live) = (InFlight::default(), Live::default());
    let plan = plan(at(200), &desired, &observed(owned, &in_flight, &live));
    let verbs = verbs(&plan);
    assert_eq!(verbs[0], "patch pod relabelled", "let go");
    assert_eq!((verbs.len(), verbs[1].starts_with("create pod web-")), (2, true), "{verbs:?}");
    let Some(Action::Create { object, .. }) = plan.steps.get(1).map(|s| &s.action) else {
        panic!("a pod is made");
    };
    assert_eq!(object["metadata"]["generateName"], "web-");
    assert_eq!(object["metadata"]["annotations"]["a"], "b");
    let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "set",
        "controller": true, "blockOwnerDeletion": true});
    assert_eq!(object["metadata"]["ownerReferences"], json!([owner]));
    let Some(Action::Patch { patch, .. }) = plan.steps.last().map(|s| &s.action) else {
        panic!("the status is written");
    };
    let status = json!({"replicas": 1, "observedGeneration": 1, "fullyLabeledReplicas": 1, "readyReplicas": 1,
        "availableReplicas": 1, "terminatingReplicas": 1});
    assert_eq!(patch["status"], status);
}

#[test]
fn orphans_are_adopted_only_by_the_living() {
    let orphan = || pod("orphan", json!({"metadata": {"ownerReferences": []}}));
    let set = set(1);
    let desired = replica_set::desired(&set).expect("desired");
    let in_flight = InFlight::default();
    let mut live = Live::default();
    let asked = {
        let observed = Observed { orphans: vec![orphan()], ..observed(vec![], &in_flight, &live) };
        plan(at(200), &desired, &observed)
    };
    assert!(asked.steps.is_empty() && asked.lookups.len() == 1, "the API is asked first");
    for (found, verbs_expected) in [
        (Found::Object(json!({"metadata": {"uid": "set"}})), vec!["patch pod orphan"]),
        (Found::Object(json!({"metadata": {"uid": "another"}})), vec![]),
        (Found::Object(json!({"metadata": {"uid": "set", "deletionTimestamp": "x"}})), vec![]),
        (Found::Missing, vec![]),
    ] {
        live.insert(&asked.lookups[0], found.clone());
        let observed = Observed { orphans: vec![orphan()], ..observed(vec![], &in_flight, &live) };
        assert_eq!(verbs(&plan(at(200), &desired, &observed)), verbs_expected, "{found:?}");
    }
}

#[test]
fn failures_are_reported_and_namespaces_on_their_way_out_left_alone() {
    let set = set(1);
    let desired = replica_set::desired(&set).expect("desired");
    let (in_flight, live) = (InFlight::default(), Live::default());
    let failure = Failure {
        verb: FailedVerb::Create,
        name: "web-x".into(),
        reason: Some(Reason::Forbidden),
        message: "exceeded quota".into(),
    };
    let failed = Observed { failure: Some(&failure), ..observed(vec![], &in_flight, &live) };
    let report = plan(at(200), &desired, &failed);
    let Some(Action::Patch { patch, .. }) = report.steps.last().map(|s| &s.action) else {
        panic!("the status is written");
    };
    let condition = &patch["status"]["conditions"][0];
    assert_eq!((&condition["reason"], &condition["message"]), (&json!("FailedCreate"), &json!("exceeded quota")));
    let terminating = Observed { namespace_terminating: true, ..observed(vec![], &in_flight, &live) };
    assert!(verbs(&plan(at(200), &desired, &terminating)).is_empty());
}

#[test]
fn a_pod_is_available_after_min_ready_seconds() {
    let mut set = set(1);
    set.spec.as_mut().expect("spec").min_ready_seconds = Some(30);
    let desired = replica_set::desired(&set).expect("desired");
    let (in_flight, live) = (InFlight::default(), Live::default());
    let plan_at = |second| plan(at(second), &desired, &observed(vec![plain("a")], &in_flight, &live));
    let early = plan_at(110);
    assert_eq!(early.requeue_after, Some(Duration::from_secs(20)));
    let available = |plan: &Plan| match plan.steps.last().map(|s| &s.action) {
        Some(Action::Patch { patch, .. }) => patch["status"]["availableReplicas"].clone(),
        _ => Value::Null,
    };
    assert_eq!(available(&early), Value::Null);
    assert_eq!(available(&plan_at(130)), 1);
}

/// However far the cache lags behind: there are never more pods than were wanted at most, and never fewer left than
/// were wanted at least.
#[test]
fn a_lagging_cache_never_makes_or_takes_too_much() {
    for seed in 0..200 {
        let random = &mut StdRng::seed_from_u64(seed);
        let mut cluster = Simulation::new(&["replicaset"]);
        cluster.create(&replica_set_kind::ROW, set_value(6));
        cluster.run_to_completion();
        let goal = if random.random_bool(0.5) { 2 } else { 11 };
        cluster.patch(&replica_set_kind::ROW, "ns", "web", json!({"spec": {"replicas": goal}}));
        for _ in 0..400 {
            cluster.random_step(random);
            cluster.want("replicaset", Key::new("ns", "web"));
            let pods = cluster.list(&kubus_proto::kinds::pod::ROW);
            let active = pods.iter().filter(|p| p["metadata"]["deletionTimestamp"].is_null()).count();
            assert!(
                (2..=11).contains(&active) && active <= goal.max(6) && active >= goal.min(6),
                "seed {seed}: {active}"
            );
        }
        cluster.run_to_completion();
        assert_eq!(cluster.list(&kubus_proto::kinds::pod::ROW).len(), goal, "seed {seed}");
    }
}

#[test]
fn a_replication_controller_keeps_its_number_and_says_so() {
    let mut cluster = Simulation::new(&[]);
    cluster.create(
        &replication_controller::ROW,
        json!({"metadata": {"namespace": "ns", "name": "old"}, "spec": {"replicas": 2, "selector": {"app": "old"},
            "template": {"metadata": {"labels": {"app": "old"}}, "spec": {"containers": []}}}}),
    );
    cluster.create(&namespace::ROW, json!({"metadata": {"name": "ns"}}));
    cluster.run_to_completion();
    let pods = cluster.list(&kubus_proto::kinds::pod::ROW);
    assert_eq!(pods.len(), 2);
    let name = pods[0]["metadata"]["name"].as_str().expect("name");
    let events = cluster.take_events();
    assert!(events.contains(&format!("SuccessfulCreate Created pod: {name}")), "{events:?}");
    cluster.patch(&kubus_proto::kinds::pod::ROW, "ns", name, json!({"status": {"phase": "Failed"}}));
    cluster.run_to_completion();
    let pods = cluster.list(&kubus_proto::kinds::pod::ROW);
    let running = pods.iter().filter(|p| p["status"]["phase"] == "Running").count();
    assert_eq!((pods.len(), running), (3, 2), "a finished pod is replaced");
    let status = cluster.get(&replication_controller::ROW, "ns", "old").expect("there")["status"].clone();
    assert_eq!((&status["replicas"], &status["readyReplicas"]), (&json!(2), &json!(2)));
    assert!(status["terminatingReplicas"].is_null());
}
