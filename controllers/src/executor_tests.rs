//! The executor against a simulated API: order, batches, conflicts, and leadership.

use super::*;
use crate::plan::{EventDraft, Severity, Target};
use crate::simulation::Fake;
use kubus_proto::ApiError;
use kubus_proto::kinds::config_map;
use serde_json::json;
use tokio::sync::mpsc;

struct Setting {
    api: Fake,
    executor: Arc<Executor<Fake>>,
    leading: watch::Sender<bool>,
    events: mpsc::Receiver<EventDraft>,
}

fn setting() -> Setting {
    let api = Fake::default();
    let (leading, is_leading) = watch::channel(true);
    let (recorder, events) = Recorder::new();
    let executor = Executor::new(api.clone(), is_leading, recorder, Arc::new(|| Duration::ZERO));
    Setting { api, executor: Arc::new(executor), leading, events }
}

fn owner() -> Owner {
    ("test", Key::new("ns", "owner"))
}

fn event(message: &str) -> EventDraft {
    let about = (&config_map::ROW, &Default::default());
    EventDraft::new("test", about, Severity::Normal, "Reason", message)
}

fn create(name: &str) -> Step {
    Step {
        action: Action::Create {
            row: &config_map::ROW,
            namespace: "ns".into(),
            name: name.into(),
            object: json!({"metadata": {"name": name}}),
        },
        then: Some(event(&format!("made {name}"))),
        otherwise: Some(event("not made: ")),
    }
}

fn patch(name: &str, version: Option<&str>, subresource: &'static str, value: serde_json::Value) -> Step {
    let target = Target {
        row: &config_map::ROW,
        namespace: "ns".into(),
        name: name.into(),
        uid: String::new(),
        resource_version: version.map(str::to_owned),
    };
    Step { action: Action::Patch { target, subresource, patch: value }, then: None, otherwise: None }
}

fn plan(steps: Vec<Step>) -> Plan {
    Plan { steps, ..Plan::default() }
}

impl Setting {
    async fn run(&self, steps: Vec<Step>) -> Outcome {
        self.executor.carry_out(&owner(), plan(steps)).await
    }

    fn actions(&self) -> Vec<String> {
        std::mem::take(&mut self.api.0.lock().expect("lock").actions)
    }

    fn refuse(&self, name: &'static str, reason: Reason) {
        self.api.0.lock().expect("lock").refusal = Some(Box::new(move |action| match action {
            Action::Create { name: n, .. } if n == name => {
                Some(CallError::Refused(ApiError::new(reason, "no more of those")))
            }
            _ => None,
        }));
    }

    fn messages(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.events.try_recv().ok()).map(|e| e.message).collect()
    }
}

#[tokio::test]
async fn creates_go_in_growing_batches_and_stop_at_a_refusal() {
    let mut s = setting();
    s.refuse("c1", Reason::Forbidden);
    let mut steps: Vec<Step> = (0..8).map(|i| create(&format!("c{i}"))).collect();
    steps.push(patch("c0", None, "status", json!({"status": {"seen": true}})));
    let Outcome::Failed(failure) = s.run(steps).await else {
        panic!("failed");
    };
    assert_eq!(
        (failure.verb, failure.name.as_str(), failure.reason),
        (FailedVerb::Create, "c1", Some(Reason::Forbidden))
    );
    let mut actions = s.actions();
    actions.sort();
    // 1, then 2; the batch of 4 is not begun, but what happened is still reported.
    assert_eq!(
        actions,
        ["create configmap c0", "create configmap c1", "create configmap c2", "patch configmap c0 status"]
    );
    let mut messages = s.messages();
    messages.sort();
    assert_eq!(messages, ["made c0", "made c2", "not made: no more of those"]);
}

#[tokio::test]
async fn a_conflict_ends_the_plan_for_another_look() {
    let s = setting();
    assert_eq!(s.run(vec![create("a")]).await, Outcome::Done);
    let steps = vec![patch("a", Some("77"), "", json!({"data": {"x": "y"}})), create("b")];
    assert_eq!(s.run(steps).await, Outcome::Conflict);
    assert_eq!(s.actions(), ["create configmap a", "patch configmap a"]);
    assert_eq!(s.run(vec![patch("gone", None, "", json!({}))]).await, Outcome::Conflict, "changed what is gone");
    let target = Target {
        row: &config_map::ROW,
        namespace: "ns".into(),
        name: "gone".into(),
        uid: "u".into(),
        resource_version: None,
    };
    let delete = Action::Delete { target, grace_seconds: None, propagation: None };
    let gone = Step { action: delete, then: None, otherwise: None };
    assert_eq!(s.run(vec![gone]).await, Outcome::Done, "deleted what is gone");
}

#[tokio::test]
async fn later_steps_follow_the_versions_of_earlier_ones() {
    let s = setting();
    s.run(vec![create("a")]).await;
    let steps = vec![
        patch("a", Some("1"), "", json!({"data": {"x": "1"}})),
        patch("a", Some("1"), "", json!({"data": {"x": "2"}})),
        patch("a", Some("1"), "status", json!({"status": {"y": 3}})),
    ];
    assert_eq!(s.run(steps).await, Outcome::Done);
    let stale = vec![patch("a", Some("1"), "", json!({"data": {"x": "9"}}))];
    assert_eq!(s.run(stale).await, Outcome::Conflict, "only within one plan");
}

#[tokio::test]
async fn only_a_leader_acts() {
    let mut s = setting();
    s.leading.send_replace(false);
    let told = Plan { events: vec![event("x")], ..plan(vec![create("a")]) };
    assert_eq!(s.executor.carry_out(&owner(), told).await, Outcome::NotLeading);
    assert!(s.actions().is_empty() && s.messages().is_empty());

    // Leadership is lost while the first batch is under way.
    s.leading.send_replace(true);
    let leading = s.leading.clone();
    s.api.0.lock().expect("lock").refusal = Some(Box::new(move |_| {
        leading.send_replace(false);
        None
    }));
    assert_eq!(s.run((0..9).map(|i| create(&format!("c{i}"))).collect()).await, Outcome::NotLeading);
    assert_eq!(s.actions(), ["create configmap c0"]);
}

#[tokio::test]
async fn unanswered_writes_are_expected_and_refused_ones_are_not() {
    struct Blind;
    impl View for Blind {
        fn seen(&self, _: &str, _: &Key) -> Option<crate::ledger::Seen> {
            None
        }
        fn revision(&self, _: &str) -> u64 {
            0
        }
        fn listed(&self, _: &str) -> Option<Duration> {
            None
        }
    }
    let s = setting();
    s.refuse("a", Reason::Invalid);
    s.run(vec![create("a")]).await;
    assert!(s.executor.in_flight(&owner(), &Blind).is_empty());
    s.api.0.lock().expect("lock").refusal = Some(Box::new(|_| Some(CallError::NoAnswer("late".into()))));
    assert!(matches!(s.run(vec![create("b")]).await, Outcome::Failed(f) if f.reason.is_none()));
    assert!(s.executor.in_flight(&owner(), &Blind).created.contains(&Key::new("ns", "b")));
    s.executor.forget_expectations();
    assert!(s.executor.in_flight(&owner(), &Blind).is_empty());
}
