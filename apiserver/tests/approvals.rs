//! CertificateSigningRequests: who asks is who sends, and only an approval decides.

mod common;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::Cluster;
use kubus_proto::request::Method;
use serde_json::{Value, json};

const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

fn request(name: &str) -> Value {
    let key = rcgen::KeyPair::generate().expect("key");
    let parameters = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    let pem = parameters.serialize_request(&key).expect("request").pem().expect("PEM");
    json!({"metadata": {"name": name}, "spec": {"request": STANDARD.encode(pem), "usages": ["client auth"],
        "signerName": "kubernetes.io/kube-apiserver-client", "username": "somebody else", "groups": ["system:masters"]}})
}

fn conditions(object: &Value) -> Vec<&str> {
    object["status"]["conditions"].as_array().into_iter().flatten().filter_map(|c| c["type"].as_str()).collect()
}

#[tokio::test]
async fn a_request_is_its_senders_and_decided_by_an_approval() {
    let cluster = Cluster::new().await;
    let rights = json!({"metadata": {"name": "ask"}, "rules": [
        {"apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests"], "verbs": ["create"]}]});
    cluster.post("/apis/rbac.authorization.k8s.io/v1/clusterroles", rights).await.ok(201);
    let binding = json!({"metadata": {"name": "ask"}, "roleRef": {"kind": "ClusterRole", "name": "ask"},
        "subjects": [{"kind": "User", "name": "jane"}]});
    cluster.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding).await.ok(201);
    let created =
        cluster.ask(Method::Post, REQUESTS).user("jane", &["dev"]).body(&request("jane")).send().await.ok(201);
    assert_eq!(created["spec"]["username"], "jane");
    let groups = created["spec"]["groups"].as_array().cloned().unwrap_or_default();
    assert!(groups.contains(&json!("dev")) && !groups.contains(&json!("system:masters")), "{groups:?}");

    let mut approved = created.clone();
    approved["status"] = json!({"conditions": [{"type": "Approved", "status": "True", "reason": "r", "message": "m"}]});
    approved["spec"]["username"] = json!("root");
    let path = format!("{REQUESTS}/jane");
    for (part, decided) in [("", false), ("/status", false), ("/approval", true)] {
        let mut body = approved.clone();
        body["metadata"] = json!({"name": "jane"});
        let after = cluster.put(&format!("{path}{part}"), body).await.ok(200);
        assert_eq!(after["spec"], created["spec"], "{part}");
        assert_eq!(conditions(&after) == ["Approved"], decided, "{part}: {}", after["status"]);
    }
    let decided = cluster.get(&path).await.ok(200);
    assert!(decided["status"]["conditions"][0]["lastUpdateTime"].is_string());
    // What was decided stays.
    let denied =
        json!({"metadata": {"name": "jane"}, "status": {"conditions": [{"type": "Denied", "status": "True"}]}});
    assert_eq!(cluster.put(&format!("{path}/approval"), denied).await.code, 422);
    let wrong = json!({"metadata": {"name": "x"}, "spec": {"request": "eA==", "usages": ["client auth"], "signerName": "a.b/c"}});
    let refused = cluster.post(REQUESTS, wrong).await;
    assert_eq!((refused.code, &refused.body["details"]["causes"][0]["field"]), (422, &json!("spec.request")));
}
