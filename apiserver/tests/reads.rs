//! get, list and watch: forms, selectors, pages, revisions, and what goes wrong.

mod common;

use common::{CONFIG_MAPS, Cluster, PODS};
use kubus_apiserver::state::Limits;
use kubus_proto::event::{ChangeType, Changes};
use kubus_proto::request::Method;
use serde_json::{Value, json};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().into_iter().flatten().filter_map(|o| o["metadata"]["name"].as_str()).collect()
}

async fn five_maps(cluster: &Cluster) {
    for (name, labels) in [
        ("a", json!({"app": "web"})),
        ("b", json!({"app": "db"})),
        ("c", json!({"app": "web"})),
        ("d", json!({})),
        ("e", json!({})),
    ] {
        cluster.config_map(name, labels).await;
    }
}

#[tokio::test]
async fn a_get_gives_the_object_or_says_why_not() {
    let cluster = Cluster::new().await;
    let made = cluster.config_map("a", json!({"app": "web"})).await;
    let path = format!("{CONFIG_MAPS}/a");
    assert_eq!(cluster.get(&path).await.ok(200), made);
    assert_eq!(cluster.get(&format!("{path}?resourceVersion=0")).await.ok(200), made);
    let partial =
        cluster.ask(Method::Get, &path).accept("application/json;as=PartialObjectMetadata").send().await.ok(200);
    assert_eq!((&partial["kind"], &partial["metadata"]), (&json!("PartialObjectMetadata"), &made["metadata"]));
    let table = cluster.ask(Method::Get, &path).accept(TABLE).send().await.ok(200);
    assert_eq!((&table["kind"], &table["rows"][0]["cells"][0]), (&json!("Table"), &json!("a")));
    assert_eq!(table["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
    let revision = cluster.api.current().revision();
    for (path, code, message) in [
        (format!("{CONFIG_MAPS}/x"), 404, "configmaps \"x\" not found"),
        ("/apis/apps/v1/namespaces/default/deployments/x".to_owned(), 404, "deployments.apps \"x\" not found"),
        ("/api/v1/nonsense".to_owned(), 404, "the server could not find the requested resource"),
        ("/nonsense".to_owned(), 404, "the server could not find the requested resource"),
        (format!("{path}/status"), 404, "the server could not find the requested resource"),
        (
            format!("{path}?resourceVersion=999999"),
            504,
            &format!("Too large resource version: 999999, current: {revision}"),
        ),
        (format!("{path}?resourceVersion=x"), 400, "invalid resource version: \"x\""),
    ] {
        assert_eq!(cluster.get(&path).await.fails(code), message, "{path}");
    }
}

#[tokio::test]
async fn lists_select_by_labels_and_fields() {
    let cluster = Cluster::new().await;
    five_maps(&cluster).await;
    cluster.pod("p1", "n1").await;
    cluster.pod("p2", "").await;
    for (path, expected) in [
        (CONFIG_MAPS.to_owned(), vec!["a", "b", "c", "d", "e"]),
        ("/api/v1/configmaps".to_owned(), vec!["a", "b", "c", "d", "e"]),
        ("/api/v1/namespaces/kube-system/configmaps".to_owned(), vec![]),
        (format!("{CONFIG_MAPS}?labelSelector=app%3Dweb"), vec!["a", "c"]),
        (format!("{CONFIG_MAPS}?labelSelector=!app"), vec!["d", "e"]),
        (format!("{CONFIG_MAPS}?fieldSelector=metadata.name%3Db"), vec!["b"]),
        (format!("{PODS}?fieldSelector=spec.nodeName%3Dn1"), vec!["p1"]),
        (format!("{PODS}?fieldSelector=spec.nodeName%3D"), vec!["p2"]),
        (
            "/api/v1/namespaces?fieldSelector=status.phase%3DActive,metadata.name!%3Ddefault".to_owned(),
            vec!["kube-node-lease", "kube-public", "kube-system"],
        ),
    ] {
        assert_eq!(names(&cluster.get(&path).await.ok(200)), expected, "{path}");
    }
    let list = cluster.get(CONFIG_MAPS).await.ok(200);
    assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("ConfigMapList"), &json!("v1")));
    let message = cluster.get(&format!("{PODS}?fieldSelector=spec.colour%3Dred")).await.fails(400);
    assert_eq!(message, "field label not supported: spec.colour");
    cluster.get(&format!("{PODS}?labelSelector=a%20b%20c")).await.fails(400);
}

