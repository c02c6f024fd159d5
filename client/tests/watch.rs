//! Watches over a bus that loses, repeats and delays.
#![allow(clippy::unwrap_used)]

mod support;

use futures::StreamExt;
use kubus_client::watch::{EventType, WatchError, WatchEvent, watch};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::apiserver::Apiserver;
use support::{Nats, soon};

fn path(name: &str) -> String {
    format!("/api/v1/namespaces/default/pods/{name}")
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

/// Keeps what a watcher believes, and checks that nothing comes twice or out of order.
#[derive(Default)]
struct Believer {
    state: BTreeMap<String, Value>,
    revision: u64,
}

impl Believer {
    fn take(&mut self, event: WatchEvent) {
        let name = event.object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let revision = version(&event.object);
        match event.r#type {
            EventType::Bookmark => {
                assert!(revision >= self.revision);
                return;
            }
            EventType::Added => assert!(!self.state.contains_key(&name), "{name} was there"),
            EventType::Modified => assert!(self.state.contains_key(&name), "{name} was not there"),
            EventType::Deleted => assert!(self.state.remove(&name).is_some(), "{name} was not there"),
        }
        assert!(revision > self.revision, "{revision} after {}", self.revision);
        self.revision = revision;
        if event.r#type != EventType::Deleted {
            self.state.insert(name, event.object);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_informer_ends_with_exactly_the_servers_state() {
    let Some(mut nats) = Nats::start() else { return };
    let server = Apiserver::start(nats.port).await;
    server.bookmark_every(20);
    server.faults.lossy_percent.store(20, Ordering::SeqCst);
    let bus = nats.connect("admin").await;
    let queries =
        ["", "labelSelector=app%3Da", "fieldSelector=spec.nodeName%3Dn1", "fieldSelector=status.phase%3DRunning"];
    let mut watchers = Vec::new();
    for query in queries {
        let mut events = watch(&bus, "/api/v1/pods", query, Some("0").filter(|_| query.is_empty()));
        let (sender, receiver) = tokio::sync::watch::channel(BTreeMap::new());
        tokio::spawn(async move {
            let mut believer = Believer::default();
            while let Some(event) = events.next().await {
                believer.take(event.unwrap());
                sender.send_replace(believer.state.clone());
            }
        });
        watchers.push(receiver);
    }
    // Let every watch begin with an empty list, so that all of its events are changes.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut random = StdRng::seed_from_u64(3);
    for round in 0..600 {
        let name = format!("p{}", random.random_range(0..12));
        let exists = server.objects("pods").iter().find(|p| p["metadata"]["name"] == json!(name)).cloned();
        if exists.is_some() && random.random_bool(0.3) {
            server.delete(&path(&name)).await;
        } else {
            // A pod that is bound stays where it is.
            let bound = exists.as_ref().and_then(|p| p["spec"]["nodeName"].as_str()).filter(|n| !n.is_empty());
            let node = bound.map_or(["", "n1", "n2"][random.random_range(0..3)], |node| node);
            let (app, phase) =
                (["a", "b"][random.random_range(0..2)], ["Pending", "Running"][random.random_range(0..2)]);
            let pod = json!({"metadata": {"name": name, "labels": {"app": app}},
                "spec": {"nodeName": node}, "status": {"phase": phase}});
            server.put(&path(&name), pod).await;
        }
        match round {
            200 => nats.restart(),
            300 => drop(server.term.fetch_add(1, Ordering::SeqCst)),
            _ if round % 50 == 0 => tokio::time::sleep(Duration::from_millis(10)).await,
            _ => {}
        }
    }
    server.faults.lossy_percent.store(0, Ordering::SeqCst);
    let selected: [fn(&Value) -> bool; 4] = [
        |_| true,
        |p| p["metadata"]["labels"]["app"] == "a",
        |p| p["spec"]["nodeName"] == "n1",
        |p| p["status"]["phase"] == "Running",
    ];
    for ((mut watcher, selected), query) in watchers.into_iter().zip(selected).zip(queries) {
        let truth: BTreeMap<String, Value> = server
            .objects("pods")
            .into_iter()
            .filter(selected)
            .map(|p| (p["metadata"]["name"].as_str().unwrap().to_owned(), p))
            .collect();
        soon(query, watcher.wait_for(|state| *state == truth)).await.unwrap();
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn initial_events_end_with_a_bookmark() {
    let Some(nats) = Nats::start() else { return };
    let server = Apiserver::start(nats.port).await;
    let bus = nats.connect("admin").await;
    for i in 0..3 {
        server.put(&path(&format!("p{i}")), json!({"metadata": {}})).await;
    }
    let mut events = watch(
        &bus,
        "/api/v1/namespaces/default/pods",
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
        None,
    );
    for i in 0..3 {
        let event = soon("an initial event", events.next()).await.unwrap().unwrap();
        assert_eq!((event.r#type, &event.object["metadata"]["name"]), (EventType::Added, &json!(format!("p{i}"))));
        assert_eq!(event.object["kind"], "Pod");
    }
    let event = soon("the bookmark", events.next()).await.unwrap().unwrap();
    assert_eq!(event.r#type, EventType::Bookmark);
    assert_eq!(event.object["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    assert_eq!(version(&event.object), 3);
    server.put(&path("p9"), json!({"metadata": {}})).await;
    let event = soon("the next event", events.next()).await.unwrap().unwrap();
    assert_eq!((event.r#type, version(&event.object)), (EventType::Added, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_last_change_is_found_by_its_bookmark_and_a_lost_log_ends_the_watch() {
    let Some(nats) = Nats::start() else { return };
    let server = Apiserver::start(nats.port).await;
    let bus = nats.connect("admin").await;
    server.put(&path("z"), json!({"metadata": {}})).await;
    for query in ["", "fieldSelector=spec.nodeName%3Dn1"] {
        let from = server.objects("pods").iter().map(version).max().unwrap().to_string();
        let mut events = watch(&bus, "/api/v1/pods", query, Some(&from));
        assert!(tokio::time::timeout(Duration::from_millis(100), events.next()).await.is_err(), "nothing to tell");
        server.faults.lossy_percent.store(100, Ordering::SeqCst);
        server.put(&path("a"), json!({"metadata": {}, "spec": {"nodeName": "n1"}})).await;
        server.bookmark().await;
        let event = soon("the lost change", events.next()).await.unwrap().unwrap();
        assert_eq!(event.object["metadata"]["name"], "a", "{query}");

        server.put(&path("a"), json!({"metadata": {}, "spec": {"nodeName": "n1"}})).await;
        server.compact();
        server.bookmark().await;
        let error = soon("the log is too short", events.next()).await.unwrap().unwrap_err();
        assert!(matches!(&error, WatchError::Expired(error) if error.reason.code() == 410), "{error}");
        assert!(events.next().await.is_none());
        server.faults.lossy_percent.store(0, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_does_not_read_harms_no_other_and_catches_up() {
    let Some(nats) = Nats::start() else { return };
    let server = Apiserver::start(nats.port).await;
    let bus = nats.connect("admin").await;
    let mut lazy = watch(&bus, "/api/v1/pods", "", Some("0"));
    let mut keen = watch(&bus, "/api/v1/pods", "", Some("0"));
    server.put(&path("a"), json!({"metadata": {}})).await;
    for events in [&mut lazy, &mut keen] {
        soon("the first event", events.next()).await.unwrap().unwrap();
    }
    // More than is kept for those that do not take it.
    for round in 0..1_500 {
        server.put(&path("a"), json!({"metadata": {}, "spec": {"round": round}})).await;
        let event = soon("each event", keen.next()).await.unwrap().unwrap();
        assert_eq!(event.object["spec"]["round"], round);
    }
    for round in 0..1_500 {
        let event = soon("what was missed", lazy.next()).await.unwrap().unwrap();
        assert_eq!(event.object["spec"]["round"], round);
    }
}
