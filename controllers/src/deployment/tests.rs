//! Rollouts in a simulated cluster: with caches that lag, pods that become ready in any order, and plans half-way.

use super::*;
use crate::plan::Propagation;
use crate::simulation::Simulation;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const NAMES: [&str; 3] = ["deployment", "replicaset", "garbagecollector"];

fn web(replicas: i32, surge: Value, unavailable: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"namespace": "ns", "name": "web", "annotations": {"kubernetes.io/change-cause": "first"}},
        "spec": {
            "replicas": replicas, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "v1"}]}},
        },
    })
}

fn image(tag: &str) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": tag}]}}}})
}

fn change(cluster: &Simulation, patch: Value) {
    cluster.patch(&deployment::ROW, "ns", "web", patch);
}

fn get(cluster: &Simulation) -> Value {
    cluster.get(&deployment::ROW, "ns", "web").expect("deployment")
}

fn condition_of(deployment: &Value, kind: &str) -> (String, String, String) {
    let all = deployment["status"]["conditions"].as_array().expect("conditions");
    let found = all.iter().find(|c| c["type"] == kind).unwrap_or_else(|| panic!("no condition {kind}"));
    let text = |key: &str| found[key].as_str().expect("text").to_owned();
    (text("status"), text("reason"), text("message"))
}

fn is_active(pod: &Value) -> bool {
    pod["metadata"]["deletionTimestamp"].is_null()
}

fn is_ready_pod(pod: &Value) -> bool {
    is_active(pod) && !pod["status"]["conditions"].is_null()
}

fn counts(cluster: &Simulation) -> (i32, i32) {
    let pods = cluster.list(&pod::ROW);
    let count = |f: fn(&Value) -> bool| i32::try_from(pods.iter().filter(|p| f(p)).count()).expect("few");
    (count(is_active), count(is_ready_pod))
}

/// spec.replicas of the ReplicaSet with that image.
fn size_of(cluster: &Simulation, tag: &str) -> i64 {
    let sets = cluster.list(&replica_set::ROW);
    let set = sets.iter().find(|s| s["spec"]["template"]["spec"]["containers"][0]["image"] == tag);
    set.and_then(|s| s["spec"]["replicas"].as_i64()).unwrap_or(-1)
}

#[test]
fn a_deployment_becomes_pods_and_says_so() {
    let mut cluster = Simulation::new(&NAMES);
    cluster.create(&deployment::ROW, web(3, json!("25%"), json!("25%")));
    cluster.settle();
    let status = get(&cluster);
    assert_eq!(condition_of(&status, "Progressing").1, "ReplicaSetUpdated");
    let available = condition_of(&status, "Available");
    assert_eq!(available.1, "MinimumReplicasUnavailable");
    assert_eq!(available.2, "Deployment does not have minimum availability.");
    cluster.run_to_completion();

    let sets = cluster.list(&replica_set::ROW);
    let (set, name) = (&sets[0], sets[0]["metadata"]["name"].as_str().expect("name").to_owned());
    let annotations = &set["metadata"]["annotations"];
    assert_eq!(annotations[history::DESIRED_REPLICAS], "3");
    assert_eq!(annotations[history::MAX_REPLICAS], "4");
    assert_eq!(annotations[history::REVISION], "1");
    assert_eq!(annotations["kubernetes.io/change-cause"], "first");
    let hash = set["metadata"]["labels"][history::HASH_LABEL].as_str().expect("hash");
    assert_eq!(name, format!("web-{hash}"));
    assert_eq!(set["spec"]["selector"]["matchLabels"][history::HASH_LABEL], hash);
    for pod in cluster.list(&pod::ROW) {
        assert!(pod["metadata"]["name"].as_str().expect("name").starts_with(&format!("{name}-")));
        assert_eq!(pod["metadata"]["labels"][history::HASH_LABEL], hash);
    }

    let status = get(&cluster);
    assert_eq!(status["metadata"]["annotations"][history::REVISION], "1");
    let expected = (
        "True".to_owned(),
        "NewReplicaSetAvailable".to_owned(),
        format!("ReplicaSet {name:?} has successfully progressed."),
    );
    assert_eq!(condition_of(&status, "Progressing"), expected);
    assert_eq!(condition_of(&status, "Available").1, "MinimumReplicasAvailable");
    for key in ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"] {
        assert_eq!(status["status"][key], 3, "{key}");
    }
    assert!(status["status"]["unavailableReplicas"].is_null());
    let events = cluster.take_events();
    assert!(events.contains(&format!("ScalingReplicaSet Scaled up replica set {name} from 0 to 3")), "{events:?}");
    cluster.take_actions();
    cluster.want("deployment", Key::new("ns", "web"));
    cluster.settle();
    assert!(cluster.take_actions().is_empty(), "what is as it should be is left alone");
}

