//! What the scheduler does about what it sees: pure, with time and seeds as arguments. The executor acts on it.

use crate::cluster_event::ClusterEvent;
use crate::cycle;
use crate::node::NodeSpec;
use crate::pod::{ObservedPod, PodInfo, Standing};
use crate::queue::Queue;
use crate::snapshot::Snapshot;
use kubus_proto::{ApiError, Reason};
use std::collections::HashSet;
use std::sync::Arc;

/// How long a binding that was sent may stay unanswered, in milliseconds; longer than any request lives.
pub const ANSWER_LIMIT_MS: u64 = 60_000;
/// How long after the answer a bound pod may take to be seen on its node, in milliseconds.
pub const CONFIRMATION_LIMIT_MS: u64 = 60_000;
/// How long a pod whose binding has an unknown fate may take to be seen on its node, in milliseconds.
pub const DOUBT_LIMIT_MS: u64 = 10_000;

/// A change of one kind of object, as its watch tells it. `K` identifies an object, `T` is one.
#[derive(Clone, Debug)]
pub enum Change<K, T> {
    /// Everything there is follows as [`Change::Seen`], then [`Change::Listed`].
    Relist,
    /// It is there, new or changed.
    Seen(T),
    /// It is gone.
    Gone(K),
    /// What was not seen since [`Change::Relist`] is gone.
    Listed,
}

/// A change of a pod; pods are known by uid.
pub type PodChange = Change<Arc<str>, ObservedPod>;
/// A change of a node; nodes are known by name.
pub type NodeChange = Change<Arc<str>, NodeSpec>;

/// What is to be done about one pod.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Bind it; it is counted on the node already. The fate is told by [`Scheduler::settle`].
    Bind {
        /// The pod.
        pod: Arc<PodInfo>,
        /// The node's name.
        node: Arc<str>,
    },
    /// Say that it cannot run.
    Refuse {
        /// The pod.
        pod: Arc<PodInfo>,
        /// `Unschedulable` or `SchedulerError`.
        reason: &'static str,
        /// Why.
        message: String,
    },
}

/// What became of a binding.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The pod is bound.
    Bound,
    /// It was not carried out.
    Refused(ApiError),
    /// It was never sent.
    NotSent,
    /// Nobody knows; it may have been carried out, or be yet.
    Unknown,
}

/// How far the first listing of one kind is.
#[derive(Debug)]
struct Listing {
    seen: Option<HashSet<Arc<str>>>,
    complete: bool,
}

impl Listing {
    fn new() -> Self {
        Self { seen: None, complete: false }
    }

    fn restart(&mut self) {
        self.seen = Some(HashSet::new());
    }

    fn see(&mut self, key: &Arc<str>) {
        if let Some(seen) = &mut self.seen {
            seen.insert(key.clone());
        }
    }

    fn end(&mut self) -> HashSet<Arc<str>> {
        self.complete = true;
        self.seen.take().unwrap_or_default()
    }
}

/// Snapshot and queue, and what moves pods between them.
#[derive(Debug)]
pub struct Scheduler {
    snapshot: Snapshot,
    queue: Queue,
    pods: Listing,
    nodes: Listing,
    /// Where the next search begins.
    start: usize,
}

impl Default for Scheduler {
    fn default() -> Self {
        Self {
            snapshot: Snapshot::default(),
            queue: Queue::default(),
            pods: Listing::new(),
            nodes: Listing::new(),
            start: 0,
        }
    }
}

impl Scheduler {
    /// The cluster as it is known.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The pods that wait.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Whether all pods and nodes were seen once, without which no decision may be taken.
    pub fn ready(&self) -> bool {
        self.pods.complete && self.nodes.complete
    }

    /// Takes in a change of a pod.
    pub fn observe_pod(&mut self, change: PodChange, now_ms: u64) {
        match change {
            Change::Relist => self.pods.restart(),
            Change::Seen(pod) => {
                self.pods.see(&pod.info.uid);
                self.see_pod(pod, now_ms);
            }
            Change::Gone(uid) => self.lose_pod(&uid, now_ms),
            Change::Listed => {
                let seen = self.pods.end();
                let known = self.queue.uids().chain(self.snapshot.pod_uids());
                let gone: Vec<Arc<str>> = known.filter(|uid| !seen.contains(*uid)).cloned().collect();
                for uid in gone {
                    self.lose_pod(&uid, now_ms);
                }
            }
        }
    }

    /// Takes in a change of a node.
    pub fn observe_node(&mut self, change: NodeChange, now_ms: u64) {
        match change {
            Change::Relist => self.nodes.restart(),
            Change::Seen(spec) => {
                self.nodes.see(&spec.name);
                self.see_node(spec, now_ms);
            }
            Change::Gone(name) => {
                self.snapshot.remove_node(&name);
            }
            Change::Listed => {
                let seen = self.nodes.end();
                let known = self.snapshot.nodes().iter().map(|node| &node.spec.name);
                let gone: Vec<Arc<str>> = known.filter(|name| !seen.contains(*name)).cloned().collect();
                for name in gone {
                    self.snapshot.remove_node(&name);
                }
            }
        }
    }