#[tokio::test]
async fn pages_show_one_revision_whatever_happens_between_them() {
    let cluster = Cluster::new().await;
    five_maps(&cluster).await;
    let first = cluster.get(&format!("{CONFIG_MAPS}?limit=2")).await.ok(200);
    assert_eq!((names(&first), &first["metadata"]["remainingItemCount"]), (vec!["a", "b"], &json!(3)));
    cluster.delete(&format!("{CONFIG_MAPS}/c"), Value::Null).await.ok(200);
    cluster.config_map("bb", json!({})).await;
    let token = first["metadata"]["continue"].as_str().expect("token");
    let second = cluster.get(&format!("{CONFIG_MAPS}?limit=2&continue={token}")).await.ok(200);
    assert_eq!((names(&second), &second["metadata"]["remainingItemCount"]), (vec!["c", "d"], &json!(1)));
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    let token = second["metadata"]["continue"].as_str().expect("token");
    let last = cluster.get(&format!("{CONFIG_MAPS}?limit=2&continue={token}")).await.ok(200);
    assert_eq!((names(&last), last["metadata"].get("continue")), (vec!["e"], None));
    let old = first["metadata"]["resourceVersion"].as_str().expect("version");
    let exact = cluster.get(&format!("{CONFIG_MAPS}?resourceVersion={old}&resourceVersionMatch=Exact")).await.ok(200);
    assert_eq!(names(&exact), ["a", "b", "c", "d", "e"]);
    let newest = cluster.get(&format!("{CONFIG_MAPS}?resourceVersion={old}")).await.ok(200);
    assert_eq!(names(&newest), ["a", "b", "bb", "d", "e"]);
    let selected = cluster.get(&format!("{CONFIG_MAPS}?limit=1&labelSelector=app%3Dweb")).await.ok(200);
    assert_eq!(selected["metadata"].get("remainingItemCount"), None);
    cluster.get(&format!("{CONFIG_MAPS}?limit=2&continue=nonsense")).await.fails(400);
}

#[tokio::test]
async fn what_is_compacted_is_gone_with_a_hint_how_to_go_on() {
    let cluster = Cluster::with_limits(Limits { count: 4, floor: 4, answer_age_ms: 0, ..Limits::default() }).await;
    five_maps(&cluster).await;
    let first = cluster.get(&format!("{CONFIG_MAPS}?limit=2")).await.ok(200);
    for name in ["f", "g", "h", "i", "j"] {
        cluster.config_map(name, json!({})).await;
    }
    let token = first["metadata"]["continue"].as_str().expect("token");
    let gone = cluster.get(&format!("{CONFIG_MAPS}?limit=2&continue={token}")).await;
    assert_eq!((gone.code, &gone.body["reason"]), (410, &json!("Expired")));
    let fresh = gone.body["metadata"]["continue"].as_str().expect("fresh token");
    let rest = cluster.get(&format!("{CONFIG_MAPS}?continue={fresh}")).await.ok(200);
    assert_eq!(names(&rest), ["c", "d", "e", "f", "g", "h", "i", "j"]);
    let version = first["metadata"]["resourceVersion"].as_str().expect("version");
    cluster.get(&format!("{CONFIG_MAPS}?resourceVersion={version}&resourceVersionMatch=Exact")).await.fails(410);
    let watch = cluster.get(&format!("{CONFIG_MAPS}?watch=true&resourceVersion={version}")).await;
    assert_eq!(watch.fails(410), format!("too old resource version: {version} ({})", cluster.api.current().revision()));
}

