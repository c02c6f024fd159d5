//! Reviews: who somebody is and what they may do.

mod common;

use common::Cluster;
use kubus_proto::request::Method;
use serde_json::{Value, json};

const AUTHORIZATION: &str = "/apis/authorization.k8s.io/v1";
const AUTHENTICATION: &str = "/apis/authentication.k8s.io/v1";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

async fn cluster() -> Cluster {
    let cluster = Cluster::new().await;
    let body = json!({"metadata": {"name": "jane"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "jane"}]});
    cluster.post(&format!("{RBAC}/namespaces/default/rolebindings"), body).await.ok(201);
    cluster
}

#[tokio::test]
async fn whoever_asks_learns_what_it_may_do() {
    let cluster = cluster().await;
    let ask = async |attributes: Value| {
        let path = format!("{AUTHORIZATION}/selfsubjectaccessreviews");
        let ask = cluster.ask(Method::Post, &path).user("jane", &["dev"]).body(&json!({"spec": attributes}));
        ask.send().await.ok(201)["status"].take()
    };
    let pods = |verb: &str, namespace: &str| json!({"resourceAttributes": {"verb": verb, "resource": "pods", "namespace": namespace}});
    assert_eq!(
        ask(pods("list", "default")).await,
        json!({"allowed": true, "reason": "RBAC: allowed by RoleBinding \"jane/default\" of ClusterRole \"view\" to User \"jane\""})
    );
    assert_eq!(ask(pods("delete", "default")).await, json!({"allowed": false}));
    assert_eq!(ask(pods("list", "kube-system")).await, json!({"allowed": false}));
    let path = |path: &str| json!({"nonResourceAttributes": {"verb": "get", "path": path}});
    assert_eq!(ask(path("/metrics")).await, json!({"allowed": false}));
    assert_eq!(ask(path("/apis/apps")).await["allowed"], true);

    let rules = format!("{AUTHORIZATION}/selfsubjectrulesreviews");
    let ask = |namespace: &str| {
        cluster.ask(Method::Post, &rules).user("jane", &[]).body(&json!({"spec": {"namespace": namespace}}))
    };
    let answer = ask("default").send().await.ok(201);
    let verbs = |rules: &Value, resource: &str| {
        let rules = rules["resourceRules"].as_array().expect("rules").clone();
        rules.into_iter().find(|rule| rule["resources"].as_array().expect("resources").contains(&json!(resource)))
    };
    assert_eq!(verbs(&answer["status"], "pods").expect("pods")["verbs"], json!(["get", "list", "watch"]));
    assert_eq!(answer["status"]["incomplete"], false);
    assert!(answer["status"]["nonResourceRules"].to_string().contains("/healthz"));
    assert_eq!(verbs(&ask("kube-system").send().await.ok(201)["status"], "pods"), None);
    assert_eq!(ask("").send().await.fails(400), "no namespace on request");

    let own = cluster.ask(Method::Post, &format!("{AUTHENTICATION}/selfsubjectreviews")).user("jane", &["dev"]);
    let own = own.body(&json!({})).send().await.ok(201);
    assert_eq!(own["status"]["userInfo"], json!({"username": "jane", "groups": ["dev", "system:authenticated"]}));
    let own = cluster.ask(Method::Post, &format!("{AUTHENTICATION}/selfsubjectreviews")).identity("node:n1");
    assert_eq!(own.body(&json!({})).send().await.ok(201)["status"]["userInfo"]["username"], "system:node:n1");
}

#[tokio::test]
async fn who_may_ask_about_others_learns_what_they_may_do() {
    let cluster = cluster().await;
    let path = format!("{AUTHORIZATION}/subjectaccessreviews");
    let about = |user: &str, groups: &[&str], verb: &str| {
        json!({"spec": {"user": user, "groups": groups,
            "resourceAttributes": {"verb": verb, "resource": "pods", "namespace": "default"}}})
    };
    for (body, allowed) in [
        (about("jane", &[], "get"), true),
        (about("jane", &[], "delete"), false),
        (about("joe", &[], "get"), false),
        (about("joe", &["system:masters"], "delete"), true),
        (about("system:node:n1", &["system:nodes"], "list"), false),
        (about("system:kube-scheduler", &[], "get"), true),
    ] {
        let status = cluster.post(&path, body.clone()).await.ok(201)["status"].take();
        assert_eq!(status["allowed"], allowed, "{body}: {status}");
    }
    let message = cluster.post(&path, json!({"spec": {"user": "a"}})).await.fails(422);
    assert_eq!(
        message,
        "SubjectAccessReview.authorization.k8s.io \"\" is invalid: spec.resourceAttributes: Invalid value: null: exactly \
         one of nonResourceAttributes or resourceAttributes must be specified"
    );
    let local = format!("{AUTHORIZATION}/namespaces/default/localsubjectaccessreviews");
    assert_eq!(cluster.post(&local, about("jane", &[], "get")).await.ok(201)["status"]["allowed"], true);
    let mut elsewhere = about("jane", &[], "get");
    elsewhere["spec"]["resourceAttributes"]["namespace"] = json!("other");
    cluster.post(&local, elsewhere).await.fails(422);
    // Not everybody may ask.
    let asked = cluster.ask(Method::Post, &path).user("jane", &[]).body(&about("joe", &[], "get")).send().await;
    assert!(
        asked
            .fails(403)
            .contains("cannot create resource \"subjectaccessreviews\" in API group \"authorization.k8s.io\"")
    );
    let anonymous = cluster.ask(Method::Post, &format!("{AUTHENTICATION}/selfsubjectreviews"));
    anonymous.on_behalf(Default::default()).body(&json!({})).send().await.fails(403);
    // Reviews are not stored.
    cluster.get(&path).await.fails(405);
}

#[tokio::test]
async fn tokens_are_reviewed() {
    let cluster = cluster().await;
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    cluster.post(accounts, json!({"metadata": {"name": "robot"}})).await.ok(201);
    let made =
        cluster.post(&format!("{accounts}/robot/token"), json!({"spec": {"audiences": ["vault"]}})).await.ok(201);
    let token = made["status"]["token"].as_str().expect("token");
    let review = async |spec: Value| {
        cluster.post(&format!("{AUTHENTICATION}/tokenreviews"), json!({"spec": spec})).await.ok(201)["status"].take()
    };
    let good = review(json!({"token": token, "audiences": ["vault", "other"]})).await;
    assert_eq!((&good["authenticated"], &good["audiences"]), (&json!(true), &json!(["vault"])));
    assert_eq!(good["user"]["username"], "system:serviceaccount:default:robot");
    let bad = review(json!({"token": token})).await;
    assert_eq!(bad, json!({"user": {}, "error": "[invalid bearer token, token audiences do not match]"}));
    let bad = review(json!({"token": "x"})).await;
    assert_eq!(bad["error"], "[invalid bearer token, not a signed token]");
    let none = cluster.post(&format!("{AUTHENTICATION}/tokenreviews"), json!({"spec": {}})).await;
    assert_eq!(none.fails(400), "token is required for TokenReview in authentication");
}
