//! The one place where plans become requests: in order, with preconditions, and only while this replica leads.

use crate::api::{ApiServer, CallError};
use crate::ledger::{Expected, InFlight, Ledger, Owner, View};
use crate::object::Key;
use crate::plan::{Action, FailedVerb, Failure, Live, Lookup, Plan, Step};
use crate::recorder::Recorder;
use futures::StreamExt;
use kubus_proto::Reason;
use serde_json::Value;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Deletes and reports of one plan in flight at once.
const PARALLEL: usize = 32;
/// Largest batch of creates in flight at once.
const LARGEST_BATCH: usize = 64;

/// How a plan ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every step was carried out.
    Done,
    /// Something has changed since the plan was made; look again.
    Conflict,
    /// A step was refused or not answered.
    Failed(Failure),
    /// This replica does not lead (any more); the rest was not sent.
    NotLeading,
}

/// Tells the time since an arbitrary start; never goes back.
pub type Monotonic = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Carries plans out.
pub struct Executor<A> {
    api: A,
    leading: watch::Receiver<bool>,
    ledger: Mutex<Ledger>,
    recorder: Recorder,
    monotonic: Monotonic,
}

impl<A: ApiServer> Executor<A> {
    /// Sends through `api` while `leading` holds true; `monotonic` is its clock.
    pub fn new(api: A, leading: watch::Receiver<bool>, recorder: Recorder, monotonic: Monotonic) -> Self {
        Self { api, leading, ledger: Mutex::default(), recorder, monotonic }
    }

    /// Writes of `owner` that the caches do not show yet.
    pub fn in_flight(&self, owner: &Owner, view: &impl View) -> InFlight {
        let now = (self.monotonic)();
        self.ledger().in_flight(owner, view, now)
    }

    /// Whether this replica leads.
    pub fn is_leading(&self) -> bool {
        *self.leading.borrow()
    }

    /// Forgets all expectations, as a new leader must.
    pub fn forget_expectations(&self) {
        self.ledger().clear();
    }

    /// Answers lookups; those that fail stay unanswered and end the reconciliation.
    pub async fn look_up(&self, lookups: &[Lookup], live: &mut Live) -> Result<(), CallError> {
        for lookup in lookups {
            let found = self.api.look_up(lookup).await?;
            live.insert(lookup, found);
        }
        Ok(())
    }

    /// Carries `plan` out for `owner`.
    pub async fn carry_out(&self, owner: &Owner, plan: Plan) -> Outcome {
        if !self.is_leading() {
            return Outcome::NotLeading;
        }
        for event in plan.events {
            self.recorder.record(event);
        }
        let mut outcome = Outcome::Done;
        let mut versions = Versions::default();
        let mut steps = plan.steps;
        for group in groups(&steps) {
            let mut running = futures::stream::FuturesUnordered::new();
            for step in &mut steps[group] {
                if outcome != Outcome::Done && !step.action.is_status() {
                    continue;
                }
                versions.follow(&mut step.action);
                running.push(self.carry_out_step(owner, step));
            }
            while let Some((action, result)) = running.next().await {
                match result {
                    Ok(answer) => versions.learn(action, &answer),
                    Err(Outcome::NotLeading) => return Outcome::NotLeading,
                    Err(worse) if outcome == Outcome::Done => outcome = worse,
                    Err(_) => {}
                }
            }
        }
        outcome
    }

    async fn carry_out_step<'s>(&self, owner: &Owner, step: &'s Step) -> (&'s Action, Result<Value, Outcome>) {
        let (plural, key, verb) = subject(&step.action);
        if let Some(expected) = expected(&step.action) {
            self.ledger().expect(owner, plural, key.clone(), expected, (self.monotonic)());
        }
        let mut leading = self.leading.clone();
        let lost = async move {
            // An election that has ended for good counts as lost.
            let _ = leading.wait_for(|leads| !leads).await;
        };
        let result = tokio::select! {
            biased;
            () = lost => return (&step.action, Err(Outcome::NotLeading)),
            result = self.api.write(&step.action) => result,
        };
        let outcome = match result {
            Ok(answer) => {
                self.ledger().confirm(owner, plural, &key, revision(&answer), (self.monotonic)());
                if let Some(event) = &step.then {
                    self.recorder.record(event.clone());
                }
                Ok(answer)
            }
            Err(error) => {
                match error {
                    CallError::Refused(_) => self.ledger().refuse(owner, plural, &key),
                    CallError::NoAnswer(_) => self.ledger().doubt(owner, plural, &key, (self.monotonic)()),
                }
                match (verb, error.reason()) {
                    (FailedVerb::Delete, Some(Reason::NotFound)) => Ok(Value::Null),
                    (_, Some(Reason::Conflict)) | (FailedVerb::Change, Some(Reason::NotFound)) => {
                        Err(Outcome::Conflict)
                    }
                    (_, reason) => {
                        tracing::warn!(controller = owner.0, key = %owner.1, ?verb, plural, name = %key.name, %error,
                            "step failed");
                        if let Some(event) = &step.otherwise {
                            let mut event = event.clone();
                            event.message = format!("{}{error}", event.message);
                            self.recorder.record(event);
                        }
                        Err(Outcome::Failed(Failure { verb, name: key.name, reason, message: error.to_string() }))
                    }
                }
            }
        };
        (&step.action, outcome)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Monotonic time since the start.
    pub fn monotonic(&self) -> Duration {
        (self.monotonic)()
    }
}

