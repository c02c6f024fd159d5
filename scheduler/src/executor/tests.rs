//! The executor against an API in memory, in virtual time.

use super::*;
use crate::fixtures::{PodFixture, node, pod};
use crate::recorder::EventWrite;
use crate::scheduler::Change;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// What the API does with bindings.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Works,
    /// Does the work, but takes its time.
    Slow,
    /// Says that another has bound the pods.
    Conflicts,
    /// Loses the answer after the work.
    Forgets,
}

struct State {
    mood: Mood,
    bound: BTreeMap<String, String>,
    batches: Vec<usize>,
    conditions: Vec<ConditionWrite>,
    events: Vec<EventWrite>,
}

#[derive(Clone)]
struct Fake {
    state: Arc<Mutex<State>>,
    changed: Arc<tokio::sync::Notify>,
}

impl Fake {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let result = act(&mut self.state.lock().expect("not poisoned"));
        self.changed.notify_waiters();
        result
    }

    /// Waits (in virtual time) until `condition` holds.
    async fn until(&self, what: &str, condition: impl Fn(&State) -> bool) {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                if condition(&self.state.lock().expect("not poisoned")) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(400), wait).await.unwrap_or_else(|_| panic!("{what} never came"));
    }
}

impl Cluster for Fake {
    async fn bind(&self, batch: BindingBatch) -> Result<BindingResults, BusError> {
        let mood = self.with(|state| {
            state.batches.push(batch.bindings.len());
            state.mood
        });
        match mood {
            Mood::Conflicts => {
                let error = ApiError::conflict("", "pods/binding", "x", "it is assigned already");
                Ok(BindingResults { errors: vec![Some(error); batch.bindings.len()] })
            }
            Mood::Works | Mood::Slow | Mood::Forgets => {
                if mood == Mood::Slow {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                }
                let errors = self.with(|state| {
                    let carry_out = |binding: PodBinding| {
                        if state.bound.contains_key(&binding.name) {
                            return Some(ApiError::conflict("", "pods/binding", &binding.name, "assigned already"));
                        }
                        state.bound.insert(binding.name, binding.node);
                        None
                    };
                    batch.bindings.into_iter().map(carry_out).collect()
                });
                if mood == Mood::Forgets {
                    return Err(BusError::NoLeader { waited_ms: 30_000 });
                }
                Ok(BindingResults { errors })
            }
        }
    }

    async fn write_condition(&self, write: ConditionWrite) -> Result<(), kube::Error> {
        self.with(|state| state.conditions.push(write));
        Ok(())
    }

    async fn write_event(&self, write: EventWrite) -> Result<(), kube::Error> {
        self.with(|state| state.events.push(write));
        Ok(())
    }
}

struct Testbed {
    fake: Fake,
    inputs: mpsc::Sender<Input>,
    leader: watch::Sender<bool>,
}

impl Testbed {
    /// A replica that has seen `nodes` nodes of one CPU and `pods`.
    async fn start(leading: bool, nodes: usize, pods: Vec<PodFixture>) -> Self {
        let state = State {
            mood: Mood::Works,
            bound: BTreeMap::new(),
            batches: Vec::new(),
            conditions: Vec::new(),
            events: Vec::new(),
        };
        let fake = Fake { state: Arc::new(Mutex::new(state)), changed: Arc::default() };
        let (inputs, receiver) = mpsc::channel(INPUT_LIMIT);
        let (leader, leads) = watch::channel(leading);
        tokio::spawn(Executor::new(fake.clone(), "scheduler-1", receiver, leads).run());
        let bed = Self { fake, inputs, leader };
        bed.send(Input::Node(Change::Relist)).await;
        for i in 0..nodes {
            bed.send(Input::Node(Change::Seen(node(&format!("n{i}")).cpu("1").build()))).await;
        }
        bed.send(Input::Node(Change::Listed)).await;
        bed.send(Input::Pod(Change::Relist)).await;
        for pod in pods {
            bed.see(pod).await;
        }
        bed.send(Input::Pod(Change::Listed)).await;
        bed
    }

    async fn send(&self, input: Input) {
        self.inputs.send(input).await.expect("the executor runs");
    }

    async fn see(&self, pod: PodFixture) {
        self.send(Input::Pod(Change::Seen(pod.observed()))).await;
    }

    fn mood(&self, mood: Mood) {
        self.fake.with(|state| state.mood = mood);
    }

    fn messages(&self, reason: &str) -> Vec<String> {
        self.fake.with(|state| {
            let events = state.events.iter().filter(|write| write.event.reason.as_deref() == Some(reason));
            events.filter_map(|write| write.event.message.clone()).collect()
        })
    }
}

