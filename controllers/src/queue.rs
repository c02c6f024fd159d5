//! Work queue of one controller: each key once, never two workers on one key, failed keys come back later and later.
//! It holds at most one entry for each object there is, which is its bound.

use crate::object::Key;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

/// Delay after the first failure.
pub const FIRST_DELAY: Duration = Duration::from_millis(10);
/// Longest delay after many failures.
pub const LAST_DELAY: Duration = Duration::from_secs(30);

/// The queue without a clock or a lock: time comes as an argument, monotonic.
#[derive(Debug, Default)]
pub struct WorkQueue {
    ready: VecDeque<Key>,
    /// In `ready`, or to be put there when its worker is done.
    wanted: HashSet<Key>,
    /// With a worker.
    active: HashSet<Key>,
    later: BTreeSet<(Duration, Key)>,
    deadline: HashMap<Key, Duration>,
    failures: HashMap<Key, u32>,
}

impl WorkQueue {
    /// Wants `key` looked at as soon as possible.
    pub fn add(&mut self, key: Key) {
        if self.wanted.insert(key.clone()) && !self.active.contains(&key) {
            self.ready.push_back(key);
        }
    }

    /// Wants `key` looked at from `at` on; an earlier wish stands.
    pub fn add_at(&mut self, key: Key, at: Duration) {
        match self.deadline.get(&key).copied() {
            Some(earlier) if earlier <= at => return,
            Some(later) => {
                self.later.remove(&(later, key.clone()));
            }
            None => {}
        }
        self.deadline.insert(key.clone(), at);
        self.later.insert((at, key));
    }

    /// Wants `key` looked at again after a failure; the delay doubles with each.
    pub fn retry(&mut self, key: Key, now: Duration) {
        let failures = self.failures.entry(key.clone()).or_default();
        let delay = FIRST_DELAY.saturating_mul(1u32 << (*failures).min(20)).min(LAST_DELAY);
        *failures = failures.saturating_add(1);
        self.add_at(key, now + delay);
    }

    /// The key went well: its next failure starts with the shortest delay.
    pub fn forget(&mut self, key: &Key) {
        self.failures.remove(key);
    }

    /// The next key for a worker, who calls [`Self::done`] afterwards.
    pub fn take(&mut self, now: Duration) -> Option<Key> {
        while let Some((at, key)) = self.later.first().cloned() {
            if at > now {
                break;
            }
            self.later.pop_first();
            self.deadline.remove(&key);
            self.add(key);
        }
        let key = self.ready.pop_front()?;
        self.wanted.remove(&key);
        self.active.insert(key.clone());
        Some(key)
    }

    /// A worker is done with `key`; if it was wanted meanwhile it is ready again.
    pub fn done(&mut self, key: &Key) {
        self.active.remove(key);
        if self.wanted.contains(key) {
            self.ready.push_back(key.clone());
        }
    }

    /// When the next delayed key is due.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.later.first().map(|(at, _)| *at)
    }

    /// Forgets everything but what workers hold.
    pub fn clear(&mut self) {
        let active = std::mem::take(&mut self.active);
        *self = Self { active, ..Self::default() };
    }

    /// Keys waiting, ready or delayed.
    pub fn len(&self) -> usize {
        self.ready.len() + self.later.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new("", name)
    }

    const T0: Duration = Duration::ZERO;

    #[test]
    fn a_key_is_queued_once_and_never_worked_on_twice_at_once() {
        let mut queue = WorkQueue::default();
        queue.add(key("a"));
        queue.add(key("a"));
        queue.add(key("b"));
        assert_eq!(queue.take(T0), Some(key("a")));
        queue.add(key("a"));
        queue.add(key("a"));
        assert_eq!(queue.take(T0), Some(key("b")));
        assert_eq!(queue.take(T0), None, "a is with a worker");
        queue.done(&key("a"));
        assert_eq!(queue.take(T0), Some(key("a")));
        queue.done(&key("a"));
        queue.done(&key("b"));
        assert_eq!(queue.take(T0), None);
    }

    #[test]
    fn failures_double_the_delay_up_to_a_bound() {
        let mut queue = WorkQueue::default();
        let mut now = T0;
        let mut delays = Vec::new();
        for _ in 0..20 {
            queue.retry(key("a"), now);
            let due = queue.next_deadline().expect("delayed");
            assert_eq!(queue.take(due - Duration::from_nanos(1)), None);
            assert_eq!(queue.take(due), Some(key("a")));
            queue.done(&key("a"));
            delays.push(due - now);
            now = due;
        }
        assert_eq!(delays[..3], [FIRST_DELAY, FIRST_DELAY * 2, FIRST_DELAY * 4]);
        assert_eq!(delays[19], LAST_DELAY);
        queue.forget(&key("a"));
        queue.retry(key("a"), now);
        assert_eq!(queue.next_deadline(), Some(now + FIRST_DELAY));
    }

    #[test]
    fn the_earliest_wish_stands() {
        let mut queue = WorkQueue::default();
        let at = Duration::from_secs;
        queue.add_at(key("a"), at(5));
        queue.add_at(key("a"), at(9));
        assert_eq!(queue.next_deadline(), Some(at(5)));
        queue.add_at(key("a"), at(2));
        assert_eq!(queue.next_deadline(), Some(at(2)));
        assert_eq!(queue.take(at(2)), Some(key("a")));
        queue.done(&key("a"));
        assert!(queue.is_empty());
        queue.add(key("b"));
        queue.clear();
        assert_eq!(queue.take(at(99)), None);
    }
}
