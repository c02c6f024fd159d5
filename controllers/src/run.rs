//! The controllers at work: informers and heartbeats make keys, workers turn keys into plans, the executor acts.

use crate::api::ApiServer;
use crate::controller::{Controller, Observation};
use crate::executor::{Executor, Outcome};
use crate::informer::watch::Listener;
use crate::informer::{Caches, Change};
use crate::node_lifecycle::{self, heartbeats::Heartbeats};
use crate::object::Key;
use crate::plan::{Failure, Live, Now};
use crate::pod_gc::Absences;
use crate::queue::WorkQueue;
use crate::settings::Settings;
use crate::table::CONTROLLERS;
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use kubus_proto::heartbeat::Heartbeat;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

/// How often a plan may ask the API before it acts; more means that it asks for ever.
const LOOKUP_ROUNDS: usize = 4;
/// How often readiness of the caches is looked at while the first listings run.
const READY_CHECK: Duration = Duration::from_millis(20);
/// When it is said in the log what is still missing.
const READY_COMPLAINT: Duration = Duration::from_secs(5);

struct Lane {
    controller: &'static Controller,
    queue: Mutex<WorkQueue>,
    wake: Notify,
    failures: Mutex<HashMap<Key, Failure>>,
}

/// All controllers of this replica.
pub struct Runtime<A> {
    caches: Arc<Caches>,
    executor: Executor<A>,
    heartbeats: Heartbeats,
    absences: Absences,
    settings: Settings,
    lanes: Vec<Lane>,
    leading: watch::Receiver<bool>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<A: ApiServer> Runtime<A> {
    /// Controllers that see through `caches` and act through `executor` while `leading` holds true.
    pub fn new(
        caches: Arc<Caches>,
        executor: Executor<A>,
        leading: watch::Receiver<bool>,
        settings: Settings,
    ) -> Arc<Self> {
        let lane = |controller: &&'static Controller| Lane {
            controller,
            queue: Mutex::default(),
            wake: Notify::new(),
            failures: Mutex::default(),
        };
        Arc::new(Self {
            caches,
            executor,
            heartbeats: Heartbeats::new(settings.node_grace),
            absences: Absences::default(),
            settings,
            lanes: CONTROLLERS.iter().map(lane).collect(),
            leading,
        })
    }

    /// Runs the workers and follows the election until it ends. Dropping this ends the workers.
    pub async fn run(self: Arc<Self>) {
        let mut workers = JoinSet::new();
        for lane in 0..self.lanes.len() {
            for _ in 0..self.lanes[lane].controller.workers {
                let runtime = self.clone();
                workers.spawn(async move { runtime.work(lane).await });
            }
        }
        self.await_caches().await;
        let mut leading = self.leading.clone();
        loop {
            if leading.wait_for(|leads| *leads).await.is_err() {
                return;
            }
            self.begin();
            if leading.wait_for(|leads| !leads).await.is_err() {
                return;
            }
            tracing::info!("no longer leading");
            for lane in &self.lanes {
                lock(&lane.queue).clear();
            }
        }
    }

    async fn await_caches(&self) {
        let started = Instant::now();
        let mut complaints = 0;
        while !self.caches.are_ready() {
            tokio::time::sleep(READY_CHECK).await;
            if started.elapsed() > READY_COMPLAINT * (complaints + 1) {
                complaints += 1;
                tracing::warn!(missing = ?self.caches.missing(), "waiting for first listings");
            }
        }
        tracing::info!(elapsed_ms = started.elapsed().as_millis(), "caches are complete");
    }

    /// A new leader knows nothing of what the last one had in mind: it looks at everything once.
    fn begin(&self) {
        tracing::info!("leading");
        self.executor.forget_expectations();
        self.heartbeats.begin(self.executor.monotonic());
        for lane in &self.lanes {
            lock(&lane.queue).clear();
            lock(&lane.failures).clear();
        }
        for change in self.caches.everything() {
            self.enqueue(&change);
        }
        for lane in &self.lanes {
            for key in (lane.controller.first_keys)() {
                lock(&lane.queue).add(key);
            }
            lane.wake.notify_waiters();
        }
    }

