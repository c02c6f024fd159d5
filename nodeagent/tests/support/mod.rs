//! A small API server in memory, and what tests wait for.

#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses its part; a test may panic")]

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Event, Node, Pod, Secret};
use kubus_nodeagent::api::{ApiFailure, Change, NodeApi};
use kubus_nodeagent::pod::tokens::TokenNeed;
use kubus_proto::heartbeat::Heartbeat;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{broadcast, watch};

/// How long a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Default)]
pub struct Objects {
    pub pods: BTreeMap<String, Value>,
    pub nodes: BTreeMap<String, Value>,
    pub events: Vec<Value>,
    pub config_maps: BTreeMap<String, Value>,
    pub heartbeats: Vec<Heartbeat>,
    revision: u64,
}

/// The cluster's API, shared by all nodes of a test.
#[derive(Clone)]
pub struct FakeCluster {
    objects: Arc<Mutex<Objects>>,
    changed: watch::Sender<u64>,
    pods: broadcast::Sender<(bool, Arc<Value>)>,
    nodes: broadcast::Sender<(bool, Arc<Value>)>,
    pub offline: Arc<AtomicBool>,
    pub status_writes: Arc<AtomicU64>,
    pub tokens: Arc<AtomicU64>,
}

/// A token as far as agents look into one.
pub fn token(number: u64, start: i64, end: i64) -> String {
    use base64::Engine;
    let claims = json!({"iat": start, "exp": end, "jti": number}).to_string();
    format!("h.{}.s", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims))
}

impl FakeCluster {
    pub fn new() -> Self {
        Self {
            objects: Arc::default(),
            changed: watch::channel(0).0,
            pods: broadcast::channel(65_536).0,
            nodes: broadcast::channel(4_096).0,
            offline: Arc::default(),
            status_writes: Arc::default(),
            tokens: Arc::default(),
        }
    }

