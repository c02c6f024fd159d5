//! For tests: an API server in memory, caches that lag behind it, and controllers stepped one plan at a time.

use crate::api::{ApiServer, CallError};
use crate::controller::{Controller, Observation};
use crate::executor::{Executor, Outcome};
use crate::informer::watch::{Listener, take_in};
use crate::informer::{Caches, Change};
use crate::node_lifecycle::heartbeats::Heartbeats;
use crate::object::{Key, timestamp};
use crate::plan::{Action, Failure, Found, Live, Lookup, Now, Propagation, Target};
use crate::pod_gc::Absences;
use crate::recorder::Recorder;
use crate::settings::Settings;
use crate::table::CONTROLLERS;
use jiff::Timestamp;
use kube::runtime::watcher::Event;
use kubus_proto::kinds::KIND_TABLE;
use kubus_proto::{ApiError, KindRow, Reason};
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

type Refusal = Box<dyn FnMut(&Action) -> Option<CallError> + Send>;

/// State of the simulated API server.
#[derive(Default)]
pub struct State {
    /// Objects by plural and key.
    pub objects: BTreeMap<(String, Key), Value>,
    /// Changes of each kind in order; `true` for a deletion.
    log: HashMap<String, Vec<(bool, Value)>>,
    revision: u64,
    uids: u64,
    /// Time of day in seconds.
    pub second: i64,
    /// Every action that was carried out or refused.
    pub actions: Vec<String>,
    /// Refuses actions before they are looked at.
    pub refusal: Option<Refusal>,
}

/// The simulated API server; clones share it.
#[derive(Clone, Default)]
pub struct Fake(pub Arc<Mutex<State>>);

fn refuse(reason: Reason, message: &str) -> CallError {
    CallError::Refused(ApiError::new(reason, message))
}

impl State {
    fn now(&self) -> String {
        timestamp(Timestamp::from_second(self.second).expect("time"))
    }

