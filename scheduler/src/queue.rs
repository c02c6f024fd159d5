//! Pods that wait for a node: those to try now, those backing off, and those that nothing could help so far.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/scheduling-framework/#queuesort>

use crate::cluster_event::ClusterEvent;
use crate::plugins::PluginSet;
use crate::pod::PodInfo;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Wait after the first attempt, in milliseconds; it doubles with every further one.
pub const FIRST_BACKOFF_MS: u64 = 1_000;
/// The longest wait, in milliseconds.
pub const LONGEST_BACKOFF_MS: u64 = 10_000;
/// How long a pod may be left alone because nothing seemed to help, in milliseconds.
pub const LONGEST_UNSCHEDULABLE_MS: u64 = 300_000;

/// Order among pods to try: priority, then time of joining, then age, then arrival.
type ActiveKey = (Reverse<i32>, u64, i64, u64, Arc<str>);

#[derive(Debug)]
enum Place {
    /// To be tried.
    Active,
    /// To be tried when its wait is over, in milliseconds.
    BackingOff { until_ms: u64 },
    /// Nothing could help so far.
    Unschedulable { since_ms: u64 },
    /// Taken out to be tried; its fate is not known yet.
    InFlight,
}

#[derive(Debug)]
struct Entry {
    pod: Arc<PodInfo>,
    place: Place,
    attempts: u32,
    /// When it was last put among those to try, in milliseconds.
    joined_ms: u64,
    /// When it was last tried, in milliseconds.
    tried_ms: u64,
    arrival: u64,
    failing: PluginSet,
}

impl Entry {
    fn active_key(&self) -> ActiveKey {
        (Reverse(self.pod.priority), self.joined_ms, self.pod.created_s, self.arrival, self.pod.uid.clone())
    }

    fn backoff_end_ms(&self) -> u64 {
        if self.attempts == 0 {
            return self.tried_ms;
        }
        let doublings = (self.attempts - 1).min(u64::BITS - 1);
        let wait = FIRST_BACKOFF_MS.saturating_mul(1u64.checked_shl(doublings).unwrap_or(u64::MAX));
        self.tried_ms + wait.min(LONGEST_BACKOFF_MS)
    }
}

/// The queue. Time is an argument, in milliseconds of any monotonic clock.
#[derive(Debug, Default)]
pub struct Queue {
    entries: HashMap<Arc<str>, Entry>,
    active: BTreeSet<ActiveKey>,
    backing_off: BTreeSet<(u64, Arc<str>)>,
    unschedulable: BTreeSet<(u64, Arc<str>)>,
    arrivals: u64,
}

/// How many pods wait where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueLength {
    /// To be tried now.
    pub active: usize,
    /// Backing off.
    pub backing_off: usize,
    /// Waiting for an event.
    pub unschedulable: usize,
}

impl Queue {
    /// Adds a pod, or replaces what is known of it. A pod that nothing could help is tried again when its demands
    /// changed; a mere change of status moves nothing.
    pub fn set(&mut self, pod: Arc<PodInfo>, now_ms: u64) {
        let uid = pod.uid.clone();
        let Some(entry) = self.entries.get_mut(&uid) else {
            self.arrivals += 1;
            let entry = Entry {
                pod,
                place: Place::Active,
                attempts: 0,
                joined_ms: now_ms,
                tried_ms: now_ms,
                arrival: self.arrivals,
                failing: PluginSet::default(),
            };
            self.active.insert(entry.active_key());
            self.entries.insert(uid, entry);
            return;
        };
        let changed = !entry.pod.same_demands(&pod);
        match entry.place {
            Place::Active => {
                self.active.remove(&entry.active_key());
                entry.pod = pod;
                self.active.insert(entry.active_key());
            }
            Place::Unschedulable { .. } if changed => {
                entry.pod = pod;
                self.awaken(&uid, now_ms);
            }
            Place::BackingOff { .. } | Place::Unschedulable { .. } | Place::InFlight => entry.pod = pod,
        }
    }

