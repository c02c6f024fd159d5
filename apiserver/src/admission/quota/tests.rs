//! What counts, what fits, and what is said where it does not.

use super::*;
use kubus_proto::kinds::{deployment, persistent_volume_claim, pod, service};

fn quota(spec: Value) -> Value {
    json!({"metadata": {"name": "q"}, "spec": spec})
}

fn a_pod(name: &str, resources: Value) -> Value {
    json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "resources": resources}]}})
}

fn text(amounts: &Amounts) -> String {
    amounts.iter().map(|(name, amount)| format!("{name}={amount}")).collect::<Vec<_>>().join(",")
}

#[test]
fn objects_count_for_what_they_take() {
    let ended = json!({"spec": {"containers": [{"name": "c"}]}, "status": {"phase": "Succeeded"}});
    for (row, object, expected) in [
        (
            &pod::ROW,
            a_pod("p", json!({"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}})),
            "count/pods=1,cpu=1,limits.memory=1Gi,pods=1,requests.cpu=1",
        ),
        (&pod::ROW, ended, ""),
        (
            &service::ROW,
            json!({"spec": {"type": "LoadBalancer", "ports": [{}, {}]}}),
            "count/services=1,services=1,services.loadbalancers=1,services.nodeports=2",
        ),
        (
            &persistent_volume_claim::ROW,
            json!({"spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}}}),
            "count/persistentvolumeclaims=1,fast.storageclass.storage.k8s.io/persistentvolumeclaims=1,\
             fast.storageclass.storage.k8s.io/requests.storage=1Gi,persistentvolumeclaims=1,requests.storage=1Gi",
        ),
        (&deployment::ROW, json!({}), "count/deployments.apps=1"),
    ] {
        assert_eq!(text(&charge(row, &object)), expected);
    }
}

#[test]
fn scopes_choose_pods() {
    let best_effort = a_pod("b", json!({}));
    let mut ending = a_pod("e", json!({"limits": {"cpu": "1"}}));
    ending["spec"]["activeDeadlineSeconds"] = json!(5);
    ending["spec"]["priorityClassName"] = json!("high");
    let by_class = |operator: &str, values: Value| {
        json!({"scopeSelector": {"matchExpressions": [
            {"scopeName": "PriorityClass", "operator": operator, "values": values}]}})
    };
    for (spec, expected) in [
        (json!({}), (true, true)),
        (json!({"scopes": ["BestEffort"]}), (true, false)),
        (json!({"scopes": ["NotBestEffort", "Terminating"]}), (false, true)),
        (json!({"scopes": ["NotTerminating"]}), (true, false)),
        (by_class("In", json!(["high"])), (false, true)),
        (by_class("NotIn", json!(["high"])), (true, false)),
    ] {
        let quota = quota(spec.clone());
        assert_eq!((covers(&quota, &pod::ROW, &best_effort), covers(&quota, &pod::ROW, &ending)), expected, "{spec}");
    }
    assert!(!covers(&quota(json!({"scopes": ["BestEffort"]})), &service::ROW, &json!({})));
}

#[test]
fn what_does_not_fit_is_refused_with_the_figures() {
    let quota = quota(json!({"hard": {"pods": "2", "requests.cpu": "1", "services": "5"}}));
    let there = [a_pod("a", json!({"requests": {"cpu": "600m"}}))];
    let used = usage(&quota, there.into_iter().map(|pod| (&pod::ROW, pod)));
    assert_eq!(text(&used), "pods=1,requests.cpu=600m,services=0");
    let fits = admit(&quota, &used, &pod::ROW, &a_pod("b", json!({"requests": {"cpu": "400m"}}))).expect("fits");
    assert_eq!(text(&fits), "pods=2,requests.cpu=1,services=0");
    assert_eq!(with_status(&quota, &fits)["status"]["used"]["pods"], "2");
    for (resources, used, why) in [
        (
            json!({"requests": {"cpu": "500m"}}),
            &used,
            "exceeded quota: q, requested: requests.cpu=500m, used: requests.cpu=600m, limited: requests.cpu=1",
        ),
        (
            json!({"requests": {"cpu": "1"}}),
            &fits,
            "exceeded quota: q, requested: pods=1,requests.cpu=1, used: pods=2,requests.cpu=1, limited: \
             pods=2,requests.cpu=1",
        ),
        (json!({}), &used, "failed quota: q: must specify requests.cpu for: c"),
    ] {
        let error = admit(&quota, used, &pod::ROW, &a_pod("b", resources)).expect_err(why);
        assert_eq!(error.message, format!("pods \"b\" is forbidden: {why}"));
    }
}

#[test]
fn quotas_know_which_kinds_they_are_about() {
    let about = |hard: &str, row| is_about(&quota(json!({"hard": {hard: "1"}})), row);
    for (hard, row, expected) in [
        ("pods", &pod::ROW, true),
        ("limits.cpu", &pod::ROW, true),
        ("requests.storage", &pod::ROW, false),
        ("requests.storage", &persistent_volume_claim::ROW, true),
        ("services.nodeports", &service::ROW, true),
        ("count/deployments.apps", &deployment::ROW, true),
        ("pods", &deployment::ROW, false),
    ] {
        assert_eq!(about(hard, row), expected, "{hard} {row:?}");
    }
}
