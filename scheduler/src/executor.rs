//! Carries out what the scheduler decides: takes in changes, sends bindings while this replica leads, writes notes.

use crate::cluster::{Cluster, Note};
use crate::condition::ConditionWrite;
use crate::pod::PodInfo;
use crate::recorder::{EventKind, EventWrite, Recorder};
use crate::scheduler::{Decision, NodeChange, Outcome, PodChange, Scheduler};
use futures::StreamExt;
use jiff::Timestamp;
use kubus_client::BusError;
use kubus_proto::binding::{BATCH_LIMIT, BindingBatch, BindingResults, PodBinding};
use kubus_proto::{ApiError, Reason};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How many changes may wait to be taken in; a watch that is faster waits.
pub const INPUT_LIMIT: usize = 1_024;
/// How many pods are decided about before changes are looked at again; also the size of a batch of bindings.
const DECISIONS_PER_TURN: usize = 256;
/// How many changes are taken in before decisions are due again.
const INPUTS_PER_TURN: usize = 1_024;
/// How many batches of bindings may be on the way.
const BATCHES_IN_FLIGHT: usize = 4;
/// How many notes may wait to be written; what comes then is dropped, since scheduling must not wait for it.
const NOTE_LIMIT: usize = 8_192;
/// How many notes are written at once.
const NOTES_IN_FLIGHT: usize = 16;

const _: () = assert!(DECISIONS_PER_TURN <= BATCH_LIMIT);

/// A change of the cluster.
#[derive(Clone, Debug)]
pub enum Input {
    /// Of a pod.
    Pod(PodChange),
    /// Of a node.
    Node(NodeChange),
}

/// The executor cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// Whoever told who leads is gone.
    #[error("leader election has ended")]
    ElectionEnded,
    /// Whoever told what changes is gone.
    #[error("the watches have ended")]
    WatchesEnded,
}

type Binding = (Arc<PodInfo>, Arc<str>);

/// One replica of the scheduler.
pub struct Executor<C> {
    cluster: C,
    scheduler: Scheduler,
    recorder: Recorder,
    inputs: mpsc::Receiver<Input>,
    leader: watch::Receiver<bool>,
    leading: bool,
    notes: mpsc::Sender<Note>,
    notes_dropped: u64,
    batches: JoinSet<(Vec<Binding>, Vec<Outcome>)>,
    begin: Instant,
}

impl<C: Cluster> Executor<C> {
    /// A replica named `instance` that decides while `leader` holds `true`. Must be made inside a tokio runtime.
    pub fn new(cluster: C, instance: &str, inputs: mpsc::Receiver<Input>, leader: watch::Receiver<bool>) -> Self {
        let (notes, waiting) = mpsc::channel(NOTE_LIMIT);
        tokio::spawn(write_notes(cluster.clone(), waiting));
        Self {
            cluster,
            scheduler: Scheduler::default(),
            recorder: Recorder::new(instance),
            inputs,
            leader,
            leading: false,
            notes,
            notes_dropped: 0,
            batches: JoinSet::new(),
            begin: Instant::now(),
        }
    }