    fn see_pod(&mut self, pod: ObservedPod, now_ms: u64) {
        let info = pod.info;
        match pod.standing {
            Standing::Assigned(node) => {
                self.queue.remove(&info.uid);
                if let Some(before) = self.snapshot.set_pod(info, node) {
                    self.queue.notice(&ClusterEvent::PodRemoved(&before), now_ms);
                }
            }
            // While its binding is on the way a pod is still seen without a node; what is assumed of it stays.
            Standing::Pending if self.snapshot.is_assumed(&info.uid) => self.queue.set(info, now_ms),
            Standing::Pending => {
                self.snapshot.remove_pod(&info.uid);
                self.queue.set(info, now_ms);
            }
            // Deleted while its binding is on the way: it may take its room yet, but is not tried again.
            Standing::Elsewhere if info.terminating && self.snapshot.is_assumed(&info.uid) => {
                self.queue.remove(&info.uid);
            }
            Standing::Elsewhere => self.lose_pod(&info.uid, now_ms),
        }
    }

    fn lose_pod(&mut self, uid: &str, now_ms: u64) {
        self.queue.remove(uid);
        if let Some(pod) = self.snapshot.remove_pod(uid) {
            self.queue.notice(&ClusterEvent::PodRemoved(&pod), now_ms);
        }
    }

    fn see_node(&mut self, spec: NodeSpec, now_ms: u64) {
        let name = spec.name.clone();
        let before = self.snapshot.set_node(spec);
        let Some(after) = self.snapshot.node(&name) else { return };
        match before {
            None => self.queue.notice(&ClusterEvent::NodeAdded(after), now_ms),
            Some(before) if before != after.spec => {
                self.queue.notice(&ClusterEvent::NodeUpdated { before: &before, after }, now_ms)
            }
            Some(_) => 0,
        };
    }

    /// Decides about at most `limit` pods. Those to bind count on their nodes from now on.
    pub fn decide(&mut self, now_ms: u64, seed: u64, limit: usize) -> Vec<Decision> {
        self.advance(now_ms);
        let mut decisions = Vec::new();
        while self.ready()
            && decisions.len() < limit
            && let Some(pod) = self.queue.pop(now_ms)
        {
            let seed = seed.wrapping_add(decisions.len() as u64);
            decisions.push(match cycle::schedule(&self.snapshot, &pod, self.start, seed) {
                Ok(placement) => {
                    self.start = self.start.wrapping_add(placement.examined);
                    self.snapshot.assume(pod.clone(), placement.node.clone(), now_ms + ANSWER_LIMIT_MS);
                    Decision::Bind { pod, node: placement.node }
                }
                Err(error) => {
                    self.queue.refuse(&pod.uid, error.plugins, now_ms);
                    Decision::Refuse { pod, reason: "Unschedulable", message: error.to_string() }
                }
            });
        }
        decisions
    }

    /// Takes in what became of a binding. Gives what is to be said about it, where it failed.
    pub fn settle(&mut self, pod: &Arc<PodInfo>, outcome: Outcome, now_ms: u64) -> Option<Decision> {
        match outcome {
            Outcome::Bound => {
                self.snapshot.extend_assumption(&pod.uid, now_ms + CONFIRMATION_LIMIT_MS);
                None
            }
            Outcome::Unknown => {
                self.snapshot.extend_assumption(&pod.uid, now_ms + DOUBT_LIMIT_MS);
                None
            }
            Outcome::NotSent => {
                self.release(pod, now_ms);
                self.queue.put_back(&pod.uid, now_ms);
                None
            }
            Outcome::Refused(error) => {
                self.release(pod, now_ms);
                if error.reason == Reason::NotFound {
                    self.queue.remove(&pod.uid);
                    return None;
                }
                let pod = self.queue.get(&pod.uid)?.clone();
                self.queue.retry(&pod.uid, now_ms);
                let message = format!("binding rejected: running Bind plugin \"DefaultBinder\": {}", error.message);
                Some(Decision::Refuse { pod, reason: "SchedulerError", message })
            }
        }
    }

    /// Moves on what is due: waits that are over, and assumptions that nothing confirmed.
    pub fn advance(&mut self, now_ms: u64) {
        for pod in self.snapshot.expire(now_ms) {
            self.queue.notice(&ClusterEvent::PodRemoved(&pod), now_ms);
            self.queue.retry(&pod.uid, now_ms);
        }
        self.queue.advance(now_ms);
    }

    /// When [`Self::advance`] next has something to do, in milliseconds.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.queue.next_due_ms().into_iter().chain(self.snapshot.next_expiry_ms()).min()
    }

    /// This replica has become the active one: what it gave up on earlier is tried again at once.
    pub fn take_over(&mut self, now_ms: u64) {
        self.queue.awaken_all(now_ms);
    }

    fn release(&mut self, pod: &PodInfo, now_ms: u64) {
        if let Some(pod) = self.snapshot.forget(&pod.uid) {
            self.queue.notice(&ClusterEvent::PodRemoved(&pod), now_ms);
        }
    }
}

#[cfg(test)]
mod tests;
