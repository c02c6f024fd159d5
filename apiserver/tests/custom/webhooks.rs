//! Admission webhooks: asked over HTTPS, obeyed, bounded.

use super::common::{CONFIG_MAPS, Cluster, DEPLOYMENTS, deployment};
use super::hook::{Hook, patched, reviewed};
use super::{CRONTABS, DEFINITIONS, cluster, crontab, my_crontab};
use kubus_proto::request::Method;
use serde_json::{Value, json};

const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";

/// A configuration of one webhook for writes of ConfigMaps.
fn configuration(name: &str, client: &Value, more: Value) -> Value {
    let mut hook = json!({"name": format!("{name}.example.com"), "admissionReviewVersions": ["v1"],
        "sideEffects": "None", "clientConfig": client, "rules": [{"operations": ["CREATE", "UPDATE"],
            "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}]});
    json_patch_merge(&mut hook, more);
    json!({"metadata": {"name": name}, "webhooks": [hook]})
}

fn json_patch_merge(target: &mut Value, patch: Value) {
    for (key, value) in patch.as_object().into_iter().flatten() {
        target[key] = value.clone();
    }
}

fn map(name: &str, labels: Value) -> Value {
    json!({"metadata": {"name": name, "labels": labels}, "data": {"k": "v"}})
}

async fn allow_all() -> Hook {
    Hook::new(|review| reviewed(review, json!({"allowed": true}))).await
}

#[tokio::test]
async fn a_refusal_is_told_in_the_webhooks_words() {
    let hook = Hook::new(|review| match review["request"]["object"]["metadata"]["name"].as_str() {
        Some("plain") => reviewed(review, json!({"allowed": false})),
        Some("said") => reviewed(review, json!({"allowed": false, "status": {"message": "not today", "code": 403}})),
        _ => reviewed(review, json!({"allowed": true, "warnings": ["mind the gap"], "auditAnnotations": {"a": "b"}})),
    })
    .await;
    let cluster = cluster().await;
    cluster.post(VALIDATING, configuration("check", &hook.client(), json!({}))).await.ok(201);
    for (name, code, message) in [
        ("plain", 400, "admission webhook \"check.example.com\" denied the request without explanation"),
        ("said", 403, "admission webhook \"check.example.com\" denied the request: not today"),
    ] {
        assert_eq!(cluster.post(CONFIG_MAPS, map(name, json!({}))).await.fails(code), message);
        assert_eq!(cluster.get(&format!("{CONFIG_MAPS}/{name}")).await.code, 404, "{name} is not stored");
    }
    let answer = cluster.post(CONFIG_MAPS, map("good", json!({}))).await;
    assert_eq!(answer.warnings, ["mind the gap"]);
    answer.ok(201);
    let review = hook.asked().pop().expect("asked");
    let request = &review["request"];
    assert_eq!(
        json!([
            review["kind"],
            review["apiVersion"],
            request["kind"],
            request["resource"],
            request["operation"],
            request["namespace"],
            request["name"],
            request["userInfo"]["username"],
            request["dryRun"]
        ]),
        json!(["AdmissionReview", "admission.k8s.io/v1", {"group": "", "version": "v1", "kind": "ConfigMap"},
            {"group": "", "version": "v1", "resource": "configmaps"}, "CREATE", "default", "good", "admin", false])
    );
    assert_eq!((&request["object"]["data"]["k"], &request["oldObject"]), (&json!("v"), &Value::Null));

    cluster.merge(&format!("{CONFIG_MAPS}/good"), json!({"data": {"k": "w"}})).await.ok(200);
    let request = hook.asked().pop().expect("asked")["request"].clone();
    assert_eq!((&request["operation"], &request["oldObject"]["data"]["k"]), (&json!("UPDATE"), &json!("v")));
    let before = hook.asked().len();
    cluster.delete(&format!("{CONFIG_MAPS}/good"), Value::Null).await.ok(200);
    assert_eq!(hook.asked().len(), before, "deletes are not in its rules");
}

#[tokio::test]
async fn patches_are_applied_in_turn_and_defaults_follow() {
    let first = Hook::new(|review| {
        let labels = &review["request"]["object"]["metadata"]["labels"];
        match labels["second"].is_null() {
            true => patched(review, &json!([{"op": "add", "path": "/metadata/labels", "value": {"first": "yes"}}])),
            false => patched(review, &json!([{"op": "add", "path": "/metadata/labels/again", "value": "yes"}])),
        }
    })
    .await;
    let second =
        Hook::new(|review| patched(review, &json!([{"op": "add", "path": "/metadata/labels/second", "value": "yes"}])))
            .await;
    let cluster = cluster().await;
    let again = json!({"reinvocationPolicy": "IfNeeded"});
    cluster.post(MUTATING, configuration("a-first", &first.client(), again)).await.ok(201);
    cluster.post(MUTATING, configuration("b-second", &second.client(), json!({}))).await.ok(201);
    let created = cluster.post(CONFIG_MAPS, map("m", Value::Null)).await.ok(201);
    assert_eq!(created["metadata"]["labels"], json!({"first": "yes", "second": "yes", "again": "yes"}));
    assert_eq!((first.asked().len(), second.asked().len()), (2, 1), "the first is asked again, since it wanted to be");

    let third = Hook::new(|review| {
        patched(review, &json!([{"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "side", "image": "x"}}]))
    })
    .await;
    let mut sidecar = configuration("c-third", &third.client(), json!({}));
    sidecar["webhooks"][0]["rules"][0] =
        json!({"operations": ["*"], "apiGroups": ["apps"], "apiVersions": ["*"], "resources": ["deployments"]});
    cluster.post(MUTATING, sidecar).await.ok(201);
    let created = cluster.post(DEPLOYMENTS, deployment("web")).await.ok(201);
    let side = &created["spec"]["template"]["spec"]["containers"][1];
    assert_eq!((&side["name"], &side["imagePullPolicy"]), (&json!("side"), &json!("Always")), "defaults follow");
}

#[tokio::test]
async fn only_what_matches_is_asked_about() {
    let hook = allow_all().await;
    let cluster = cluster().await;
    cluster.merge("/api/v1/namespaces/default", json!({"metadata": {"labels": {"team": "a"}}})).await.ok(200);
    let selects = |key: &str| json!({"matchLabels": {key: "a"}});
    let condition = |text: &str| json!([{"name": "c", "expression": text}]);
    for (i, (more, asked)) in [
        (json!({"namespaceSelector": selects("team")}), true),
        (json!({"namespaceSelector": selects("other")}), false),
        (json!({"objectSelector": selects("app")}), true),
        (json!({"objectSelector": selects("other")}), false),
        (json!({"matchConditions": condition("object.metadata.name.startsWith('m') && request.operation == 'CREATE'")}), true),
        (json!({"matchConditions": condition("object.metadata.name == 'x'")}), false),
        (json!({"rules": [{"operations": ["DELETE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}]}), false),
        (json!({"rules": [{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}]}), true),
        (json!({"rules": [{"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps/*"]}]}), true),
        (json!({"rules": [{"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["*"], "scope": "Cluster"}]}), false),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("hook{i}");
        cluster.post(VALIDATING, configuration(&name, &hook.client(), more.clone())).await.ok(201);
        let before = hook.asked().len();
        cluster.post(CONFIG_MAPS, map(&format!("m{i}"), json!({"app": "a"}))).await.ok(201);
        assert_eq!(hook.asked().len() > before, asked, "{more}");
        cluster.delete(&format!("{VALIDATING}/{name}"), Value::Null).await.ok(200);
    }
}

#[tokio::test]
async fn failures_are_overlooked_or_told() {
    let cluster = cluster().await;
    let nowhere = json!({"url": "https://127.0.0.1:1"});
    cluster.post(VALIDATING, configuration("strict", &nowhere, json!({}))).await.ok(201);
    let told = cluster.post(CONFIG_MAPS, map("a", json!({}))).await.fails(500);
    let start = "Internal error occurred: failed calling webhook \"strict.example.com\": failed to call webhook: Post \
        \"https://127.0.0.1:1/?timeout=10s\": ";
    assert!(told.starts_with(start) && told.ends_with("connect: connection refused"), "{told}");
    let ignore = json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]);
    let path = format!("{VALIDATING}/strict");
    let patch = cluster.ask(Method::Patch, &path).content_type("application/json-patch+json").body(&ignore);
    patch.send().await.ok(200);
    cluster.post(CONFIG_MAPS, map("a", json!({}))).await.ok(201);

    let odd = Hook::new(|review| {
        let mut answer = reviewed(review, json!({"allowed": true}));
        answer["response"]["uid"] = json!("other");
        answer
    })
    .await;
    cluster.post(VALIDATING, configuration("odd", &odd.client(), json!({}))).await.ok(201);
    let told = cluster.post(CONFIG_MAPS, map("b", json!({}))).await.fails(500);
    assert!(
        told.contains(
            "failed calling webhook \"odd.example.com\": received invalid webhook response: expected response.uid="
        ),
        "{told}"
    );

    let stranger = allow_all().await;
    let client = json!({"url": odd.url, "caBundle": stranger.ca_bundle});
    cluster.delete(&format!("{VALIDATING}/odd"), Value::Null).await.ok(200);
    cluster.post(VALIDATING, configuration("unknown", &client, json!({}))).await.ok(201);
    let told = cluster.post(CONFIG_MAPS, map("b", json!({}))).await.fails(500);
    assert!(told.contains("tls: failed to verify certificate"), "{told}");
}

#[tokio::test]
async fn a_slow_webhook_is_not_waited_for() {
    let slow = Hook::new(|review| {
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        reviewed(review, json!({"allowed": true}))
    })
    .await;
    let cluster = cluster().await;
    cluster.post(VALIDATING, configuration("slow", &slow.client(), json!({"timeoutSeconds": 1}))).await.ok(201);
    let told = cluster.post(CONFIG_MAPS, map("a", json!({}))).await.fails(500);
    assert!(told.ends_with("context deadline exceeded"), "{told}");
}

#[tokio::test]
async fn dry_runs_deletes_and_collections_are_asked_about() {
    let hook = Hook::new(|review| {
        let allowed = review["request"]["oldObject"]["metadata"]["labels"]["keep"].is_null();
        reviewed(review, json!({"allowed": allowed, "status": {"message": "it is kept"}}))
    })
    .await;
    let cluster = cluster().await;
    let rule = json!({"rules": [{"operations": ["CREATE", "DELETE"], "apiGroups": [""], "apiVersions": ["v1"],
        "resources": ["configmaps"]}]});
    cluster.post(VALIDATING, configuration("keep", &hook.client(), rule)).await.ok(201);
    cluster.post(&format!("{CONFIG_MAPS}?dryRun=All"), map("tried", json!({}))).await.ok(201);
    assert_eq!(hook.asked().pop().expect("asked")["request"]["dryRun"], true);
    cluster.post(CONFIG_MAPS, map("kept", json!({"keep": "x", "set": "1"}))).await.ok(201);
    cluster.post(CONFIG_MAPS, map("loose", json!({"set": "1"}))).await.ok(201);
    let refused = cluster.delete(&format!("{CONFIG_MAPS}/kept"), Value::Null).await;
    assert_eq!(refused.fails(400), "admission webhook \"keep.example.com\" denied the request: it is kept");
    let request = hook.asked().pop().expect("asked")["request"].clone();
    assert_eq!((&request["object"], &request["name"]), (&Value::Null, &json!("kept")));
    let refused = cluster.delete(&format!("{CONFIG_MAPS}?labelSelector=set"), Value::Null).await;
    assert_eq!(refused.code, 400);
    cluster.delete(&format!("{CONFIG_MAPS}/loose"), Value::Null).await.ok(200);
}

#[tokio::test]
async fn custom_kinds_and_older_versions_are_shown_as_they_were_matched() {
    let hook = allow_all().await;
    let cluster: Cluster = cluster().await;
    cluster.post(DEFINITIONS, crontab()).await.ok(201);
    let rules = json!({"rules": [
        {"operations": ["*"], "apiGroups": ["stable.example.com"], "apiVersions": ["v1"], "resources": ["crontabs"]},
        {"operations": ["*"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}]});
    cluster.post(VALIDATING, configuration("all", &hook.client(), rules)).await.ok(201);
    cluster.post(CRONTABS, my_crontab()).await.ok(201);
    let request = hook.asked().pop().expect("asked")["request"].clone();
    assert_eq!((&request["kind"]["kind"], &request["object"]["spec"]["replicas"]), (&json!("CronTab"), &json!(1)));
    cluster.post("/apis/apps/v1beta2/namespaces/default/deployments", deployment("old")).await.ok(201);
    let request = hook.asked().pop().expect("asked")["request"].clone();
    assert_eq!(
        (&request["kind"]["version"], &request["requestKind"]["version"], &request["object"]["apiVersion"]),
        (&json!("v1"), &json!("v1beta2"), &json!("apps/v1"))
    );
}

#[tokio::test]
async fn webhooks_cannot_guard_their_own_configurations() {
    let cluster = cluster().await;
    let nowhere = json!({"url": "https://127.0.0.1:1"});
    let everything =
        json!({"rules": [{"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}]});
    cluster.post(VALIDATING, configuration("locked", &nowhere, everything)).await.ok(201);
    cluster.post(CONFIG_MAPS, map("a", json!({}))).await.fails(500);
    cluster.delete(&format!("{VALIDATING}/locked"), Value::Null).await.ok(200);
    cluster.post(CONFIG_MAPS, map("a", json!({}))).await.ok(201);
}