    /// Runs until election or watches end.
    pub async fn run(mut self) -> Result<(), ExecutorError> {
        loop {
            self.check_leadership();
            if self.leading && self.batches.len() < BATCHES_IN_FLIGHT && self.decide() {
                self.take_in_what_waits();
                tokio::task::yield_now().await;
                continue;
            }
            let due = self.scheduler.next_due_ms().map(|ms| self.begin + Duration::from_millis(ms));
            tokio::select! {
                biased;
                changed = self.leader.changed() => changed.map_err(|_| ExecutorError::ElectionEnded)?,
                Some(joined) = self.batches.join_next() => self.settle(joined),
                input = self.inputs.recv() => {
                    self.take_in(input.ok_or(ExecutorError::WatchesEnded)?);
                    self.take_in_what_waits();
                }
                () = sleep_until(due) => {
                    let now_ms = self.now_ms();
                    self.scheduler.advance(now_ms);
                }
            }
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn check_leadership(&mut self) {
        let leading = *self.leader.borrow_and_update();
        if leading && !self.leading {
            let now_ms = self.now_ms();
            self.scheduler.take_over(now_ms);
            let waiting = self.scheduler.queue().length();
            let nodes = self.scheduler.snapshot().nodes().len();
            tracing::info!(nodes, pods_waiting = waiting.active, "this replica schedules");
        } else if !leading && self.leading {
            tracing::info!("this replica no longer schedules");
        }
        self.leading = leading;
    }

    /// Decides about some pods; `false` where none waits.
    fn decide(&mut self) -> bool {
        let now_ms = self.now_ms();
        let decisions = self.scheduler.decide(now_ms, rand::random(), DECISIONS_PER_TURN);
        let any = !decisions.is_empty();
        let mut bindings = Vec::new();
        for decision in decisions {
            match decision {
                Decision::Bind { pod, node } => bindings.push((pod, node)),
                Decision::Refuse { pod, reason, message } => self.refuse(&pod, reason, message),
            }
        }
        if !bindings.is_empty() {
            self.batches.spawn(bind(self.cluster.clone(), self.leader.clone(), bindings));
        }
        any
    }

    fn take_in(&mut self, input: Input) {
        let now_ms = self.now_ms();
        match input {
            Input::Pod(change) => self.scheduler.observe_pod(change, now_ms),
            Input::Node(change) => self.scheduler.observe_node(change, now_ms),
        }
    }

    fn take_in_what_waits(&mut self) {
        for _ in 0..INPUTS_PER_TURN {
            match self.inputs.try_recv() {
                Ok(input) => self.take_in(input),
                Err(_) => return,
            }
        }
    }

    fn settle(&mut self, joined: Result<(Vec<Binding>, Vec<Outcome>), tokio::task::JoinError>) {
        let now_ms = self.now_ms();
        let (bindings, outcomes) = match joined {
            Ok(done) => done,
            // What it assumed ends by itself in time.
            Err(error) => return tracing::error!(%error, "a batch of bindings was lost"),
        };
        for ((pod, node), outcome) in bindings.into_iter().zip(outcomes) {
            match &outcome {
                Outcome::Bound => {
                    let message = format!("Successfully assigned {} to {node}", pod.full_name());
                    tracing::debug!(pod = pod.full_name(), node = &*node, "bound");
                    let event = self.recorder.record(&pod, EventKind::Scheduled, message, Timestamp::now());
                    self.note_event(event);
                }
                Outcome::Refused(error) => {
                    tracing::warn!(pod = pod.full_name(), node = &*node, %error, "binding refused");
                }
                Outcome::NotSent => {}
                Outcome::Unknown => {
                    tracing::warn!(pod = pod.full_name(), node = &*node, "nobody knows whether the pod was bound");
                }
            }
            let said = self.scheduler.settle(&pod, outcome, now_ms);
            if let Some(Decision::Refuse { pod, reason, message }) = said
                && self.leading
            {
                self.refuse(&pod, reason, message);
            }
        }
    }

    fn refuse(&mut self, pod: &PodInfo, reason: &str, message: String) {
        let now = Timestamp::now();
        if let Some(write) = ConditionWrite::of(pod, reason, &message, now) {
            self.note(Note::Condition(write));
        }
        let event = self.recorder.record(pod, EventKind::FailedScheduling, message, now);
        self.note_event(event);
    }

    fn note_event(&mut self, event: Option<EventWrite>) {
        if let Some(event) = event {
            self.note(Note::Event(Box::new(event)));
        }
    }

    fn note(&mut self, note: Note) {
        if self.notes.try_send(note).is_err() {
            self.notes_dropped += 1;
            if self.notes_dropped.is_power_of_two() {
                tracing::warn!(dropped = self.notes_dropped, "events and conditions come faster than they are written");
            }
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Sends one batch, unless leadership is lost before; once it is lost the answer is not waited for.
async fn bind<C: Cluster>(
    cluster: C,
    mut leader: watch::Receiver<bool>,
    bindings: Vec<Binding>,
) -> (Vec<Binding>, Vec<Outcome>) {
    let batch = BindingBatch {
        bindings: bindings
            .iter()
            .map(|(pod, node)| PodBinding {
                namespace: pod.namespace.to_string(),
                name: pod.name.to_string(),
                uid: pod.uid.to_string(),
                node: node.to_string(),
            })
            .collect(),
    };
    let count = bindings.len();
    if !*leader.borrow_and_update() {
        return (bindings, vec![Outcome::NotSent; count]);
    }
    let outcomes = tokio::select! {
        biased;
        _ = leader.wait_for(|leading| !leading) => vec![Outcome::Unknown; count],
        answer = cluster.bind(batch) => outcomes(answer, count),
    };
    (bindings, outcomes)
}

fn outcomes(answer: Result<BindingResults, BusError>, count: usize) -> Vec<Outcome> {
    match answer {
        Ok(results) => {
            let mut outcomes: Vec<Outcome> =
                results.errors.into_iter().map(|error| error.map_or(Outcome::Bound, failed)).collect();
            outcomes.resize(count, Outcome::Unknown);
            outcomes
        }
        Err(BusError::Api(error)) => vec![failed(error); count],
        Err(error) => {
            tracing::warn!(%error, pods = count, "no answer to a batch of bindings");
            vec![Outcome::Unknown; count]
        }
    }
}

/// An apiserver that lost its leader or itself while it worked cannot say what became of the request.
fn failed(error: ApiError) -> Outcome {
    match error.reason {
        Reason::Timeout | Reason::InternalError => Outcome::Unknown,
        _ => Outcome::Refused(error),
    }
}

async fn write_notes<C: Cluster>(cluster: C, notes: mpsc::Receiver<Note>) {
    tokio_stream::wrappers::ReceiverStream::new(notes)
        .for_each_concurrent(NOTES_IN_FLIGHT, |note| async {
            if let Err(error) = note.write(&cluster).await {
                tracing::warn!(%error, "cannot write what became of a pod");
            }
        })
        .await;
}

#[cfg(test)]
mod tests;