    /// Forgets a pod, wherever it waits.
    pub fn remove(&mut self, uid: &str) -> Option<Arc<PodInfo>> {
        let entry = self.entries.remove(uid)?;
        match entry.place {
            Place::Active => {
                self.active.remove(&entry.active_key());
            }
            Place::BackingOff { until_ms } => {
                self.backing_off.remove(&(until_ms, entry.pod.uid.clone()));
            }
            Place::Unschedulable { since_ms } => {
                self.unschedulable.remove(&(since_ms, entry.pod.uid.clone()));
            }
            Place::InFlight => {}
        }
        Some(entry.pod)
    }

    /// Takes out the next pod to try. Its fate must be told by [`Self::refuse`], [`Self::retry`], [`Self::put_back`]
    /// or [`Self::remove`].
    pub fn pop(&mut self, now_ms: u64) -> Option<Arc<PodInfo>> {
        self.advance(now_ms);
        let (.., uid) = self.active.pop_first()?;
        let entry = self.entries.get_mut(&uid)?;
        entry.place = Place::InFlight;
        entry.attempts = entry.attempts.saturating_add(1);
        entry.tried_ms = now_ms;
        Some(entry.pod.clone())
    }

    /// The pod in flight fits nowhere, by these plugins' word: it waits for an event that could help.
    pub fn refuse(&mut self, uid: &str, failing: PluginSet, now_ms: u64) {
        if let Some(entry) = self.in_flight(uid) {
            entry.failing = failing;
            entry.place = Place::Unschedulable { since_ms: now_ms };
            let uid = entry.pod.uid.clone();
            self.unschedulable.insert((now_ms, uid));
        }
    }

    /// The pod in flight could not be bound: it is tried again after its wait.
    pub fn retry(&mut self, uid: &str, now_ms: u64) {
        if let Some(entry) = self.in_flight(uid) {
            let until_ms = entry.backoff_end_ms().max(now_ms);
            entry.place = Place::BackingOff { until_ms };
            let uid = entry.pod.uid.clone();
            self.backing_off.insert((until_ms, uid));
        }
    }

    /// The pod in flight was not tried after all.
    pub fn put_back(&mut self, uid: &str, now_ms: u64) {
        if let Some(entry) = self.in_flight(uid) {
            entry.attempts = entry.attempts.saturating_sub(1);
            entry.place = Place::Active;
            entry.joined_ms = now_ms;
            let key = entry.active_key();
            self.active.insert(key);
        }
    }

    /// Something happened: pods that it could help are tried again, after what is left of their wait.
    /// Gives how many were moved.
    pub fn notice(&mut self, event: &ClusterEvent<'_>, now_ms: u64) -> usize {
        let helped: Vec<Arc<str>> = self
            .unschedulable
            .iter()
            .filter(|(_, uid)| self.entries.get(uid).is_some_and(|entry| entry.failing.helped_by(&entry.pod, event)))
            .map(|(_, uid)| uid.clone())
            .collect();
        for uid in &helped {
            self.awaken(uid, now_ms);
        }
        helped.len()
    }

    /// Tries everything at once, waits or not: a replica that has just become the active one owes nobody a wait.
    pub fn awaken_all(&mut self, now_ms: u64) {
        let waiting: Vec<Arc<str>> =
            self.unschedulable.iter().chain(self.backing_off.iter()).map(|(_, uid)| uid.clone()).collect();
        self.unschedulable.clear();
        self.backing_off.clear();
        for uid in &waiting {
            self.activate(uid, now_ms);
        }
    }

    /// Moves on what is due at `now_ms`: waits that are over, and pods that were left alone for too long.
    pub fn advance(&mut self, now_ms: u64) {
        while let Some((until_ms, uid)) = self.backing_off.first().cloned()
            && until_ms <= now_ms
        {
            self.backing_off.pop_first();
            self.activate(&uid, now_ms);
        }
        while let Some((since_ms, uid)) = self.unschedulable.first().cloned()
            && since_ms + LONGEST_UNSCHEDULABLE_MS <= now_ms
        {
            self.unschedulable.pop_first();
            self.activate(&uid, now_ms);
        }
    }