    fn enqueue(&self, change: &Change) {
        for lane in &self.lanes {
            let keys = lane.controller.keys(&self.caches, change);
            if keys.is_empty() {
                continue;
            }
            let mut queue = lock(&lane.queue);
            for key in keys {
                queue.add(key);
                lane.wake.notify_one();
            }
        }
    }

    /// Takes in heartbeats until the stream ends.
    pub async fn hear(self: Arc<Self>, mut heartbeats: impl Stream<Item = Heartbeat> + Unpin) {
        let lane = self.lanes.iter().find(|l| l.controller.name == node_lifecycle::CONTROLLER.name);
        while let Some(heartbeat) = heartbeats.next().await {
            let key = Key::new("", &heartbeat.node);
            let news = self.heartbeats.hear(heartbeat, self.executor.monotonic());
            if let Some(lane) = lane.filter(|_| news && self.executor.is_leading()) {
                lock(&lane.queue).add(key);
                lane.wake.notify_one();
            }
        }
    }

    async fn work(&self, lane: usize) {
        let lane = &self.lanes[lane];
        loop {
            let key = self.next_key(lane).await;
            if self.executor.is_leading() {
                self.reconcile(lane, &key).await;
            }
            lock(&lane.queue).done(&key);
            lane.wake.notify_one();
        }
    }

    async fn next_key(&self, lane: &Lane) -> Key {
        loop {
            let woken = lane.wake.notified();
            let (key, deadline) = {
                let mut queue = lock(&lane.queue);
                let now = self.executor.monotonic();
                let key = queue.take(now);
                (key, queue.next_deadline().map(|at| at.saturating_sub(now)))
            };
            match (key, deadline) {
                (Some(key), _) => return key,
                (None, Some(delay)) => {
                    // Whichever comes first; the queue is asked again either way.
                    let _ = tokio::time::timeout(delay, woken).await;
                }
                (None, None) => woken.await,
            }
        }
    }

    async fn reconcile(&self, lane: &Lane, key: &Key) {
        let owner = (lane.controller.name, key.clone());
        let failure = lock(&lane.failures).get(key).cloned();
        let in_flight = self.executor.in_flight(&owner, self.caches.as_ref());
        let seed = rand::random();
        let mut live = Live::default();
        for _ in 0..LOOKUP_ROUNDS {
            let monotonic = self.executor.monotonic();
            let observation = Observation {
                now: Now { wall: Timestamp::now(), monotonic },
                caches: &self.caches,
                in_flight: &in_flight,
                live: &live,
                failure: failure.as_ref(),
                heartbeats: &self.heartbeats,
                absences: &self.absences,
                settings: &self.settings,
                seed,
            };
            let plan = (lane.controller.plan)(&observation, key);
            if !plan.lookups.is_empty() {
                if let Err(error) = self.executor.look_up(&plan.lookups, &mut live).await {
                    tracing::debug!(controller = lane.controller.name, %key, %error, "lookup failed");
                    lock(&lane.queue).retry(key.clone(), self.executor.monotonic());
                    return;
                }
                continue;
            }
            if !plan.steps.is_empty() {
                tracing::debug!(controller = lane.controller.name, %key, steps = plan.steps.len(), "acting");
            }
            let requeue_after = plan.requeue_after;
            let outcome = self.executor.carry_out(&owner, plan).await;
            self.settle(lane, key, outcome);
            let now = self.executor.monotonic();
            let expires = self.executor.in_flight(&owner, self.caches.as_ref()).expires;
            let mut queue = lock(&lane.queue);
            if let Some(delay) = requeue_after {
                queue.add_at(key.clone(), now + delay);
            }
            // A write that never shows up must not be waited for for ever.
            if let Some(at) = expires {
                queue.add_at(key.clone(), at);
            }
            return;
        }
        tracing::warn!(controller = lane.controller.name, %key, "a plan that only asks");
        lock(&lane.queue).retry(key.clone(), self.executor.monotonic());
    }