/// The promise of a rolling update: never more than replicas + maxSurge pods, never fewer than replicas -
/// maxUnavailable available ones, and an end. Under lagging caches, any order of readiness, rollover half-way.
#[test]
fn a_rollout_keeps_its_bounds_and_ends() {
    let steps = [json!("25%"), json!("50%"), json!("100%"), json!(0), json!(1), json!(3)];
    for seed in 0..60 {
        let random = &mut StdRng::seed_from_u64(seed);
        let replicas = random.random_range(1..9);
        let pick = |random: &mut StdRng| steps[random.random_range(0..steps.len())].clone();
        let object = web(replicas, pick(random), pick(random));
        let sizing = Sizing::of(&serde_json::from_value(object.clone()).expect("deployment"));
        let mut cluster = Simulation::new(&NAMES);
        cluster.create(&deployment::ROW, object);
        cluster.run_to_completion();
        assert_eq!(counts(&cluster), (replicas, replicas), "seed {seed}");

        let mut rollovers = vec!["v4", "v1", "v3", "v2"];
        rollovers.truncate(random.random_range(1..=4));
        for step in 0..1_500 {
            if !rollovers.is_empty() && (step == 0 || random.random_bool(0.01)) {
                change(&cluster, image(rollovers.pop().expect("tag")));
            }
            let pods = cluster.list(&pod::ROW);
            if !pods.is_empty() && random.random_bool(0.15) {
                let pod = pods[random.random_range(0..pods.len())].clone();
                cluster.tend(&pod, "n1");
            }
            cluster.random_step(random);
            let (active, ready) = counts(&cluster);
            assert!(active <= sizing.ceiling(), "seed {seed} step {step}: {active} pods of {sizing:?}");
            assert!(ready >= sizing.floor(), "seed {seed} step {step}: {ready} ready pods of {sizing:?}");
        }
        cluster.run_to_completion();
        assert_eq!(counts(&cluster), (replicas, replicas), "seed {seed}");
        let status = get(&cluster);
        assert_eq!(status["status"]["updatedReplicas"], replicas, "seed {seed}");
        assert_eq!(condition_of(&status, "Progressing").1, "NewReplicaSetAvailable", "seed {seed}");
        let sized = cluster.list(&replica_set::ROW).iter().filter(|s| s["spec"]["replicas"] != 0).count();
        assert_eq!(sized, 1, "seed {seed}");
    }
}

#[test]
fn requests_that_get_lost_or_refused_do_not_break_the_bounds() {
    for seed in 0..60 {
        let random = &mut StdRng::seed_from_u64(seed);
        let mut cluster = Simulation::new(&NAMES);
        cluster.create(&deployment::ROW, web(4, json!(1), json!(1)));
        cluster.run_to_completion();
        change(&cluster, image("v2"));
        let mut chance = StdRng::seed_from_u64(seed + 1_000);
        cluster.api.0.lock().expect("lock").refusal = Some(Box::new(move |_| match chance.random_range(0..10) {
            0 => Some(crate::api::CallError::NoAnswer("lost".to_owned())),
            1 => Some(crate::api::CallError::Refused(kubus_proto::ApiError::new(Reason::Conflict, "conflict"))),
            2 => Some(crate::api::CallError::Refused(kubus_proto::ApiError::new(Reason::Forbidden, "quota"))),
            _ => None,
        }));
        for _ in 0..1_500 {
            let pods = cluster.list(&pod::ROW);
            if random.random_bool(0.1) {
                let pod = pods[random.random_range(0..pods.len())].clone();
                cluster.tend(&pod, "n1");
            }
            cluster.random_step(random);
            let (active, ready) = counts(&cluster);
            assert!(active <= 5 && ready >= 3, "seed {seed}: {active} pods, {ready} ready");
        }
        cluster.api.0.lock().expect("lock").refusal = None;
        cluster.pass(10);
        cluster.run_to_completion();
        assert_eq!((counts(&cluster), size_of(&cluster, "v2"), size_of(&cluster, "v1")), ((4, 4), 4, 0), "seed {seed}");
    }
}

