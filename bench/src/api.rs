//! The API of three apiservers: creates, gets, lists, watch fan-out, memory.

use crate::etcd::{Peer, VALUE_BYTES};
use crate::figures::{Figure, print_value};
use crate::load;
use anyhow::bail;
use futures::StreamExt;
use kubus_client::Bus;
use kubus_proto::request::Method;
use kubus_proto::server_status::{STATUS_PATH, ServerStatus};
use kubus_proto::{ApiRequest, codec};
use kubus_tests::Cluster;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A part of the figures, for work on that part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Only {
    /// Creates beside etcd's puts.
    Creates,
    /// Pod starts beside bare docker.
    Pods,
}

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
/// Objects that memory is measured at.
const OBJECTS: u64 = 20_000;
/// Objects of a measured list.
const LIST_OBJECTS: u64 = 500;
/// Changes made under each number of watchers.
const WATCHED_CHANGES: u64 = 2_000;
/// Silence after which all watchers have seen what there is.
const QUIET: Duration = Duration::from_millis(500);
/// Connections that many watchers are spread over.
const WATCH_CONNECTIONS: usize = 10;

/// Measures the API beside `peer`.
pub async fn measure(span: Duration, peer: &Peer, control_planes: u8, only: Option<Only>) -> anyhow::Result<()> {
    println!("\nkubus, {control_planes} apiserver(s) on this machine, synced to disk");
    let cluster = Cluster::up(&["--control-planes", &control_planes.to_string(), "--nodes", "0", "--runtime", "sim"]);
    let bus = cluster.bus().await;
    for (server, status) in statuses(&bus).await? {
        print_value(&format!("apiserver-{server}: memory, idle"), megabytes(status.memory_bytes));
    }
    create(&bus, "one", 1, span).await?.print("kubus: creates of 700 B, 1 client", Some(&peer.put_1));
    let get = {
        let bus = bus.clone();
        move |_, _| expect_ok(bus.clone(), ApiRequest::new(Method::Get, format!("{CONFIG_MAPS}/one-0")))
    };
    load::run(1, span, get).await?.print("kubus: gets, 1 client", None);
    create(&bus, "many", 64, span).await?.print("kubus: creates of 700 B, 64 clients", Some(&peer.put_64));
    let get = {
        let bus = bus.clone();
        move |_, _| expect_ok(bus.clone(), ApiRequest::new(Method::Get, format!("{CONFIG_MAPS}/one-0")))
    };
    if only == Some(Only::Creates) {
        return Ok(());
    }
    load::run(64, span, get).await?.print("kubus: gets, 64 clients", Some(&peer.get_64));
    let local = {
        let bus = bus.clone();
        move |_, _| {
            let request = ApiRequest {
                query: "resourceVersion=0".into(),
                ..ApiRequest::new(Method::Get, format!("{CONFIG_MAPS}/one-0"))
            };
            expect_ok(bus.clone(), request)
        }
    };
    load::run(64, span, local).await?.print("kubus: gets at resourceVersion=0", Some(&peer.get_64));
    lists(&bus, span).await?;
    for watchers in [1, 100, 1_000] {
        fan_out(&cluster, &bus, watchers).await?;
    }
    memory(&bus).await
}

async fn expect_ok(bus: Bus, request: ApiRequest) -> anyhow::Result<()> {
    let response = bus.request(request).await?;
    if response.code >= 300 {
        let status: Value = codec::decode(&response.body)?;
        bail!("{}: {}", response.code, status["message"]);
    }
    Ok(())
}

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"text": "x".repeat(VALUE_BYTES)}})
}

async fn create_one(bus: Bus, namespace: &str, name: String) -> anyhow::Result<()> {
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    let body = codec::encode(&config_map(&name))?.into();
    expect_ok(bus, ApiRequest { body, ..ApiRequest::new(Method::Post, path) }).await
}

async fn create(bus: &Bus, prefix: &'static str, clients: usize, span: Duration) -> anyhow::Result<Figure> {
    let bus = bus.clone();
    load::run(clients, span, move |_, i| create_one(bus.clone(), "default", format!("{prefix}-{i}"))).await
}