    pub fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap()
    }

    fn touch(&self, objects: &mut Objects, object: &mut Value) {
        objects.revision += 1;
        object["metadata"]["resourceVersion"] = json!(objects.revision.to_string());
        self.changed.send_replace(objects.revision);
    }

    /// Creates a pod that is bound to `node`; its uid.
    pub fn create_pod(&self, node: &str, name: &str, spec: Value) -> String {
        let mut objects = self.objects();
        let uid = uuid::Uuid::new_v4().to_string();
        let mut spec = spec;
        spec["nodeName"] = json!(node);
        let mut pod = json!({
            "metadata": {"name": name, "namespace": "default", "uid": uid, "generation": 1},
            "spec": spec,
            "status": {"phase": "Pending", "qosClass": "BestEffort",
                "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
        });
        self.touch(&mut objects, &mut pod);
        objects.pods.insert(name.to_owned(), pod.clone());
        let _ = self.pods.send((true, Arc::new(pod)));
        uid
    }

    /// What a user's delete does: the pod gets its deletion time.
    pub fn delete(&self, name: &str, grace_s: i64) {
        let mut objects = self.objects();
        let mut pod = objects.pods.get(name).unwrap().clone();
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(grace_s);
        self.touch(&mut objects, &mut pod);
        objects.pods.insert(name.to_owned(), pod.clone());
        let _ = self.pods.send((true, Arc::new(pod)));
    }

    /// What a forced delete does: the pod is gone at once.
    pub fn force_delete(&self, name: &str) {
        let mut objects = self.objects();
        if let Some(mut pod) = objects.pods.remove(name) {
            pod["metadata"]["deletionGracePeriodSeconds"] = json!(0);
            self.touch(&mut objects, &mut pod);
            let _ = self.pods.send((false, Arc::new(pod)));
        }
    }

    pub fn node(self: &FakeCluster, name: &str) -> Arc<FakeNode> {
        Arc::new(FakeNode { cluster: self.clone(), node: name.to_owned() })
    }

    pub fn pod(&self, name: &str) -> Option<Value> {
        self.objects().pods.get(name).cloned()
    }

    /// Waits until `found` finds something in the objects.
    pub async fn wait<T>(&self, what: &str, mut found: impl FnMut(&Objects) -> Option<T>) -> T {
        let mut changes = self.changed.subscribe();
        let waiting = async {
            loop {
                if let Some(found) = found(&self.objects()) {
                    return found;
                }
                changes.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(found) => found,
            Err(_) => {
                let objects = self.objects();
                panic!("no {what} in time; pods: {:#?}\nevents: {:#?}", objects.pods, brief(&objects.events));
            }
        }
    }

    pub async fn wait_pod<T>(&self, name: &str, what: &str, mut found: impl FnMut(&Value) -> Option<T>) -> T {
        self.wait(what, |objects| found(objects.pods.get(name)?)).await
    }

    pub async fn running(&self, name: &str) -> Value {
        self.wait_pod(name, "ready pod", |p| (condition(p, "Ready") == "True").then(|| p.clone())).await
    }

    pub async fn gone(&self, name: &str) {
        self.wait("end of the pod", |objects| (!objects.pods.contains_key(name)).then_some(())).await;
    }

    /// Messages of the events with `reason` about `name`.
    pub fn events(&self, name: &str, reason: &str) -> Vec<String> {
        let objects = self.objects();
        let mine = objects.events.iter().filter(|e| e["involvedObject"]["name"] == name && e["reason"] == reason);
        mine.map(|e| e["message"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

fn brief(events: &[Value]) -> Vec<String> {
    events.iter().map(|e| format!("{} {} x{}", e["reason"], e["message"], e["count"])).collect()
}

pub fn condition(pod: &Value, kind: &str) -> String {
    let all = pod["status"]["conditions"].as_array();
    let found = all.into_iter().flatten().find(|c| c["type"] == kind);
    found.and_then(|c| c["status"].as_str()).unwrap_or_default().to_owned()
}

/// Merges as strategic merge does where it matters here: conditions by type, addresses by value, other lists replaced.
fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in fields {
        let merge_key = match key.as_str() {
            "conditions" => Some("type"),
            "podIPs" | "hostIPs" => Some("ip"),
            _ => None,
        };
        match (merge_key, value) {
            (_, Value::Null) => {
                target.as_object_mut().unwrap().remove(key);
            }
            (Some(by), Value::Array(items)) => {
                let mut list = target[key].as_array().cloned().unwrap_or_default();
                for item in items {
                    let position = list.iter().position(|known| known[by] == item[by]);
                    match (position, item["$patch"] == "delete") {
                        (Some(at), true) => {
                            list.remove(at);
                        }
                        (Some(at), false) => merge(&mut list[at], item),
                        (None, true) => {}
                        (None, false) => list.push(item.clone()),
                    }
                }
                target[key] = Value::Array(list);
            }
            (_, value) => merge(&mut target[key], value),
        }
    }
}

/// The API as one node sees it.
pub struct FakeNode {
    pub cluster: FakeCluster,
    pub node: String,
}

impl FakeNode {
    fn online(&self) -> Result<(), ApiFailure> {
        if self.cluster.offline.load(Ordering::SeqCst) {
            Err(ApiFailure::Unavailable("the bus is cut".to_owned()))
        } else {
            Ok(())
        }
    }
}

fn changes<K: serde::de::DeserializeOwned + Send + 'static>(
    first: Vec<Value>,
    receiver: broadcast::Receiver<(bool, Arc<Value>)>,
    mine: impl Fn(&Value) -> bool + Send + 'static,
) -> BoxStream<'static, Change<K>> {
    let read = |v: Value| serde_json::from_value::<K>(v).unwrap();
    let all = stream::once(std::future::ready(Change::All(first.into_iter().map(read).collect())));
    let rest = stream::unfold((receiver, mine), move |(mut receiver, mine)| async move {
        loop {
            let (alive, object) = receiver.recv().await.ok()?;
            if mine(&object) {
                let object = read(Value::clone(&object));
                let change = if alive { Change::Applied(object) } else { Change::Deleted(object) };
                return Some((change, (receiver, mine)));
            }
        }
    });
    all.chain(rest).boxed()
}

impl NodeApi for FakeNode {
    fn watch_pods(&self) -> BoxStream<'static, Change<Pod>> {
        let objects = self.cluster.objects();
        let node = self.node.clone();
        let mine = move |p: &Value| p["spec"]["nodeName"] == json!(node);
        let first = objects.pods.values().filter(|p| mine(p)).cloned().collect();
        changes(first, self.cluster.pods.subscribe(), mine)
    }

    fn watch_node(&self) -> BoxStream<'static, Change<Node>> {
        let objects = self.cluster.objects();
        let node = self.node.clone();
        let mine = move |n: &Value| n["metadata"]["name"] == json!(node);
        let first = objects.nodes.values().filter(|n| mine(n)).cloned().collect();
        changes(first, self.cluster.nodes.subscribe(), mine)
    }

    fn patch_pod_status<'a>(
        &'a self,
        _namespace: &'a str,
        name: &'a str,
        patch: Value,
    ) -> BoxFuture<'a, Result<Pod, ApiFailure>> {
        async move {
            self.online()?;
            self.cluster.status_writes.fetch_add(1, Ordering::SeqCst);
            let mut objects = self.cluster.objects();
            let mut pod = objects.pods.get(name).cloned().ok_or(ApiFailure::Gone)?;
            if pod["metadata"]["uid"] != patch["metadata"]["uid"] {
                return Err(ApiFailure::Gone);
            }
            merge(&mut pod["status"], &patch["status"]);
            self.cluster.touch(&mut objects, &mut pod);
            objects.pods.insert(name.to_owned(), pod.clone());
            let _ = self.cluster.pods.send((true, Arc::new(pod.clone())));
            Ok(serde_json::from_value(pod).unwrap())
        }
        .boxed()
    }

    fn delete_pod<'a>(
        &'a self,
        _namespace: &'a str,
        name: &'a str,
        uid: &'a str,
    ) -> BoxFuture<'a, Result<(), ApiFailure>> {
        async move {
            self.online()?;
            let mut objects = self.cluster.objects();
            let mut pod =
                objects.pods.get(name).cloned().filter(|p| p["metadata"]["uid"] == uid).ok_or(ApiFailure::Gone)?;
            objects.pods.remove(name);
            self.cluster.touch(&mut objects, &mut pod);
            let _ = self.cluster.pods.send((false, Arc::new(pod)));
            Ok(())
        }
        .boxed()
    }

    fn config_map<'a>(
        &'a self,
        _namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<ConfigMap>, ApiFailure>> {
        let found = self.cluster.objects().config_maps.get(name).cloned();
        async move { Ok(found.map(|v| serde_json::from_value(v).unwrap())) }.boxed()
    }

    fn service_account_token<'a>(
        &'a self,
        _pod: &'a Pod,
        need: &'a TokenNeed,
    ) -> BoxFuture<'a, Result<String, ApiFailure>> {
        let count = self.cluster.tokens.fetch_add(1, Ordering::SeqCst) + 1;
        let end = jiff::Timestamp::now().as_second() + need.seconds;
        async move { Ok(token(count, end - need.seconds, end)) }.boxed()
    }

    fn secret<'a>(&'a self, _namespace: &'a str, _name: &'a str) -> BoxFuture<'a, Result<Option<Secret>, ApiFailure>> {
        async move { Ok(None) }.boxed()
    }

    fn create_event(&self, event: Event) -> BoxFuture<'_, Result<(), ApiFailure>> {
        async move {
            let mut objects = self.cluster.objects();
            let mut event = json!(event);
            self.cluster.touch(&mut objects, &mut event);
            objects.events.push(event);
            Ok(())
        }
        .boxed()
    }

    fn patch_event<'a>(
        &'a self,
        _namespace: &'a str,
        name: &'a str,
        patch: Value,
    ) -> BoxFuture<'a, Result<(), ApiFailure>> {
        async move {
            let mut objects = self.cluster.objects();
            let at = objects.events.iter().position(|e| e["metadata"]["name"] == name).ok_or(ApiFailure::Gone)?;
            let mut event = objects.events[at].clone();
            merge(&mut event, &patch);
            self.cluster.touch(&mut objects, &mut event);
            objects.events[at] = event;
            Ok(())
        }
        .boxed()
    }

    fn create_node(&self, node: Node) -> BoxFuture<'_, Result<(), ApiFailure>> {
        async move {
            self.online()?;
            let mut objects = self.cluster.objects();
            if objects.nodes.contains_key(&self.node) {
                return Err(ApiFailure::Exists);
            }
            let mut node = json!(node);
            node.as_object_mut().unwrap().remove("status");
            self.cluster.touch(&mut objects, &mut node);
            objects.nodes.insert(self.node.clone(), node.clone());
            let _ = self.cluster.nodes.send((true, Arc::new(node)));
            Ok(())
        }
        .boxed()
    }

    fn patch_node(&self, patch: Value) -> BoxFuture<'_, Result<(), ApiFailure>> {
        async move { self.patch_any_node(&patch) }.boxed()
    }

    fn patch_node_status(&self, patch: Value) -> BoxFuture<'_, Result<(), ApiFailure>> {
        async move { self.patch_any_node(&patch) }.boxed()
    }

    fn heartbeat(&self, heartbeat: Heartbeat) -> BoxFuture<'_, Result<(), ApiFailure>> {
        async move {
            let mut objects = self.cluster.objects();
            objects.heartbeats.push(heartbeat);
            objects.revision += 1;
            self.cluster.changed.send_replace(objects.revision);
            Ok(())
        }
        .boxed()
    }
}

impl FakeNode {
    fn patch_any_node(&self, patch: &Value) -> Result<(), ApiFailure> {
        self.online()?;
        let mut objects = self.cluster.objects();
        let mut node = objects.nodes.get(&self.node).cloned().ok_or(ApiFailure::Gone)?;
        merge(&mut node, patch);
        self.cluster.touch(&mut objects, &mut node);
        objects.nodes.insert(self.node.clone(), node.clone());
        let _ = self.cluster.nodes.send((true, Arc::new(node)));
        Ok(())
    }

    /// Deletes the node's object behind its agent's back.
    pub fn delete_node(&self) {
        let mut objects = self.cluster.objects();
        if let Some(mut node) = objects.nodes.remove(&self.node) {
            self.cluster.touch(&mut objects, &mut node);
            let _ = self.cluster.nodes.send((false, Arc::new(node)));
        }
    }
}