#[test]
fn a_broken_image_stops_the_rollout_and_the_deadline_says_so() {
    let mut cluster = Simulation::new(&NAMES);
    cluster.create(&deployment::ROW, web(4, json!(1), json!(1)));
    cluster.run_to_completion();
    change(&cluster, image("broken"));
    cluster.settle();
    assert_eq!((size_of(&cluster, "v1"), size_of(&cluster, "broken")), (3, 2), "one more, one less, then it waits");
    // The pod that went is gone, and nothing of the new template ever becomes ready.
    for pod in cluster.list(&pod::ROW).iter().filter(|p| !is_active(p)) {
        cluster.tend(pod, "n1");
    }
    cluster.settle();
    cluster.pass(300);
    cluster.settle();
    assert_eq!(condition_of(&get(&cluster), "Progressing").1, "ReplicaSetUpdated");
    cluster.pass(302);
    cluster.settle();
    let (status, reason, message) = condition_of(&get(&cluster), "Progressing");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "ProgressDeadlineExceeded"));
    assert!(message.ends_with("has timed out progressing."), "{message}");
    assert_eq!(condition_of(&get(&cluster), "Available").0, "True");

    // Back to the old template: the old ReplicaSet is the new one again, with the next revision.
    change(&cluster, image("v1"));
    cluster.run_to_completion();
    assert_eq!((size_of(&cluster, "v1"), size_of(&cluster, "broken")), (4, 0));
    let sets = cluster.list(&replica_set::ROW);
    let set = sets.iter().find(|s| s["spec"]["replicas"] == 4).expect("old and new");
    assert_eq!(set["metadata"]["annotations"][history::REVISION], "3");
    assert_eq!(set["metadata"]["annotations"][history::REVISION_HISTORY], "1");
    assert_eq!(get(&cluster)["metadata"]["annotations"][history::REVISION], "3");
    assert_eq!(condition_of(&get(&cluster), "Progressing").1, "NewReplicaSetAvailable");
}

#[test]
fn scaling_half_way_keeps_the_proportion() {
    let mut cluster = Simulation::new(&NAMES);
    cluster.create(&deployment::ROW, web(10, json!(3), json!(2)));
    cluster.run_to_completion();
    change(&cluster, image("v2"));
    cluster.settle();
    assert_eq!((size_of(&cluster, "v1"), size_of(&cluster, "v2")), (8, 5));
    change(&cluster, json!({"spec": {"replicas": 15}}));
    cluster.settle();
    assert_eq!((size_of(&cluster, "v1"), size_of(&cluster, "v2")), (11, 7), "as in Kubernetes' own example");
    change(&cluster, json!({"spec": {"replicas": 2}}));
    cluster.run_to_completion();
    assert_eq!((size_of(&cluster, "v1"), size_of(&cluster, "v2")), (0, 2));
    change(&cluster, json!({"spec": {"replicas": 0}}));
    cluster.run_to_completion();
    assert_eq!(counts(&cluster), (0, 0));
    let events = cluster.take_events();
    assert!(
        events
            .iter()
            .any(|e| e.starts_with("ScalingReplicaSet Scaled down replica set web-") && e.ends_with("from 2 to 0"))
    );
}

#[test]
fn a_paused_deployment_scales_but_does_not_roll() {
    let mut cluster = Simulation::new(&NAMES);
    cluster.create(&deployment::ROW, web(2, json!(1), json!(0)));
    cluster.run_to_completion();
    change(&cluster, json!({"spec": {"paused": true}}));
    cluster.run_to_completion();
    change(&cluster, image("v2"));
    cluster.run_to_completion();
    let (status, reason, _) = condition_of(&get(&cluster), "Progressing");
    assert_eq!((status.as_str(), reason.as_str()), ("Unknown", "DeploymentPaused"));
    assert_eq!(size_of(&cluster, "v2"), -1, "no ReplicaSet is made");
    change(&cluster, json!({"spec": {"replicas": 4}}));
    cluster.run_to_completion();
    assert_eq!(size_of(&cluster, "v1"), 4);
    change(&cluster, json!({"spec": {"paused": null}}));
    cluster.run_to_completion();
    assert_eq!((size_of(&cluster, "v1"), size_of(&cluster, "v2")), (0, 4));
    assert_eq!(condition_of(&get(&cluster), "Progressing").1, "NewReplicaSetAvailable");
}