    /// When [`Self::advance`] next has something to do, in milliseconds.
    pub fn next_due_ms(&self) -> Option<u64> {
        let backoff = self.backing_off.first().map(|(until_ms, _)| *until_ms);
        let flush = self.unschedulable.first().map(|(since_ms, _)| since_ms + LONGEST_UNSCHEDULABLE_MS);
        backoff.into_iter().chain(flush).min()
    }

    /// What is known of a waiting pod.
    pub fn get(&self, uid: &str) -> Option<&Arc<PodInfo>> {
        self.entries.get(uid).map(|entry| &entry.pod)
    }

    /// Whether the pod was taken out to be tried.
    pub fn is_in_flight(&self, uid: &str) -> bool {
        self.entries.get(uid).is_some_and(|entry| matches!(entry.place, Place::InFlight))
    }

    /// Uids of all pods in it.
    pub fn uids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.entries.keys()
    }

    /// How many pods wait where.
    pub fn length(&self) -> QueueLength {
        QueueLength {
            active: self.active.len(),
            backing_off: self.backing_off.len(),
            unschedulable: self.unschedulable.len(),
        }
    }

    fn in_flight(&mut self, uid: &str) -> Option<&mut Entry> {
        self.entries.get_mut(uid).filter(|entry| matches!(entry.place, Place::InFlight))
    }

    fn awaken(&mut self, uid: &str, now_ms: u64) {
        let Some(entry) = self.entries.get_mut(uid) else { return };
        let Place::Unschedulable { since_ms } = entry.place else { return };
        self.unschedulable.remove(&(since_ms, entry.pod.uid.clone()));
        let until_ms = entry.backoff_end_ms();
        if until_ms > now_ms {
            entry.place = Place::BackingOff { until_ms };
            let uid = entry.pod.uid.clone();
            self.backing_off.insert((until_ms, uid));
        } else {
            self.activate(uid, now_ms);
        }
    }

    fn activate(&mut self, uid: &str, now_ms: u64) {
        if let Some(entry) = self.entries.get_mut(uid) {
            entry.place = Place::Active;
            entry.joined_ms = now_ms;
            let key = entry.active_key();
            self.active.insert(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{node, pod};
    use crate::plugins::PLUGINS;

    fn failing(name: &str) -> PluginSet {
        let mut set = PluginSet::default();
        set.insert(PLUGINS.iter().position(|p| p.name == name).expect("plugin"));
        set
    }

    fn pop(queue: &mut Queue, now_ms: u64) -> Option<String> {
        queue.pop(now_ms).map(|pod| pod.name.to_string())
    }

    #[test]
    fn priority_goes_first_then_time() {
        let mut queue = Queue::default();
        queue.set(pod("late").arc(), 2);
        queue.set(pod("early").arc(), 1);
        queue.set(pod("second").arc(), 1);
        queue.set(pod("important").priority(10).arc(), 3);
        let order: Vec<_> = std::iter::from_fn(|| pop(&mut queue, 5)).collect();
        assert_eq!(order, ["important", "early", "second", "late"]);
    }

    #[test]
    fn backoff_doubles_up_to_ten_seconds() {
        let mut queue = Queue::default();
        queue.set(pod("p").arc(), 0);
        let mut now = 0;
        for wait in [1_000, 2_000, 4_000, 8_000, 10_000, 10_000] {
            assert!(queue.pop(now).is_some());
            queue.retry("uid-p", now);
            assert_eq!(queue.next_due_ms(), Some(now + wait));
            assert_eq!(pop(&mut queue, now + wait - 1), None);
            now += wait;
        }
    }

    #[test]
    fn only_events_that_could_help_awaken() {
        let mut queue = Queue::default();
        queue.set(pod("big").cpu("4").arc(), 0);
        queue.set(pod("picky").selector("disk", "ssd").arc(), 0);
        for name in ["NodeResourcesFit", "NodeAffinity"] {
            let next = queue.pop(0).expect("pod");
            queue.refuse(&next.uid, failing(name), 0);
        }
        let (small, labelled) = (node("n").cpu("1").with(&[]), node("n").cpu("1").label("disk", "ssd").with(&[]));
        let now = 20_000;
        assert_eq!(queue.notice(&ClusterEvent::NodeAdded(&small), now), 0);
        assert_eq!(queue.notice(&ClusterEvent::NodeUpdated { before: &small.spec, after: &labelled }, now), 1);
        assert_eq!(pop(&mut queue, now).as_deref(), Some("picky"));
        assert_eq!(queue.notice(&ClusterEvent::PodRemoved(&pod("x").info()), now), 1);
        assert_eq!(pop(&mut queue, now).as_deref(), Some("big"));
    }

    #[test]
    fn an_awakened_pod_sits_out_its_wait() {
        let mut queue = Queue::default();
        queue.set(pod("p").arc(), 0);
        queue.pop(0);
        queue.refuse("uid-p", failing("NodeResourcesFit"), 0);
        queue.notice(&ClusterEvent::PodRemoved(&pod("x").info()), 400);
        assert_eq!(queue.length(), QueueLength { backing_off: 1, ..QueueLength::default() });
        assert_eq!(pop(&mut queue, 999), None);
        assert!(pop(&mut queue, 1_000).is_some());
    }

    #[test]
    fn a_changed_pod_is_tried_again_and_a_status_update_is_not_a_change() {
        let mut queue = Queue::default();
        queue.set(pod("p").cpu("4").arc(), 0);
        queue.pop(0);
        queue.refuse("uid-p", failing("NodeResourcesFit"), 0);
        queue.set(pod("p").cpu("4").arc(), 5_000);
        assert_eq!(pop(&mut queue, 5_000), None);
        queue.set(pod("p").cpu("4").tolerating("x").arc(), 5_000);
        assert!(pop(&mut queue, 5_000).is_some());
    }

    #[test]
    fn pods_left_alone_are_tried_after_five_minutes() {
        let mut queue = Queue::default();
        queue.set(pod("p").arc(), 0);
        queue.pop(0);
        queue.refuse("uid-p", failing("NodeAffinity"), 7);
        assert_eq!(queue.next_due_ms(), Some(300_007));
        assert_eq!(pop(&mut queue, 300_006), None);
        assert!(pop(&mut queue, 300_007).is_some());
    }

    #[test]
    fn put_back_is_no_attempt_and_removed_pods_are_gone() {
        let mut queue = Queue::default();
        queue.set(pod("p").arc(), 0);
        queue.pop(0);
        assert!(queue.is_in_flight("uid-p"));
        queue.put_back("uid-p", 1);
        assert!(queue.pop(1).is_some());
        queue.retry("uid-p", 1);
        assert_eq!(queue.next_due_ms(), Some(1_001), "this was the first attempt");
        assert!(queue.remove("uid-p").is_some());
        assert_eq!((queue.length(), queue.next_due_ms()), (QueueLength::default(), None));
        queue.refuse("uid-p", PluginSet::default(), 2);
        queue.retry("uid-p", 2);
        assert_eq!(queue.uids().count(), 0);
    }

    #[test]
    fn a_new_leader_tries_everything_at_once() {
        let mut queue = Queue::default();
        for name in ["a", "b", "c"] {
            queue.set(pod(name).arc(), 0);
        }
        queue.pop(0);
        queue.refuse("uid-a", failing("NodeAffinity"), 0);
        queue.pop(0);
        queue.retry("uid-b", 0);
        queue.awaken_all(1);
        assert_eq!(queue.length(), QueueLength { active: 3, ..QueueLength::default() });
    }
}
