//! Who may do what, asked through the whole pipeline.

mod common;

use common::{CONFIG_MAPS, Cluster, PODS, pod};
use kubus_proto::request::Method;
use kubus_proto::user::OnBehalf;
use serde_json::{Value, json};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// Binds a cluster role to a user in the namespace `default`.
async fn bind(cluster: &Cluster, role: &str, user: &str) {
    let body = json!({"metadata": {"name": format!("{user}-{role}")},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}]});
    cluster.post(&format!("{RBAC}/namespaces/default/rolebindings"), body).await.ok(201);
}

#[tokio::test]
async fn users_may_what_their_bindings_say() {
    let cluster = Cluster::new().await;
    cluster.pod("web", "").await;
    let list = || cluster.ask(Method::Get, PODS).user("jane", &["dev"]);
    assert_eq!(
        list().send().await.fails(403),
        "pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\""
    );
    bind(&cluster, "view", "jane").await;
    list().send().await.ok(200);
    for (method, path, body, code) in [
        (Method::Get, format!("{PODS}/web"), Value::Null, 200),
        (Method::Get, "/api/v1/pods".to_owned(), Value::Null, 403),
        (Method::Get, "/api/v1/namespaces/default".to_owned(), Value::Null, 200),
        (Method::Get, "/api/v1/namespaces/kube-system".to_owned(), Value::Null, 403),
        (Method::Get, "/api/v1/namespaces/default/secrets".to_owned(), Value::Null, 403),
        (Method::Get, format!("{CONFIG_MAPS}?watch=true"), Value::Null, 200),
        (Method::Post, PODS.to_owned(), pod("new"), 403),
        (Method::Delete, format!("{PODS}/web"), Value::Null, 403),
        (Method::Delete, PODS.to_owned(), Value::Null, 403),
        (Method::Get, "/api/v1/nodes".to_owned(), Value::Null, 403),
    ] {
        let answer = cluster.ask(method, &path).user("jane", &["dev"]).body(&body).send().await;
        assert_eq!(answer.code, code, "{method:?} {path}: {}", answer.body);
    }
    bind(&cluster, "edit", "jane").await;
    cluster.ask(Method::Post, PODS).user("jane", &[]).body(&pod("new")).send().await.ok(201);
    cluster.delete(&format!("{RBAC}/namespaces/default/rolebindings/jane-edit"), Value::Null).await.ok(200);
    let denied = cluster.ask(Method::Post, PODS).user("jane", &[]).body(&pod("newer")).send().await.fails(403);
    assert_eq!(
        denied,
        "pods is forbidden: User \"jane\" cannot create resource \"pods\" in API group \"\" in the namespace \"default\""
    );
    cluster.ask(Method::Get, "/api/v1/nodes").user("root", &["system:masters"]).send().await.ok(200);
}

#[tokio::test]
async fn who_may_read_a_pod_may_not_run_something_in_it() {
    let cluster = Cluster::new().await;
    cluster.pod("web", "n1").await;
    let rules = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods", "pods/exec", "pods/portforward"]}]);
    cluster
        .post(&format!("{RBAC}/clusterroles"), json!({"metadata": {"name": "reader"}, "rules": rules}))
        .await
        .ok(201);
    bind(&cluster, "reader", "jane").await;
    let ask = async |method: Method, path: &str| {
        let path = format!("{PODS}/web/{path}");
        cluster.ask(method, &path).user("jane", &[]).accept(kubus_proto::stream::STREAM_ACCEPT).send().await
    };
    // A WebSocket begins with GET.
    for path in ["exec?command=ls&stdout=true", "portforward?ports=80"] {
        let subresource = path.split('?').next().expect("a word");
        for method in [Method::Get, Method::Post] {
            let expected = format!(
                "pods \"web\" is forbidden: User \"jane\" cannot create resource \"pods/{subresource}\" in API group \
                 \"\" in the namespace \"default\""
            );
            assert_eq!(ask(method, path).await.fails(403), expected, "{method:?} {path}");
        }
    }
    assert!(cluster.opened.0.lock().expect("streams").is_empty());
    bind(&cluster, "admin", "jane").await;
    ask(Method::Get, "portforward?ports=80").await.ok(200);
}