    fn store(&mut self, plural: &str, key: Key, mut object: Value) -> Value {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let metadata = &object["metadata"];
        let none_left = metadata["finalizers"].as_array().is_none_or(Vec::is_empty)
            && (plural != "namespaces" || object["spec"]["finalizers"].as_array().is_none_or(Vec::is_empty));
        let graceful = metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) > 0;
        let gone = !metadata["deletionTimestamp"].is_null() && none_left && !graceful;
        self.log.entry(plural.to_owned()).or_default().push((gone, object.clone()));
        if gone {
            self.objects.remove(&(plural.to_owned(), key));
        } else {
            self.objects.insert((plural.to_owned(), key), object.clone());
        }
        object
    }

    fn existing(&self, target: &Target) -> Result<Value, CallError> {
        let key = (target.row.plural.to_owned(), Key::new(&target.namespace, &target.name));
        let object = self.objects.get(&key).ok_or_else(|| refuse(Reason::NotFound, "not found"))?;
        let metadata = &object["metadata"];
        let wrong_uid = !target.uid.is_empty() && metadata["uid"] != target.uid.as_str();
        let wrong_version = target.resource_version.as_ref().is_some_and(|v| metadata["resourceVersion"] != v.as_str());
        if wrong_uid || wrong_version {
            return Err(refuse(Reason::Conflict, "the object has been modified"));
        }
        Ok(object.clone())
    }

    fn create(&mut self, row: &KindRow, namespace: &str, name: &str, object: &Value) -> Result<Value, CallError> {
        let key = Key::new(namespace, name);
        if self.objects.contains_key(&(row.plural.to_owned(), key.clone())) {
            return Err(refuse(Reason::AlreadyExists, "already exists"));
        }
        let home = self.objects.get(&("namespaces".to_owned(), Key::new("", namespace)));
        if home.is_some_and(|n| !n["metadata"]["deletionTimestamp"].is_null()) {
            return Err(refuse(Reason::Forbidden, "because it is being terminated"));
        }
        let mut object = object.clone();
        self.uids += 1;
        let metadata = &mut object["metadata"];
        metadata["uid"] = json!(format!("u{}", self.uids));
        metadata["name"] = json!(name);
        if row.namespaced {
            metadata["namespace"] = json!(namespace);
        }
        metadata["creationTimestamp"] = json!(self.now());
        metadata["generation"] = json!(1);
        if row.plural == "namespaces" {
            object["spec"]["finalizers"] = json!(["kubernetes"]);
        }
        if row.plural == "pods" && object["status"].is_null() {
            object["status"] = json!({"phase": "Pending"});
        }
        Ok(self.store(row.plural, key, object))
    }

    fn patch(&mut self, target: &Target, patch: &Value) -> Result<Value, CallError> {
        let old = self.existing(target)?;
        let mut new = old.clone();
        merge(&mut new, patch);
        if new == old {
            return Ok(old);
        }
        if new["spec"] != old["spec"] {
            new["metadata"]["generation"] = json!(old["metadata"]["generation"].as_i64().unwrap_or(0) + 1);
        }
        Ok(self.store(target.row.plural, Key::new(&target.namespace, &target.name), new))
    }

    fn delete(
        &mut self,
        target: &Target,
        grace: Option<u32>,
        propagation: Option<Propagation>,
    ) -> Result<Value, CallError> {
        let mut object = self.existing(target)?;
        let bound = object["spec"]["nodeName"].is_string() && target.row.plural == "pods";
        let graceful = bound && grace != Some(0);
        if !object["metadata"]["deletionTimestamp"].is_null() && graceful {
            return Ok(object);
        }
        let finalizer = match propagation {
            Some(Propagation::Foreground) => Some("foregroundDeletion"),
            Some(Propagation::Orphan) => Some("orphan"),
            Some(Propagation::Background) | None => None,
        };
        let now = self.now();
        let metadata = &mut object["metadata"];
        let mut finalizers = metadata["finalizers"].as_array().cloned().unwrap_or_default();
        if let Some(finalizer) = finalizer
            && !finalizers.contains(&json!(finalizer))
        {
            finalizers.push(json!(finalizer));
        }
        metadata["finalizers"] = json!(finalizers);
        metadata["deletionTimestamp"] = json!(now);
        metadata["deletionGracePeriodSeconds"] = json!(if graceful { 30 } else { 0 });
        Ok(self.store(target.row.plural, Key::new(&target.namespace, &target.name), object))
    }

    fn carry_out(&mut self, action: &Action) -> Result<Value, CallError> {
        match action {
            Action::Create { row, namespace, name, object } => self.create(row, namespace, name, object),
            Action::Patch { target, patch, .. } => self.patch(target, patch),
            Action::Delete { target, grace_seconds, propagation } => self.delete(target, *grace_seconds, *propagation),
            Action::DeleteAll { row, namespace } => {
                let content = |(plural, key): &&(String, Key)| *plural == row.plural && key.namespace == *namespace;
                let all: Vec<Key> = self.objects.keys().filter(content).map(|(_, key)| key.clone()).collect();
                for key in all {
                    let target = Target {
                        row,
                        namespace: key.namespace.clone(),
                        name: key.name.clone(),
                        uid: String::new(),
                        resource_version: None,
                    };
                    self.delete(&target, None, None)?;
                }
                Ok(Value::Null)
            }
            Action::Finalize { target, object } => {
                let mut new = self.existing(target)?;
                new["spec"]["finalizers"] = object["spec"]["finalizers"].clone();
                Ok(self.store(target.row.plural, Key::new(&target.namespace, &target.name), new))
            }
        }
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().expect("object").remove(key);
        } else {
            merge(&mut target[key], value);
        }
    }
}

/// One line that says what an action does.
pub fn describe(action: &Action) -> String {
    match action {
        Action::Create { row, name, .. } => format!("create {} {name}", row.singular),
        Action::Patch { target, subresource: "", .. } => format!("patch {} {}", target.row.singular, target.name),
        Action::Patch { target, subresource, .. } => {
            format!("patch {} {} {subresource}", target.row.singular, target.name)
        }
        Action::Delete { target, .. } => format!("delete {} {}", target.row.singular, target.name),
        Action::DeleteAll { row, namespace } => format!("delete all {} in {namespace}", row.plural),
        Action::Finalize { target, .. } => format!("finalize {}", target.name),
    }
}