#[tokio::test]
async fn lists_come_as_tables_and_as_metadata() {
    let cluster = Cluster::new().await;
    cluster.pod("p1", "n1").await;
    cluster.pod("p2", "").await;
    let table = cluster.ask(Method::Get, PODS).accept(TABLE).send().await.ok(200);
    let headers: Vec<_> = table["columnDefinitions"].as_array().expect("columns").iter().map(|c| &c["name"]).collect();
    assert_eq!(headers[..5], ["Name", "Ready", "Status", "Restarts", "Age"]);
    assert_eq!(
        table["rows"][0]["cells"].as_array().expect("cells")[..4],
        [json!("p1"), json!("0/1"), json!("Pending"), json!("0")]
    );
    assert_eq!(table["rows"][1]["object"]["kind"], "PartialObjectMetadata");
    let whole = format!("{PODS}?includeObject=Object");
    let table = cluster.ask(Method::Get, &whole).accept(TABLE).send().await.ok(200);
    assert_eq!(table["rows"][0]["object"]["spec"]["nodeName"], "n1");
    let list =
        cluster.ask(Method::Get, PODS).accept("application/json;as=PartialObjectMetadataList").send().await.ok(200);
    assert_eq!((&list["kind"], list["items"][0].get("spec")), (&json!("PartialObjectMetadataList"), None));
}

#[tokio::test]
async fn a_watch_answers_with_what_was_missed() {
    let cluster = Cluster::new().await;
    let first = cluster.config_map("a", json!({"app": "web"})).await;
    let version = first["metadata"]["resourceVersion"].as_str().expect("version").to_owned();
    cluster.merge(&format!("{CONFIG_MAPS}/a"), json!({"metadata": {"labels": {"app": "db"}}})).await.ok(200);
    cluster.pod("p1", "n1").await;
    cluster.delete(&format!("{CONFIG_MAPS}/a"), Value::Null).await.ok(200);
    let watch = async |query: &str| {
        let answer = cluster.get(&format!("/api/v1/{query}")).await;
        assert_eq!(answer.code, 200, "{query}: {}", answer.body);
        Changes::decode(&answer.bytes).expect("changes")
    };
    let changes = watch(&format!("configmaps?watch=true&resourceVersion={version}")).await;
    let kinds: Vec<ChangeType> = changes.changes.iter().map(|c| c.change).collect();
    assert_eq!(kinds, [ChangeType::Modified, ChangeType::Deleted]);
    assert_eq!(changes.changes[0].before.as_ref().expect("before").labels["app"], "web");
    assert!(!changes.more && changes.revision == changes.changes[1].revision);
    let scoped = watch("pods?watch=1&resourceVersion=1&fieldSelector=spec.nodeName%3Dn1").await;
    assert_eq!(scoped.changes.len(), 1, "the binding, and not the creation before it");
    for start in ["", "&resourceVersion=0"] {
        let all = watch(&format!("pods?watch=true{start}")).await;
        assert_eq!((all.changes.len(), all.changes[0].change), (1, ChangeType::Added));
        let none = watch(&format!("pods?watch=true{start}&fieldSelector=spec.nodeName%3Dn2")).await;
        assert!(none.changes.is_empty());
    }
}

#[tokio::test]
async fn other_paths_are_answered() {
    let cluster = Cluster::new().await;
    let version = cluster.get("/version").await.ok(200);
    assert_eq!((&version["major"], &version["minor"]), (&json!("1"), &json!("36")));
    assert_eq!(version["gitVersion"], kubus_proto::VERSION);
    for path in ["/readyz", "/livez", "/healthz"] {
        assert_eq!(cluster.get(path).await.ok(200), "ok");
    }
    assert_eq!(cluster.get("/kubus/status").await.ok(200)["leader"], 1);
    let answer = cluster.ask(Method::Get, "/version").identity("stranger").send().await;
    assert_eq!(answer.fails(403), "forbidden: User \"stranger\" cannot get path \"/version\"");
}