#[tokio::test]
async fn the_anonymous_see_what_is_public_and_nothing_else() {
    let cluster = Cluster::new().await;
    for (path, code) in
        [("/version", 200), ("/healthz", 200), ("/livez", 200), ("/api/v1/namespaces", 403), ("/metrics", 403)]
    {
        let answer = cluster.ask(Method::Get, path).on_behalf(OnBehalf::default()).send().await;
        assert_eq!(answer.code, code, "{path}: {}", answer.body);
    }
    let answer = cluster.ask(Method::Get, "/metrics").on_behalf(OnBehalf::default()).send().await;
    assert_eq!(answer.fails(403), "forbidden: User \"system:anonymous\" cannot get path \"/metrics\"");
    let answer = cluster.ask(Method::Get, PODS).identity("node:n1");
    assert_eq!(answer.send().await.code, 403);
}

fn rule(verbs: &[&str], resource: &str) -> Value {
    json!({"verbs": verbs, "apiGroups": [""], "resources": [resource]})
}

#[tokio::test]
async fn nobody_hands_out_rights_it_does_not_hold() {
    let cluster = Cluster::new().await;
    bind(&cluster, "admin", "jane").await;
    let roles = format!("{RBAC}/namespaces/default/roles");
    let role = |name: &str, rules: Value| json!({"metadata": {"name": name}, "rules": rules});
    let post = |path: String, body: Value| {
        let ask = cluster.ask(Method::Post, &path).user("jane", &["dev"]).body(&body);
        async move { ask.send().await }
    };
    post(roles.clone(), role("reader", json!([rule(&["get"], "pods")]))).await.ok(201);
    assert_eq!(
        post(roles.clone(), role("noder", json!([rule(&["get", "list"], "nodes")]))).await.fails(403),
        "roles.rbac.authorization.k8s.io \"noder\" is forbidden: user \"jane\" (groups=[\"dev\" \
         \"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n\
         {APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\" \"list\"]}"
    );
    // Nor by changing a role, whatever the way.
    let more = json!({"rules": [rule(&["*"], "*")]});
    let patch = cluster.ask(Method::Patch, &format!("{roles}/reader")).content_type("application/merge-patch+json");
    assert!(patch.user("jane", &[]).body(&more).send().await.fails(403).contains("not currently held"));
    let dry = cluster.ask(Method::Patch, &format!("{roles}/reader?dryRun=All"));
    let dry = dry.content_type("application/merge-patch+json").user("jane", &[]).body(&more).send().await;
    assert!(dry.fails(403).contains("not currently held"));
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    let patch = cluster.ask(Method::Patch, &format!("{roles}/reader")).content_type("application/merge-patch+json");
    patch.user("jane", &[]).body(&label).send().await.ok(200);

    let bindings = format!("{RBAC}/namespaces/default/rolebindings");
    let binding = |name: &str, role: &str| {
        json!({"metadata": {"name": name}, "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "jane"}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}})
    };
    post(bindings.clone(), binding("fine", "view")).await.ok(201);
    assert!(post(bindings.clone(), binding("not", "cluster-admin")).await.fails(403).contains("not currently held"));
    assert_eq!(
        post(bindings.clone(), binding("gone", "nowhere")).await.fails(404),
        "clusterroles.rbac.authorization.k8s.io \"nowhere\" not found"
    );
    // Who may `bind` a role, or `escalate`, may.
    let rules = json!([
        {"verbs": ["bind"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "resourceNames": ["cluster-admin"]},
        {"verbs": ["escalate"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"]},
    ]);
    cluster.post(&format!("{RBAC}/clusterroles"), role("binder", rules)).await.ok(201);
    bind(&cluster, "binder", "jane").await;
    post(bindings, binding("now", "cluster-admin")).await.ok(201);
    post(roles, role("noder", json!([rule(&["get", "list"], "nodes")]))).await.ok(201);
    let aggregated = json!({"metadata": {"name": "all"}, "rules": [],
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"x": "y"}}]}});
    cluster.post(&format!("{RBAC}/clusterroles"), aggregated.clone()).await.ok(201);
    let rules =
        json!([{"verbs": ["create"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"]}]);
    cluster.post(&format!("{RBAC}/clusterroles"), role("maker", rules)).await.ok(201);
    let all = json!({"metadata": {"name": "maker"}, "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "jane"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "maker"}});
    cluster.post(&format!("{RBAC}/clusterrolebindings"), all).await.ok(201);
    let mut aggregated = aggregated;
    aggregated["metadata"]["name"] = json!("more");
    assert_eq!(
        post(format!("{RBAC}/clusterroles"), aggregated).await.fails(403),
        "clusterroles.rbac.authorization.k8s.io \"more\" is forbidden: must have cluster-admin privileges to use the \
         aggregationRule"
    );
}

#[tokio::test]
async fn a_node_keeps_its_hands_off_other_nodes_and_off_where_pods_run() {
    let cluster = Cluster::new().await;
    let node = |name: &str, labels: Value| json!({"metadata": {"name": name, "labels": labels}});
    let ask = |method: Method, path: &str| cluster.ask(method, path).identity("node:n1");
    let role = json!({"node-role.kubernetes.io/control-plane": ""});
    let wrong = ask(Method::Post, "/api/v1/nodes").body(&node("n1", role.clone())).send().await.fails(403);
    assert_eq!(
        wrong,
        "nodes \"n1\" is forbidden: node \"n1\" is not allowed to set the following labels: \
         node-role.kubernetes.io/control-plane"
    );
    ask(Method::Post, "/api/v1/nodes").body(&node("n1", json!({"kubernetes.io/hostname": "n1"}))).send().await.ok(201);
    cluster.post("/api/v1/nodes", node("n2", json!({}))).await.ok(201);
    for (path, patch, why) in [
        ("/api/v1/nodes/n1", json!({"metadata": {"labels": role}}), "is not allowed to modify labels: node-role"),
        (
            "/api/v1/nodes/n1",
            json!({"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}),
            "is not allowed to modify taints",
        ),
        ("/api/v1/nodes/n2", json!({"metadata": {"labels": {"a": "b"}}}), "cannot patch resource \"nodes\""),
        ("/api/v1/nodes/n2/status", json!({"status": {"phase": "x"}}), "cannot patch resource \"nodes/status\""),
    ] {
        // Over the bus, and with a kubelet's certificate through a gateway.
        for gateway in [false, true] {
            let ask = ask(Method::Patch, path).content_type("application/merge-patch+json").body(&patch);
            let ask = if gateway { ask.user("system:node:n1", &["system:nodes"]) } else { ask };
            let message = ask.send().await.fails(403);
            assert!(message.contains(why), "{path} {patch}: {message}");
        }
    }
    let patch = json!({"metadata": {"labels": {"a": "b", "topology.kubernetes.io/zone": "z"}}});
    ask(Method::Patch, "/api/v1/nodes/n1")
        .content_type("application/merge-patch+json")
        .body(&patch)
        .send()
        .await
        .ok(200);
    ask(Method::Patch, "/api/v1/nodes/n1/status")
        .content_type("application/merge-patch+json")
        .body(&patch)
        .send()
        .await
        .ok(200);
}

#[tokio::test]
async fn a_nodes_credentials_open_nothing_of_other_nodes() {
    let cluster = Cluster::new().await;
    for (name, node) in [("mine", "n1"), ("other", "n2")] {
        let mut body = pod(name);
        body["spec"]["volumes"] = json!([{"name": "s", "secret": {"secretName": name}}]);
        cluster.post(PODS, body).await.ok(201);
        let binding = json!({"target": {"kind": "Node", "name": node}});
        cluster.post(&format!("{PODS}/{name}/binding"), binding).await.ok(201);
        let secret = json!({"metadata": {"name": name}, "stringData": {"k": "v"}});
        cluster.post("/api/v1/namespaces/default/secrets", secret).await.ok(201);
    }
    let secrets = "/api/v1/namespaces/default/secrets";
    for (method, path, code) in [
        (Method::Get, format!("{PODS}/mine"), 200),
        (Method::Get, format!("{secrets}/mine"), 200),
        (Method::Get, format!("{PODS}?fieldSelector=spec.nodeName%3Dn1"), 200),
        (Method::Get, format!("{PODS}/other"), 403),
        (Method::Get, format!("{secrets}/other"), 403),
        (Method::Get, format!("{secrets}?fieldSelector=metadata.name%3Dother"), 403),
        (Method::Get, secrets.to_owned(), 403),
        (Method::Get, "/api/v1/secrets".to_owned(), 403),
        (Method::Get, format!("{PODS}?fieldSelector=spec.nodeName%3Dn2"), 403),
        (Method::Get, format!("{PODS}?watch=true"), 403),
        (Method::Delete, format!("{PODS}/other"), 403),
        (Method::Post, format!("{PODS}/other/eviction"), 403),
        (Method::Get, "/apis/rbac.authorization.k8s.io/v1/clusterroles".to_owned(), 403),
    ] {
        for gateway in [false, true] {
            let ask = cluster.ask(method, &path).identity("node:n1").body(&json!({"metadata": {"name": "other"}}));
            let ask = if gateway { ask.user("system:node:n1", &["system:nodes"]) } else { ask };
            let answer = ask.send().await;
            assert_eq!(answer.code, code, "{method:?} {path} through a gateway {gateway}: {}", answer.body);
        }
    }
}

/// A request for a client certificate with this organization.
fn certificate_request(name: &str, organization: &str) -> Value {
    use base64::Engine;
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).expect("parameters");
    params.distinguished_name.push(rcgen::DnType::CommonName, "jane");
    params.distinguished_name.push(rcgen::DnType::OrganizationName, organization);
    let key = rcgen::KeyPair::generate().expect("a key");
    let pem = params.serialize_request(&key).expect("a request").pem().expect("pem");
    let request = base64::engine::general_purpose::STANDARD.encode(pem);
    json!({"metadata": {"name": name}, "spec": {"request": request, "usages": ["client auth"],
        "signerName": "kubernetes.io/kube-apiserver-client"}})
}

#[tokio::test]
async fn certificates_are_approved_and_signed_by_those_who_may() {
    const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let cluster = Cluster::new().await;
    assert_eq!(
        cluster.post(REQUESTS, certificate_request("root", "system:masters")).await.fails(403),
        "certificatesigningrequests.certificates.k8s.io \"root\" is forbidden: use of kubernetes.io/kube-apiserver-client \
         signer with system:masters group is not allowed"
    );
    cluster.post(REQUESTS, certificate_request("jane", "dev")).await.ok(201);
    let role = |name: &str, rules: Value| json!({"metadata": {"name": name}, "rules": rules});
    let requests = json!({"verbs": ["get", "update", "patch"], "apiGroups": ["certificates.k8s.io"],
        "resources": ["certificatesigningrequests", "certificatesigningrequests/approval", "certificatesigningrequests/status"]});
    let sign = |verb: &str| {
        json!({"verbs": [verb], "apiGroups": ["certificates.k8s.io"], "resources": ["signers"],
            "resourceNames": ["kubernetes.io/*"]})
    };
    let roles = format!("{RBAC}/clusterroles");
    cluster.post(&roles, role("writer", json!([requests]))).await.ok(201);
    cluster.post(&roles, role("approver", json!([sign("approve")]))).await.ok(201);
    let everywhere = async |role: &str, user: &str| {
        let body = json!({"metadata": {"name": format!("{user}-{role}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}]});
        cluster.post(&format!("{RBAC}/clusterrolebindings"), body).await.ok(201);
    };
    for user in ["joe", "ann"] {
        everywhere("writer", user).await;
    }
    everywhere("approver", "ann").await;
    let approved = json!({"status": {"conditions": [{"type": "Approved", "status": "True", "reason": "Fine"}]}});
    let patch = async |user: &str, part: &str, body: &Value| {
        let path = format!("{REQUESTS}/jane/{part}");
        let ask = cluster.ask(Method::Patch, &path).content_type("application/merge-patch+json");
        ask.user(user, &[]).body(body).send().await
    };
    assert_eq!(
        patch("joe", "approval", &approved).await.fails(403),
        "certificatesigningrequests.certificates.k8s.io \"jane\" is forbidden: user not permitted to approve requests \
         with signerName \"kubernetes.io/kube-apiserver-client\""
    );
    patch("ann", "approval", &approved).await.ok(200);
    let signed = json!({"status": {"certificate": "AAAA"}});
    assert!(patch("ann", "status", &signed).await.fails(403).contains("not permitted to sign requests"));
    let path = format!("{REQUESTS}/jane/status");
    let ask = cluster.ask(Method::Patch, &path).content_type("application/merge-patch+json").identity("controllers-1");
    let done = ask.body(&signed).send().await;
    // Whatever is said of the certificate itself, the controllers may sign.
    assert_ne!(done.code, 403, "{}", done.body);
}