    fn settle(&self, lane: &Lane, key: &Key, outcome: Outcome) {
        let now = self.executor.monotonic();
        match outcome {
            Outcome::Done => {
                lock(&lane.queue).forget(key);
                if lock(&lane.failures).remove(key).is_some() {
                    // What the status says about the failure must go.
                    lock(&lane.queue).add(key.clone());
                }
            }
            Outcome::Conflict => lock(&lane.queue).retry(key.clone(), now),
            Outcome::Failed(failure) => {
                lock(&lane.failures).insert(key.clone(), failure);
                lock(&lane.queue).retry(key.clone(), now);
            }
            Outcome::NotLeading => {}
        }
    }
}

impl<A: ApiServer> Listener for Runtime<A> {
    fn monotonic(&self) -> Duration {
        self.executor.monotonic()
    }

    fn changed(&self, change: Change) {
        if self.executor.is_leading() {
            self.enqueue(&change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::informer::watch::take_in;
    use crate::recorder::Recorder;
    use crate::simulation::Fake;
    use k8s_openapi::api::apps::v1::ReplicaSet;
    use kube::runtime::watcher::Event;
    use kubus_proto::kinds::replica_set;
    use serde_json::json;

    fn set(name: &str) -> ReplicaSet {
        serde_json::from_value(json!({
            "metadata": {"namespace": "ns", "name": name, "uid": name, "resourceVersion": "1"},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": []}}},
            "status": {"replicas": 0, "terminatingReplicas": 0},
        }))
        .expect("set")
    }

    fn listed() -> Arc<Caches> {
        let caches = Caches::default();
        macro_rules! empty {
            ($($store:expr),*) => {$(
                $store.apply(Event::Init, Duration::ZERO);
                $store.apply(Event::InitDone, Duration::ZERO);
            )*};
        }
        empty!(caches.pods, caches.nodes, caches.namespaces, caches.deployments);
        empty!(caches.replica_sets, caches.replication_controllers);
        for store in caches.others.values() {
            empty!(store);
        }
        Arc::new(caches)
    }

    /// Lets every other task run until nothing is left to do at once.
    async fn rest() {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_standby_watches_and_only_the_leader_acts() {
        let (api, caches) = (Fake::default(), listed());
        assert!(caches.are_ready());
        let (elected, leading) = watch::channel(false);
        let (recorder, _events) = Recorder::new();
        let clock = Instant::now();
        let executor = Executor::new(api.clone(), leading.clone(), recorder, Arc::new(move || clock.elapsed()));
        let runtime = Runtime::new(caches.clone(), executor, leading, Settings::default());
        tokio::spawn(runtime.clone().run());
        let made = |prefix: &str| {
            let state = api.0.lock().expect("lock");
            state.actions.iter().filter(|a| a.starts_with(&format!("create pod {prefix}-"))).count()
        };
        let arrives = |name: &str| {
            let event = Event::Apply(set(name));
            take_in(&replica_set::ROW, &caches.replica_sets, &caches, runtime.as_ref(), event);
        };

        arrives("early");
        rest().await;
        assert_eq!(made("early"), 0, "a standby does nothing");
        elected.send_replace(true);
        rest().await;
        assert_eq!(made("early"), 1, "a new leader finds what was waiting");
        arrives("later");
        rest().await;
        assert_eq!((made("early"), made("later")), (1, 1), "its cache shows no pod yet, and none is made twice");
        elected.send_replace(false);
        arrives("late");
        rest().await;
        assert_eq!(made("late"), 0);
        elected.send_replace(true);
        rest().await;
        assert_eq!(made("late"), 1);
    }
}