/// Which object an action is about, and what it wants of it.
fn subject(action: &Action) -> (&'static str, Key, FailedVerb) {
    match action {
        Action::Create { row, namespace, name, .. } => (row.plural, Key::new(namespace, name), FailedVerb::Create),
        Action::Patch { target, .. } | Action::Finalize { target, .. } => {
            (target.row.plural, Key::new(&target.namespace, &target.name), FailedVerb::Change)
        }
        Action::Delete { target, .. } => {
            (target.row.plural, Key::new(&target.namespace, &target.name), FailedVerb::Delete)
        }
        Action::DeleteAll { row, namespace } => (row.plural, Key::new(namespace, ""), FailedVerb::Delete),
    }
}

fn expected(action: &Action) -> Option<Expected> {
    match action {
        Action::Create { .. } => Some(Expected::Created),
        Action::Patch { .. } => Some(Expected::Changed),
        Action::Delete { target, .. } => Some(Expected::Deleted { uid: target.uid.clone() }),
        Action::DeleteAll { .. } | Action::Finalize { .. } => None,
    }
}

fn revision(answer: &Value) -> u64 {
    answer["metadata"]["resourceVersion"].as_str().and_then(|v| v.parse().ok()).unwrap_or(0)
}

/// Resource versions that moved under our own writes: a later step of the same plan expects what an earlier one left.
#[derive(Default)]
struct Versions {
    moved: HashMap<String, (String, String)>,
}

impl Versions {
    fn follow(&self, action: &mut Action) {
        let (Action::Patch { target, .. } | Action::Delete { target, .. } | Action::Finalize { target, .. }) = action
        else {
            return;
        };
        if let (Some((from, to)), Some(version)) = (self.moved.get(&target.uid), &mut target.resource_version)
            && version == from
        {
            version.clone_from(to);
        }
    }

    fn learn(&mut self, action: &Action, answer: &Value) {
        let Action::Patch { target, .. } = action else {
            return;
        };
        let (Some(old), Some(new)) = (&target.resource_version, answer["metadata"]["resourceVersion"].as_str()) else {
            return;
        };
        // What the plan was made from stays the key over several writes.
        let from = self.moved.get(&target.uid).map_or_else(|| old.clone(), |(from, _)| from.clone());
        self.moved.insert(target.uid.clone(), (from, new.to_owned()));
    }
}

/// Which steps go together: creates in batches of 1, 2, 4, … (a quota or a broken webhook refuses one request and not
/// a thousand), deletes and reports in parallel, everything else alone.
fn groups(steps: &[Step]) -> Vec<Range<usize>> {
    let kind = |step: &Step| match &step.action {
        Action::Create { .. } => 0,
        Action::Delete { .. } => 1,
        action if action.is_status() => 2,
        Action::Patch { .. } | Action::DeleteAll { .. } | Action::Finalize { .. } => 3,
    };
    let (mut groups, mut start, mut batch) = (Vec::new(), 0, 1);
    while start < steps.len() {
        let this = kind(&steps[start]);
        let limit = match this {
            0 => batch,
            1 | 2 => PARALLEL,
            _ => 1,
        };
        let same = steps[start..].iter().take(limit).take_while(|s| kind(s) == this).count();
        groups.push(start..start + same);
        start += same;
        batch = if this == 0 { (batch * 2).min(LARGEST_BATCH) } else { 1 };
    }
    groups
}

#[cfg(test)]
#[path = "executor_tests.rs"]
mod tests;
