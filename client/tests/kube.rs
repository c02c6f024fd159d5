//! kube-rs over the bus: requests, errors, watches and reflectors as any Kubernetes client uses them.
#![allow(clippy::unwrap_used)]

mod support;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::{reflector, watcher};
use serde_json::json;
use support::apiserver::Apiserver;
use support::{Nats, eventually, soon};

fn config_map(name: &str, value: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name, "labels": {"v": value}}, "data": {"v": value}})).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_made_read_changed_and_removed() {
    let Some(nats) = Nats::start() else { return };
    let _server = Apiserver::start(nats.port).await;
    let maps: Api<ConfigMap> = Api::namespaced(nats.connect("admin").await.kube(), "default");
    let made = maps.create(&PostParams::default(), &config_map("é-a", "1")).await.unwrap();
    assert_eq!(made.metadata.resource_version.as_deref(), Some("1"));
    let error = maps.create(&PostParams::default(), &config_map("é-a", "1")).await.unwrap_err();
    assert!(matches!(&error, kube::Error::Api(status) if status.code == 409 && status.reason == "AlreadyExists"));
    assert_eq!(maps.get("é-a").await.unwrap().data.unwrap()["v"], "1");
    assert!(maps.get_opt("b").await.unwrap().is_none());
    let patch = Patch::Merge(json!({"data": {"w": "2"}}));
    let patched = maps.patch("é-a", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(patched.data.unwrap().len(), 2);
    let error = maps.replace("é-a", &PostParams::default(), &made).await.unwrap_err();
    assert!(matches!(&error, kube::Error::Api(status) if status.is_conflict()), "{error}");
    for i in 0..7 {
        maps.create(&PostParams::default(), &config_map(&format!("m{i}"), "1")).await.unwrap();
    }
    let page = maps.list(&ListParams::default().labels("v=1").limit(5)).await.unwrap();
    assert_eq!((page.items.len(), page.metadata.continue_.as_deref()), (5, Some("5")));
    maps.delete("é-a", &DeleteParams::default()).await.unwrap();
    assert_eq!(maps.list(&ListParams::default()).await.unwrap().items.len(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_is_a_stream_of_lines() {
    let Some(nats) = Nats::start() else { return };
    let server = Apiserver::start(nats.port).await;
    server.bookmark_every(50);
    let client = nats.connect("admin").await.kube();
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let first = maps.create(&PostParams::default(), &config_map("a", "1")).await.unwrap();
    let from = first.metadata.resource_version.unwrap();
    let mut events = maps.watch(&WatchParams::default().labels("v=1"), &from).await.unwrap().boxed();
    server.put("/api/v1/namespaces/default/configmaps/b", json!(config_map("b", "1"))).await;
    server.put("/api/v1/namespaces/other/configmaps/b", json!(config_map("b", "1"))).await;
    server.put("/api/v1/namespaces/default/configmaps/b", json!(config_map("b", "2"))).await;
    server.delete("/api/v1/namespaces/default/configmaps/a").await;
    let mut heard = Vec::new();
    while heard.len() < 3 {
        heard.push(match soon("an event", events.try_next()).await.unwrap().unwrap() {
            WatchEvent::Added(map) => format!("added {}", map.metadata.name.unwrap()),
            WatchEvent::Modified(map) => format!("modified {}", map.metadata.name.unwrap()),
            WatchEvent::Deleted(map) => format!("deleted {}", map.metadata.name.unwrap()),
            WatchEvent::Bookmark(_) => continue,
            WatchEvent::Error(error) => panic!("{error:?}"),
        });
    }
    assert_eq!(heard, ["added b", "deleted b", "deleted a"]);

    server.compact();
    let mut events = maps.watch(&WatchParams::default(), "1").await.unwrap().boxed();
    let event = soon("the error", events.try_next()).await.unwrap().unwrap();
    assert!(matches!(&event, WatchEvent::Error(error) if error.code == 410), "{event:?}");
    assert!(soon("the end", events.try_next()).await.unwrap().is_none());
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_ends_in_order_after_its_time_and_a_bad_one_is_refused() {
    let Some(nats) = Nats::start() else { return };
    let server = Apiserver::start(nats.port).await;
    let maps: Api<ConfigMap> = Api::all(nats.connect("admin").await.kube());
    server.put("/api/v1/namespaces/default/configmaps/a", json!(config_map("a", "1"))).await;
    let mut events = maps.watch(&WatchParams::default().timeout(1), "0").await.unwrap().boxed();
    assert!(matches!(soon("the object", events.try_next()).await.unwrap(), Some(WatchEvent::Added(_))));
    server.put("/api/v1/namespaces/default/pods/other", json!({"metadata": {}})).await;
    server.bookmark().await;
    let bookmark = soon("the bookmark", events.try_next()).await.unwrap();
    assert!(matches!(&bookmark, Some(WatchEvent::Bookmark(b)) if b.metadata.resource_version == "2"), "{bookmark:?}");
    assert!(soon("the end", events.try_next()).await.unwrap().is_none());
    let error = maps.watch(&WatchParams::default().fields("spec.image=x"), "0").await.err().unwrap();
    assert!(matches!(&error, kube::Error::Api(status) if status.code == 400), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reflectors_follow_through_lists_streams_and_reconnects() {
    let Some(mut nats) = Nats::start() else { return };
    let server = Apiserver::start(nats.port).await;
    server.bookmark_every(50);
    let client = nats.connect("node:n1").await.kube();
    let pod =
        |name: &str, node: &str| json!({"metadata": {"name": name}, "spec": {"nodeName": node, "containers": []}});
    server.put("/api/v1/namespaces/default/pods/a", pod("a", "n1")).await;
    server.put("/api/v1/namespaces/default/pods/b", pod("b", "n2")).await;
    let pods: Api<Pod> = Api::all(client);
    let stores: Vec<_> = [watcher::Config::default(), watcher::Config::default().streaming_lists()]
        .into_iter()
        .map(|config| {
            let (store, writer) = reflector::store();
            let events = watcher(pods.clone(), config.fields("spec.nodeName=n1"));
            tokio::spawn(reflector(writer, events).for_each(|_| std::future::ready(())));
            store
        })
        .collect();
    let names = |store: &reflector::Store<Pod>| {
        let mut names: Vec<_> = store.state().iter().map(|pod| pod.metadata.name.clone().unwrap()).collect();
        names.sort();
        names.join(" ")
    };
    let all = |expected: &str| stores.iter().all(|store| names(store) == expected);
    eventually("the list", || all("a")).await;
    server.put("/api/v1/namespaces/default/pods/c", pod("c", "")).await;
    server.put("/api/v1/namespaces/default/pods/c", pod("c", "n1")).await;
    server.put("/api/v1/namespaces/default/pods/d", pod("d", "n2")).await;
    eventually("a pod is bound", || all("a c")).await;
    nats.kill();
    server.put("/api/v1/namespaces/default/pods/e", pod("e", "n1")).await;
    server.delete("/api/v1/namespaces/default/pods/a").await;
    nats.restart();
    eventually("what happened meanwhile", || all("c e")).await;
    server.stop();
}