#[test]
fn recreate_waits_for_the_last_old_pod() {
    let mut cluster = Simulation::new(&NAMES);
    let mut object = web(3, json!(1), json!(1));
    object["spec"]["strategy"] = json!({"type": "Recreate"});
    cluster.create(&deployment::ROW, object);
    cluster.run_to_completion();
    change(&cluster, image("v2"));
    cluster.settle();
    assert_eq!((size_of(&cluster, "v1"), size_of(&cluster, "v2")), (0, -1));
    for _ in 0..3 {
        assert_eq!(size_of(&cluster, "v2"), -1, "an old pod is still terminating");
        let pods = cluster.list(&pod::ROW);
        cluster.tend(&pods[0], "n1");
        cluster.settle();
    }
    assert_eq!(size_of(&cluster, "v2"), 3);
    cluster.run_to_completion();
    assert_eq!(counts(&cluster), (3, 3));
}

#[test]
fn history_is_kept_to_its_limit() {
    let mut cluster = Simulation::new(&NAMES);
    cluster.create(&deployment::ROW, web(1, json!(1), json!(0)));
    change(&cluster, json!({"spec": {"revisionHistoryLimit": 2}}));
    for i in 0..6 {
        change(&cluster, image(&format!("t{i}")));
        cluster.run_to_completion();
    }
    let mut revisions: Vec<_> = cluster
        .list(&replica_set::ROW)
        .iter()
        .map(|s| s["metadata"]["annotations"][history::REVISION].as_str().expect("revision").to_owned())
        .collect();
    revisions.sort();
    assert_eq!(revisions, ["4", "5", "6"]);
}

#[test]
fn a_taken_name_counts_as_a_collision() {
    let mut cluster = Simulation::new(&NAMES);
    let object = web(1, json!(1), json!(0));
    let template: Deployment = serde_json::from_value(object.clone()).expect("deployment");
    let hash = history::template_hash(&template.spec.expect("spec").template, 0);
    cluster.create(
        &replica_set::ROW,
        json!({"metadata": {"namespace": "ns", "name": format!("web-{hash}"), "labels": {"app": "other"}},
            "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "other"}},
                "template": {"metadata": {"labels": {"app": "other"}}}}}),
    );
    cluster.create(&deployment::ROW, object);
    cluster.run_to_completion();
    assert_eq!(get(&cluster)["status"]["collisionCount"], 1);
    assert_eq!(counts(&cluster), (1, 1));
}

#[test]
fn orphaned_replica_sets_are_adopted_again() {
    let mut cluster = Simulation::new(&NAMES);
    cluster.create(&deployment::ROW, web(2, json!(1), json!(0)));
    cluster.run_to_completion();
    let before: BTreeSet<String> = cluster.list(&pod::ROW).iter().map(|p| p["metadata"]["uid"].to_string()).collect();
    cluster.delete(&deployment::ROW, "ns", "web", Some(Propagation::Orphan));
    cluster.run_to_completion();
    let set = cluster.list(&replica_set::ROW).remove(0);
    assert!(set["metadata"]["ownerReferences"].as_array().is_none_or(Vec::is_empty));
    assert_eq!(counts(&cluster), (2, 2), "dependents stay");
    cluster.create(&deployment::ROW, web(2, json!(1), json!(0)));
    cluster.run_to_completion();
    let after: BTreeSet<String> = cluster.list(&pod::ROW).iter().map(|p| p["metadata"]["uid"].to_string()).collect();
    assert_eq!((before, cluster.list(&replica_set::ROW).len()), (after, 1), "the same pods");
    cluster.delete(&deployment::ROW, "ns", "web", None);
    cluster.run_to_completion();
    assert!(cluster.list(&pod::ROW).is_empty() && cluster.list(&replica_set::ROW).is_empty());
}

#[test]
fn an_empty_selector_is_reported_and_nothing_done() {
    let mut cluster = Simulation::new(&NAMES);
    let mut object = web(2, json!(1), json!(0));
    object["spec"]["selector"] = json!({});
    cluster.create(&deployment::ROW, object);
    cluster.settle();
    assert!(cluster.take_actions().is_empty());
    assert!(cluster.take_events().iter().any(|e| e.starts_with("SelectingAll")));
}