impl ApiServer for Fake {
    async fn write(&self, action: &Action) -> Result<Value, CallError> {
        let mut state = self.0.lock().expect("lock");
        state.actions.push(describe(action));
        let refused = state.refusal.as_mut().and_then(|refuse| refuse(action));
        match refused {
            // No answer does not mean that nothing was done.
            Some(error @ CallError::NoAnswer(_)) => {
                let _ = state.carry_out(action);
                Err(error)
            }
            Some(error) => Err(error),
            None => state.carry_out(action),
        }
    }

    async fn look_up(&self, lookup: &Lookup) -> Result<Found, CallError> {
        let state = self.0.lock().expect("lock");
        Ok(match lookup {
            Lookup::Object { row, namespace, name } => state
                .objects
                .get(&(row.plural.to_owned(), Key::new(namespace, name)))
                .map_or(Found::Missing, |o| Found::Object(o.clone())),
            Lookup::Content { row, namespace } => Found::Content {
                items: state
                    .objects
                    .iter()
                    .filter(|((plural, key), _)| *plural == row.plural && key.namespace == *namespace)
                    .map(|(_, o)| serde_json::from_value(o["metadata"].clone()).expect("metadata"))
                    .collect(),
                more: 0,
            },
        })
    }
}

fn seconds(clock: &AtomicU64) -> Duration {
    Duration::from_secs(clock.load(Ordering::Relaxed))
}

/// Collects the keys that changes make work for.
struct Collector {
    caches: Arc<Caches>,
    controllers: Vec<&'static Controller>,
    dirty: Mutex<BTreeSet<(usize, Key)>>,
}

impl Listener for Collector {
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn changed(&self, change: Change) {
        let mut dirty = self.dirty.lock().expect("lock");
        for (i, controller) in self.controllers.iter().enumerate() {
            dirty.extend(controller.keys(&self.caches, &change).into_iter().map(|key| (i, key)));
        }
    }
}

/// A cluster in one thread, stepped by a test.
pub struct Simulation {
    /// The API server.
    pub api: Fake,
    /// What the controllers see.
    pub caches: Arc<Caches>,
    /// Signs of life.
    pub heartbeats: Heartbeats,
    /// Flags.
    pub settings: Settings,
    clock: Arc<AtomicU64>,
    executor: Executor<Fake>,
    collector: Collector,
    delivered: HashMap<&'static str, usize>,
    failures: HashMap<(usize, Key), Failure>,
    later: BTreeSet<(Duration, usize, Key)>,
    events: mpsc::Receiver<crate::plan::EventDraft>,
    absences: Absences,
    /// Kept so that the election does not end.
    _leading: watch::Sender<bool>,
    seed: u64,
}

impl Simulation {
    /// An empty cluster with the controllers of these names, all of them where none is named.
    pub fn new(names: &[&str]) -> Self {
        let controllers: Vec<_> =
            CONTROLLERS.iter().copied().filter(|c| names.is_empty() || names.contains(&c.name)).collect();
        let api = Fake::default();
        api.0.lock().expect("lock").second = 1_000;
        let caches = Arc::new(Caches::default());
        let clock = Arc::new(AtomicU64::new(0));
        let ticking = clock.clone();
        let (leading, is_leading) = watch::channel(true);
        let (recorder, events) = Recorder::new();
        Self {
            executor: Executor::new(api.clone(), is_leading, recorder, Arc::new(move || seconds(&ticking))),
            clock,
            collector: Collector { caches: caches.clone(), controllers, dirty: Mutex::default() },
            api,
            caches,
            heartbeats: Heartbeats::new(Duration::from_secs(10)),
            settings: Settings::default(),
            delivered: HashMap::new(),
            failures: HashMap::new(),
            later: BTreeSet::new(),
            events,
            absences: Absences::default(),
            _leading: leading,
            seed: 1,
        }
    }

    /// Monotonic time.
    pub fn monotonic(&self) -> Duration {
        seconds(&self.clock)
    }

    /// Makes an object.
    pub fn create(&self, row: &'static KindRow, object: Value) -> Value {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]));
        self.api.0.lock().expect("lock").create(row, &namespace, &name, &object).expect("created")
    }

