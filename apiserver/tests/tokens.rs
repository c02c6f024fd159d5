//! Tokens: who gets one, whom it lets in, and when it no longer does.

mod common;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use common::{Cluster, PODS, pod};
use kubus_proto::request::Method;
use kubus_proto::user::UserInfo;
use serde_json::{Value, json};

const ACCOUNTS: &str = "/api/v1/namespaces/default/serviceaccounts";
const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// A cluster whose service account `robot` may view the namespace `default`.
async fn cluster() -> Cluster {
    let cluster = Cluster::new().await;
    cluster.post(ACCOUNTS, json!({"metadata": {"name": "robot"}})).await.ok(201);
    let body = json!({"metadata": {"name": "robot"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": "default"}]});
    cluster.post(&format!("{RBAC}/namespaces/default/rolebindings"), body).await.ok(201);
    cluster
}

async fn robot_pod(cluster: &Cluster, name: &str, node: &str) -> Value {
    let mut body = pod(name);
    body["spec"]["serviceAccountName"] = json!("robot");
    cluster.post(PODS, body).await.ok(201);
    let binding = json!({"target": {"kind": "Node", "name": node}});
    cluster.post(&format!("{PODS}/{name}/binding"), binding).await.ok(201);
    cluster.get(&format!("{PODS}/{name}")).await.ok(200)
}

async fn token(cluster: &Cluster, spec: Value) -> String {
    let body = cluster.post(&format!("{ACCOUNTS}/robot/token"), json!({"spec": spec})).await.ok(201);
    body["status"]["token"].as_str().expect("a token").to_owned()
}

async fn lets_in(cluster: &Cluster, token: &str) -> u16 {
    cluster.ask(Method::Get, PODS).bearer(token).send().await.code
}

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).expect("claims");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("json")
}

#[tokio::test]
async fn a_token_lets_its_account_in_as_far_as_its_rights_go() {
    let cluster = cluster().await;
    let body = json!({"spec": {"expirationSeconds": 700}});
    let answer = cluster.post(&format!("{ACCOUNTS}/robot/token"), body).await.ok(201);
    assert_eq!((&answer["kind"], &answer["apiVersion"]), (&json!("TokenRequest"), &json!("authentication.k8s.io/v1")));
    assert_eq!(answer["spec"], json!({"audiences": [ISSUER], "expirationSeconds": 700, "boundObjectRef": null}));
    let token = answer["status"]["token"].as_str().expect("a token");
    let said = claims(token);
    assert_eq!(said["exp"].as_i64().expect("exp") - said["iat"].as_i64().expect("iat"), 700);
    assert_eq!((&said["iss"], &said["sub"]), (&json!(ISSUER), &json!("system:serviceaccount:default:robot")));
    assert_eq!(said["kubernetes.io"]["serviceaccount"]["name"], "robot");
    cluster.ask(Method::Get, PODS).bearer(token).send().await.ok(200);
    let denied = cluster.ask(Method::Get, "/api/v1/nodes").bearer(token).send().await.fails(403);
    assert_eq!(
        denied,
        "nodes is forbidden: User \"system:serviceaccount:default:robot\" cannot list resource \"nodes\" in API group \
         \"\" at the cluster scope"
    );
    // The admin may act with it too; nobody else on the bus.
    let on_behalf = |identity: &'static str| {
        let ask = cluster.ask(Method::Get, "/api/v1/nodes").bearer(token).identity(identity);
        async move { ask.send().await.code }
    };
    assert_eq!((on_behalf("admin").await, on_behalf("node:n1").await), (403, 403));
    let discovery = cluster.ask(Method::Get, "/openid/v1/jwks").bearer(token).send().await.ok(200);
    assert_eq!(discovery["keys"][0]["alg"], "ES256");
    let discovery = cluster.ask(Method::Get, "/.well-known/openid-configuration").bearer(token).send().await.ok(200);
    assert_eq!(discovery["issuer"], ISSUER);
}