#[tokio::test(start_paused = true)]
async fn pods_are_bound_in_batches_and_said_so() {
    let pods = (0..600).map(|i| pod(&format!("p{i}")).cpu("10m")).collect();
    let bed = Testbed::start(true, 10, pods).await;
    bed.fake.until("all bound", |state| state.bound.len() == 600 && state.events.len() == 600).await;
    let (batches, node) = bed.fake.with(|state| (state.batches.clone(), state.bound["p7"].clone()));
    assert!(batches.len() < 20 && batches.iter().all(|size| *size <= DECISIONS_PER_TURN), "{batches:?}");
    assert!(bed.messages("Scheduled").contains(&format!("Successfully assigned default/p7 to {node}")));
    assert!(bed.fake.with(|state| state.conditions.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_fits_nowhere_is_told_once_and_bound_when_there_is_room() {
    let bed = Testbed::start(true, 1, vec![pod("old").cpu("1").on("n0"), pod("new").cpu("1")]).await;
    bed.fake.until("refusal", |state| state.conditions.len() == 1 && state.events.len() == 1).await;
    let message = "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: \
                   1 No preemption victims found for incoming pod.";
    assert_eq!(bed.messages("FailedScheduling"), [message]);
    let mut refused = pod("new").cpu("1");
    let condition = bed.fake.with(|state| state.conditions[0].patch());
    assert_eq!(condition["status"]["conditions"][0]["message"], message);
    refused.json["status"]["conditions"] = condition["status"]["conditions"].clone();
    bed.see(refused).await;
    bed.fake.until("the flush after five minutes", |state| state.events.len() == 2).await;
    bed.fake.with(|state| {
        assert!(state.events[1].repeated && state.events[1].event.count == Some(2));
        assert_eq!(state.events[0].event.metadata.name, state.events[1].event.metadata.name);
        assert_eq!(state.conditions.len(), 1, "the pod says so already");
    });
    let old = pod("old").arc().uid.clone();
    bed.send(Input::Pod(Change::Gone(old))).await;
    bed.fake.until("binding", |state| state.bound.contains_key("new")).await;
}

#[tokio::test(start_paused = true)]
async fn a_standby_binds_nothing_and_takes_over_at_once() {
    let bed = Testbed::start(false, 3, vec![pod("a")]).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(bed.fake.with(|state| state.batches.is_empty() && state.events.is_empty()));
    let before = Instant::now();
    bed.leader.send(true).expect("heard");
    bed.fake.until("binding", |state| state.bound.contains_key("a")).await;
    assert!(before.elapsed() < Duration::from_millis(10), "its caches were warm");
}

#[tokio::test(start_paused = true)]
async fn lost_leadership_ends_binding_at_once() {
    let bed = Testbed::start(true, 3, vec![]).await;
    bed.mood(Mood::Slow);
    bed.see(pod("a")).await;
    bed.fake.until("an attempt", |state| state.batches.len() == 1).await;
    bed.leader.send(false).expect("heard");
    bed.mood(Mood::Works);
    bed.see(pod("b")).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(bed.fake.with(|state| state.bound.is_empty() && state.batches.len() == 1));
    bed.leader.send(true).expect("heard");
    bed.fake.until("both bound", |state| state.bound.len() == 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_binding_that_another_made_first_is_tried_again_until_the_truth_is_seen() {
    let bed = Testbed::start(true, 1, vec![]).await;
    bed.mood(Mood::Conflicts);
    bed.see(pod("a").cpu("1")).await;
    bed.fake.until("second attempt", |state| state.batches.len() == 2).await;
    bed.fake.until("condition", |state| !state.conditions.is_empty()).await;
    bed.fake.with(|state| assert_eq!(state.conditions[0].refusal.reason, "SchedulerError"));
    assert!(bed.messages("FailedScheduling")[0].starts_with("binding rejected: "));
    bed.see(pod("a").cpu("1").on("n7")).await;
    bed.mood(Mood::Works);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let attempts = bed.fake.with(|state| state.batches.len());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bed.fake.with(|state| state.batches.len()), attempts, "it is left to its node");
    bed.see(pod("b").cpu("1")).await;
    bed.fake.until("the room is free", |state| state.bound.contains_key("b")).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_keeps_the_room_until_the_truth_is_seen() {
    let bed = Testbed::start(true, 1, vec![]).await;
    bed.mood(Mood::Forgets);
    bed.see(pod("a").cpu("1")).await;
    bed.fake.until("binding", |state| state.bound.contains_key("a")).await;
    bed.mood(Mood::Works);
    bed.see(pod("b").cpu("1")).await;
    bed.fake.until("refusal", |state| !state.conditions.is_empty()).await;
    bed.see(pod("a").cpu("1").on("n0")).await;
    tokio::time::sleep(Duration::from_secs(700)).await;
    assert!(bed.fake.with(|state| state.bound.len() == 1), "its room was never given away");
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_election_or_watches_do() {
    let (_keep, inputs) = mpsc::channel(1);
    let (leader, leads) = watch::channel(false);
    let bed = Testbed::start(false, 0, vec![]).await;
    drop(leader);
    let ended = Executor::new(bed.fake.clone(), "scheduler-1", inputs, leads).run().await;
    assert!(matches!(ended, Err(ExecutorError::ElectionEnded)));
    let (_keep, leads) = watch::channel(false);
    let (sender, inputs) = mpsc::channel(1);
    drop(sender);
    let ended = Executor::new(bed.fake.clone(), "scheduler-1", inputs, leads).run().await;
    assert!(matches!(ended, Err(ExecutorError::WatchesEnded)));
}