    /// Patches an object, without preconditions.
    pub fn patch(&self, row: &'static KindRow, namespace: &str, name: &str, patch: Value) -> Value {
        let target = target(row, namespace, name);
        self.api.0.lock().expect("lock").patch(&target, &patch).expect("patched")
    }

    /// Deletes an object.
    pub fn delete(&self, row: &'static KindRow, namespace: &str, name: &str, propagation: Option<Propagation>) {
        let target = target(row, namespace, name);
        self.api.0.lock().expect("lock").delete(&target, None, propagation).expect("deleted");
    }

    /// An object as the API has it.
    pub fn get(&self, row: &KindRow, namespace: &str, name: &str) -> Option<Value> {
        let state = self.api.0.lock().expect("lock");
        state.objects.get(&(row.plural.to_owned(), Key::new(namespace, name))).cloned()
    }

    /// All objects of a kind as the API has them.
    pub fn list(&self, row: &KindRow) -> Vec<Value> {
        let state = self.api.0.lock().expect("lock");
        state.objects.iter().filter(|((plural, _), _)| plural == row.plural).map(|(_, o)| o.clone()).collect()
    }

    /// Actions sent since the last call.
    pub fn take_actions(&self) -> Vec<String> {
        std::mem::take(&mut self.api.0.lock().expect("lock").actions)
    }