/// Every apiserver's view of itself: asked until every member has answered.
async fn statuses(bus: &Bus) -> anyhow::Result<BTreeMap<u64, ServerStatus>> {
    let mut all = BTreeMap::new();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let response = bus.request(ApiRequest::new(Method::Get, STATUS_PATH)).await?;
        let status: ServerStatus = codec::decode(&response.body)?;
        let members = status.members.len();
        all.insert(status.id, status);
        if all.len() >= members || Instant::now() >= deadline {
            return Ok(all);
        }
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

async fn namespace(bus: &Bus, name: &str) -> anyhow::Result<()> {
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let body = codec::encode(&object)?.into();
    expect_ok(bus.clone(), ApiRequest { body, ..ApiRequest::new(Method::Post, "/api/v1/namespaces") }).await
}

async fn lists(bus: &Bus, span: Duration) -> anyhow::Result<()> {
    namespace(bus, "lists").await?;
    for i in 0..LIST_OBJECTS {
        create_one(bus.clone(), "lists", format!("c{i}")).await?;
    }
    let bus = bus.clone();
    let list = move |_, _| expect_ok(bus.clone(), ApiRequest::new(Method::Get, "/api/v1/namespaces/lists/configmaps"));
    load::run(8, span, list).await?.print("kubus: lists of 500, 8 clients", None);
    Ok(())
}

async fn fan_out(cluster: &Cluster, bus: &Bus, watchers: usize) -> anyhow::Result<()> {
    let name = format!("watched-{watchers}");
    namespace(bus, &name).await?;
    let seen = Arc::new(AtomicU64::new(0));
    let mut buses = Vec::new();
    for _ in 0..watchers.min(WATCH_CONNECTIONS) {
        buses.push(cluster.bus().await);
    }
    let path = format!("/api/v1/namespaces/{name}/configmaps");
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..watchers {
        let (bus, path, seen) = (buses[i % buses.len()].clone(), path.clone(), seen.clone());
        let mut events = kubus_client::watch::watch(&bus, &path, "", None);
        tasks.spawn(async move {
            while let Some(Ok(_)) = events.next().await {
                seen.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    // Every watcher is there when it has seen a first change: what opening costs is not counted.
    while seen.load(Ordering::Relaxed) < watchers as u64 {
        let marker = seen.load(Ordering::Relaxed);
        create_one(bus.clone(), &name, format!("marker-{marker}-{}", started_ms())).await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    quiet(&seen).await;
    seen.store(0, Ordering::Relaxed);
    let before = cpu(bus).await?;
    let started = Instant::now();
    let creates = (0..WATCHED_CHANGES).map(|i| create_one(bus.clone(), &name, format!("c{i}")));
    futures::stream::iter(creates).buffer_unordered(16).for_each(|done| async { drop(done) }).await;
    let expected = WATCHED_CHANGES * watchers as u64;
    let deadline = Instant::now() + Duration::from_secs(60);
    while seen.load(Ordering::Relaxed) < expected && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = started.elapsed();
    let used = cpu(bus).await?.saturating_sub(before);
    let got = seen.load(Ordering::Relaxed);
    print_value(
        &format!("watch fan-out, {watchers} watcher(s)"),
        format!(
            "{got} of {expected} events in {:.2} s ({:.0}/s); CPU of the three apiservers per change {} µs",
            took.as_secs_f64(),
            got as f64 / took.as_secs_f64(),
            used / WATCHED_CHANGES
        ),
    );
    Ok(())
}

fn started_ms() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_millis()
}

/// Waits until nothing has been seen for a while.
async fn quiet(seen: &AtomicU64) {
    let mut last = u64::MAX;
    while seen.load(Ordering::Relaxed) != last {
        last = seen.load(Ordering::Relaxed);
        tokio::time::sleep(QUIET).await;
    }
}

async fn cpu(bus: &Bus) -> anyhow::Result<u64> {
    Ok(statuses(bus).await?.values().map(|s| s.cpu_us).sum())
}

async fn memory(bus: &Bus) -> anyhow::Result<()> {
    let count = |list: &Value| list["items"].as_array().map_or(0, Vec::len) as u64;
    let response = bus.request(ApiRequest::new(Method::Get, "/api/v1/configmaps")).await?;
    let there = count(&codec::decode(&response.body)?);
    namespace(bus, "memory").await?;
    let creates = (there..OBJECTS).map(|i| create_one(bus.clone(), "memory", format!("c{i}")));
    futures::stream::iter(creates).buffer_unordered(64).for_each(|done| async { drop(done) }).await;
    for (server, status) in statuses(bus).await? {
        print_value(
            &format!("apiserver-{server}: memory, {} objects", there.max(OBJECTS)),
            megabytes(status.memory_bytes),
        );
    }
    Ok(())
}