#[tokio::test]
async fn requests_for_tokens_that_are_wrong_are_refused() {
    let cluster = cluster().await;
    let pod = robot_pod(&cluster, "web", "n1").await;
    cluster.pod("plain", "n1").await;
    let path = format!("{ACCOUNTS}/robot/token");
    let bound = |kind: &str, name: &str, uid: &str| json!({"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": kind, "name": name, "uid": uid}}});
    for (body, code, message) in [
        (
            json!({"spec": {"expirationSeconds": 10}}),
            422,
            "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 10: may not \
             specify a duration less than 10 minutes",
        ),
        (bound("ConfigMap", "x", ""), 400, "cannot bind token to object of type /v1, Kind=ConfigMap"),
        (bound("Pod", "gone", ""), 404, "pods \"gone\" not found"),
        (
            bound("Pod", "plain", ""),
            400,
            "cannot bind token for serviceaccount \"robot\" to pod running with different serviceaccount name.",
        ),
        (
            bound("Pod", "web", "other"),
            409,
            "Operation cannot be fulfilled on Pod \"web\": the UID in the bound object reference (other) does not match \
             the UID in record. The object might have been deleted and then recreated",
        ),
    ] {
        assert_eq!(cluster.post(&path, body.clone()).await.fails(code), message, "{body}");
    }
    cluster.post(&format!("{ACCOUNTS}/nobody/token"), json!({"spec": {}})).await.fails(404);

    let uid = pod["metadata"]["uid"].as_str().expect("uid");
    for (node, body, code) in [
        ("node:n1", bound("Pod", "web", uid), 201),
        ("node:n1", bound("Pod", "web", ""), 403),
        ("node:n1", json!({"spec": {}}), 403),
        ("node:n2", bound("Pod", "web", uid), 403),
    ] {
        let answer = cluster.ask(Method::Post, &path).identity(node).body(&body).send().await;
        assert_eq!(answer.code, code, "{node} {body}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_token_dies_with_what_it_is_bound_to() {
    let cluster = cluster().await;
    let pod = robot_pod(&cluster, "web", "n1").await;
    cluster.post(SECRETS, json!({"metadata": {"name": "box"}})).await.ok(201);
    let bound = |kind: &str, name: &str| json!({"boundObjectRef": {"apiVersion": "v1", "kind": kind, "name": name}});
    let of_pod = token(&cluster, bound("Pod", "web")).await;
    let of_box = token(&cluster, bound("Secret", "box")).await;
    let plain = token(&cluster, json!({})).await;
    for good in [&of_pod, &of_box, &plain] {
        assert_eq!(lets_in(&cluster, good).await, 200);
    }
    assert_eq!(claims(&of_pod)["kubernetes.io"]["pod"]["uid"], pod["metadata"]["uid"]);
    cluster.delete(&format!("{PODS}/web"), json!({"gracePeriodSeconds": 0})).await.ok(200);
    // Its namesake is somebody else.
    robot_pod(&cluster, "web", "n1").await;
    cluster.delete(&format!("{SECRETS}/box"), Value::Null).await.ok(200);
    assert_eq!((lets_in(&cluster, &of_pod).await, lets_in(&cluster, &of_box).await), (401, 401));
    assert_eq!(lets_in(&cluster, &plain).await, 200);
    cluster.delete(&format!("{ACCOUNTS}/robot"), Value::Null).await.ok(200);
    cluster.post(ACCOUNTS, json!({"metadata": {"name": "robot"}})).await.ok(201);
    let answer = cluster.ask(Method::Get, PODS).bearer(&plain).send().await;
    assert_eq!(
        (answer.code, &answer.body["message"], &answer.body["reason"]),
        (401, &json!("Unauthorized"), &json!("Unauthorized"))
    );
}

#[tokio::test]
async fn forged_and_foreign_tokens_let_nobody_in() {
    let cluster = cluster().await;
    let good = token(&cluster, json!({})).await;
    let parts: Vec<&str> = good.split('.').collect();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut root = claims(&good);
    root["sub"] = json!("system:serviceaccount:kube-system:root");
    let elsewhere = token(&cluster, json!({"audiences": ["vault"]})).await;
    let other_cluster = token(&self::cluster().await, json!({})).await;
    for wrong in [
        String::new(),
        "x".to_owned(),
        "..".to_owned(),
        format!("{}.{}.{}", parts[0], part(&root), parts[2]),
        format!("{}.{}.", part(&json!({"alg": "none"})), parts[1]),
        format!("{}.{}.", part(&json!({"alg": "none", "typ": "JWT"})), part(&root)),
        format!("{}.{}.{}", part(&json!({"alg": "HS256"})), parts[1], parts[2]),
        elsewhere,
        other_cluster,
        "abcdef.0123456789abcdef".to_owned(),
    ] {
        assert_eq!(lets_in(&cluster, &wrong).await, 401, "{wrong}");
    }
    assert_eq!(lets_in(&cluster, &good).await, 200);
}

#[tokio::test]
async fn bootstrap_tokens_come_from_secrets() {
    let cluster = Cluster::new().await;
    let path = "/api/v1/namespaces/kube-system/secrets";
    let secret = |id: &str, more: Value| {
        let mut data = json!({"token-id": id, "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true",
            "auth-extra-groups": "system:bootstrappers:team,system:masters"});
        for (key, value) in more.as_object().expect("a map") {
            data[key] = value.clone();
        }
        json!({"metadata": {"name": format!("bootstrap-token-{id}")}, "type": "bootstrap.kubernetes.io/token", "stringData": data})
    };
    cluster.post(path, secret("aaaaaa", json!({}))).await.ok(201);
    cluster.post(path, secret("bbbbbb", json!({"expiration": "2020-01-01T00:00:00Z"}))).await.ok(201);
    cluster.post(path, secret("cccccc", json!({"usage-bootstrap-authentication": "false"}))).await.ok(201);
    for (token, code) in [
        ("aaaaaa.0123456789abcdef", 403),
        ("aaaaaa.0123456789abcdeX", 401),
        ("aaaaaa.0123456789abcdee", 401),
        ("bbbbbb.0123456789abcdef", 401),
        ("cccccc.0123456789abcdef", 401),
        ("dddddd.0123456789abcdef", 401),
    ] {
        let answer = cluster.ask(Method::Get, "/api/v1/nodes").bearer(token).send().await;
        assert_eq!(answer.code, code, "{token}: {}", answer.body);
        if code == 403 {
            let message = answer.body["message"].as_str().unwrap_or_default().to_owned();
            assert!(message.contains("User \"system:bootstrap:aaaaaa\""), "{message}");
        }
    }
}

#[tokio::test]
async fn a_token_in_a_secret_lives_as_long_as_the_secret() {
    let cluster = cluster().await;
    let body = json!({"metadata": {"name": "old", "annotations": {"kubernetes.io/service-account.name": "robot"}},
        "type": "kubernetes.io/service-account-token"});
    let made = cluster.post(SECRETS, body.clone()).await.ok(201);
    let account = cluster.get(&format!("{ACCOUNTS}/robot")).await.ok(200);
    assert_eq!(made["metadata"]["annotations"]["kubernetes.io/service-account.uid"], account["metadata"]["uid"]);
    let text = |key: &str| {
        let bytes = STANDARD.decode(made["data"][key].as_str().expect(key)).expect("base64");
        String::from_utf8(bytes).expect("text")
    };
    assert_eq!(text("namespace"), "default");
    let token = text("token");
    assert_eq!(claims(&token)["kubernetes.io/serviceaccount/secret.name"], "old");
    assert_eq!(lets_in(&cluster, &token).await, 200);
    cluster.delete(&format!("{SECRETS}/old"), Value::Null).await.ok(200);
    assert_eq!(lets_in(&cluster, &token).await, 401);
    // A new one under the same name has a token of its own.
    cluster.post(SECRETS, body).await.ok(201);
    assert_eq!(lets_in(&cluster, &token).await, 401);
}

#[tokio::test]
async fn acting_as_somebody_else_needs_the_right_to() {
    let cluster = cluster().await;
    let user = |name: &str, groups: &[&str]| UserInfo {
        name: name.to_owned(),
        groups: groups.iter().map(|g| (*g).to_owned()).collect(),
        ..UserInfo::default()
    };
    let ask = |who: &'static str, groups: &[&str], target: UserInfo| {
        let ask = cluster.ask(Method::Get, PODS).user(who, groups).acting_as(target);
        async move { ask.send().await }
    };
    assert_eq!(
        ask("jane", &[], user("root", &[])).await.fails(403),
        "users \"root\" is forbidden: User \"jane\" cannot impersonate resource \"users\" in API group \"\" at the \
         cluster scope"
    );
    assert_eq!(
        ask("jane", &[], user("system:serviceaccount:default:robot", &[])).await.fails(403),
        "serviceaccounts \"robot\" is forbidden: User \"jane\" cannot impersonate resource \"serviceaccounts\" in API \
         group \"\" in the namespace \"default\""
    );
    let rules = json!([{"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users", "serviceaccounts"]}]);
    cluster.post(&format!("{RBAC}/clusterroles"), json!({"metadata": {"name": "actor"}, "rules": rules})).await.ok(201);
    let body = json!({"metadata": {"name": "actor"}, "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "jane"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "actor"}});
    cluster.post(&format!("{RBAC}/clusterrolebindings"), body).await.ok(201);
    // The rights are the other's, and only those.
    ask("jane", &[], user("system:serviceaccount:default:robot", &[])).await.ok(200);
    assert!(ask("jane", &[], user("joe", &[])).await.fails(403).contains("User \"joe\" cannot list"));
    // The group is another right.
    assert_eq!(
        ask("jane", &[], user("joe", &["system:masters"])).await.fails(403),
        "groups \"system:masters\" is forbidden: User \"jane\" cannot impersonate resource \"groups\" in API group \"\" \
         at the cluster scope"
    );
    ask("jane", &[], user("", &["system:masters"])).await.fails(400);
    // On the bus only the admin may.
    let admin = cluster.ask(Method::Get, PODS).acting_as(user("joe", &[]));
    assert!(admin.send().await.fails(403).contains("User \"joe\" cannot list"));
    let node = cluster.ask(Method::Get, PODS).identity("node:n1").acting_as(user("root", &["system:masters"]));
    assert!(node.send().await.fails(403).contains("cannot speak for another user"));
    let anonymous = cluster.ask(Method::Get, PODS).on_behalf(Default::default()).acting_as(user("joe", &[]));
    assert!(anonymous.send().await.fails(403).contains("User \"system:anonymous\" cannot impersonate"));
}