    /// Messages of events since the last call.
    pub fn take_events(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.events.try_recv().ok()).map(|e| format!("{} {}", e.reason, e.message)).collect()
    }

    /// Lets time pass on both clocks.
    pub fn pass(&mut self, seconds: u64) {
        self.api.0.lock().expect("lock").second += i64::try_from(seconds).expect("short");
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Lets the caches of one kind see one more change. False where they have seen all.
    pub fn deliver(&mut self, row: &'static KindRow) -> bool {
        let at = self.delivered.entry(row.plural).or_default();
        let next = {
            let state = self.api.0.lock().expect("lock");
            state.log.get(row.plural).and_then(|log| log.get(*at)).cloned()
        };
        let Some((gone, object)) = next else {
            return false;
        };
        *at += 1;
        let (caches, listener) = (self.caches.as_ref(), &self.collector);
        macro_rules! feed {
            ($store:expr) => {{
                let object = serde_json::from_value(object).expect("typed object");
                take_in(row, $store, caches, listener, if gone { Event::Delete(object) } else { Event::Apply(object) });
            }};
        }
        match row.plural {
            "pods" => feed!(&caches.pods),
            "nodes" => feed!(&caches.nodes),
            "namespaces" => feed!(&caches.namespaces),
            "replicasets" => feed!(&caches.replica_sets),
            "replicationcontrollers" => feed!(&caches.replication_controllers),
            "deployments" => feed!(&caches.deployments),
            other => feed!(&caches.others[other]),
        }
        true
    }

    /// Lets the caches see everything.
    pub fn deliver_all(&mut self) {
        for &row in KIND_TABLE {
            while self.deliver(row) {}
        }
    }

    /// Keys that must be looked at, with those whose time has come.
    pub fn dirty(&mut self) -> Vec<(usize, Key)> {
        let now = seconds(&self.clock);
        let mut dirty = self.collector.dirty.lock().expect("lock");
        while let Some((at, controller, key)) = self.later.first().cloned() {
            if at > now {
                break;
            }
            self.later.pop_first();
            dirty.insert((controller, key));
        }
        dirty.iter().cloned().collect()
    }

    /// Wants a key of the controller of that name looked at.
    pub fn want(&mut self, name: &str, key: Key) {
        let i = self.collector.controllers.iter().position(|c| c.name == name).expect("controller");
        self.collector.dirty.lock().expect("lock").insert((i, key));
    }

    /// Plans and acts once for one key.
    pub fn reconcile(&mut self, index: usize, key: &Key) -> Outcome {
        let id = (index, key.clone());
        self.collector.dirty.lock().expect("lock").remove(&id);
        let controller = self.collector.controllers[index];
        let owner = (controller.name, key.clone());
        let in_flight = self.executor.in_flight(&owner, self.caches.as_ref());
        let second = self.api.0.lock().expect("lock").second;
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut live = Live::default();
        for _ in 0..4 {
            let observation = Observation {
                now: Now { wall: Timestamp::from_second(second).expect("time"), monotonic: seconds(&self.clock) },
                caches: &self.caches,
                in_flight: &in_flight,
                live: &live,
                failure: self.failures.get(&id),
                heartbeats: &self.heartbeats,
                absences: &self.absences,
                settings: &self.settings,
                seed: self.seed >> 16,
            };
            let plan = (controller.plan)(&observation, key);
            if !plan.lookups.is_empty() {
                futures::executor::block_on(self.executor.look_up(&plan.lookups, &mut live)).expect("answered");
                continue;
            }
            if let Some(delay) = plan.requeue_after {
                self.later.insert((seconds(&self.clock) + delay, index, key.clone()));
            }
            let outcome = futures::executor::block_on(self.executor.carry_out(&owner, plan));
            if let Some(at) = self.executor.in_flight(&owner, self.caches.as_ref()).expires {
                self.later.insert((at, index, key.clone()));
            }
            match &outcome {
                Outcome::Done => {
                    if self.failures.remove(&id).is_some() {
                        self.collector.dirty.lock().expect("lock").insert(id);
                    }
                }
                Outcome::Conflict => {
                    self.collector.dirty.lock().expect("lock").insert(id);
                }
                Outcome::Failed(failure) => {
                    self.failures.insert(id.clone(), failure.clone());
                    self.collector.dirty.lock().expect("lock").insert(id);
                }
                Outcome::NotLeading => {}
            }
            return outcome;
        }
        panic!("{} only asks", controller.name);
    }

    /// Lets caches and controllers run until nothing is left to do.
    pub fn settle(&mut self) {
        for _ in 0..10_000 {
            self.deliver_all();
            let Some((index, key)) = self.dirty().into_iter().next() else {
                return;
            };
            self.reconcile(index, &key);
        }
        panic!(
            "the controllers do not come to rest: {:?}",
            self.take_actions().iter().rev().take(9).collect::<Vec<_>>()
        );
    }

    /// One thing that could happen next: a change arrives at the caches, or a controller looks at a key.
    pub fn random_step(&mut self, random: &mut StdRng) {
        let dirty = self.dirty();
        if dirty.is_empty() || random.random_bool(0.6) {
            let row = KIND_TABLE[random.random_range(0..KIND_TABLE.len())];
            self.deliver(row);
        } else {
            let (index, key) = dirty[random.random_range(0..dirty.len())].clone();
            self.reconcile(index, &key);
        }
    }

    /// What node agents do to one pod: bind it, start it, or let it go.
    pub fn tend(&mut self, pod: &Value, node: &str) {
        let row = &kubus_proto::kinds::pod::ROW;
        let metadata = &pod["metadata"];
        let (namespace, name) = (metadata["namespace"].as_str().expect("ns"), metadata["name"].as_str().expect("name"));
        if !metadata["deletionTimestamp"].is_null() {
            let mut state = self.api.0.lock().expect("lock");
            state.delete(&target(row, namespace, name), Some(0), None).expect("deleted");
        } else if pod["spec"]["nodeName"].is_null() {
            self.patch(row, namespace, name, json!({"spec": {"nodeName": node}}));
        } else if pod["status"]["conditions"].is_null() {
            let second = self.api.0.lock().expect("lock").second;
            self.patch(row, namespace, name, running(second));
        }
    }

    /// Tends every pod until none needs it, and settles the controllers in between.
    pub fn run_to_completion(&mut self) {
        for _ in 0..1_000 {
            self.settle();
            let before = self.api.0.lock().expect("lock").revision;
            for pod in self.list(&kubus_proto::kinds::pod::ROW) {
                self.tend(&pod, "n1");
            }
            if self.api.0.lock().expect("lock").revision == before {
                return;
            }
        }
        panic!("pods do not come to rest");
    }
}

/// Status of a pod that is ready since `second`.
pub fn running(second: i64) -> Value {
    let since = timestamp(Timestamp::from_second(second).expect("time"));
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": since});
    json!({"status": {"phase": "Running", "conditions": [condition("PodScheduled"), condition("Ready")]}})
}

fn target(row: &'static KindRow, namespace: &str, name: &str) -> Target {
    Target { row, namespace: namespace.to_owned(), name: name.to_owned(), uid: String::new(), resource_version: None }
}
