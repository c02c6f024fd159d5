//! Signs of life of nodes as this replica has heard them, on its own monotonic clock: no other clock can be wrong.

use kubus_proto::heartbeat::Heartbeat;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A rate of nothing is this one, in nodes per second.
const SLOWEST: f64 = 1e-6;

/// What is known of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// How long nothing was heard, counted at most from when judging began.
    pub silence: Duration,
    /// The last heartbeat, `None` where this replica never heard one.
    pub last: Option<Heartbeat>,
}

/// All signs of life.
#[derive(Debug, Default)]
pub struct Heartbeats {
    inner: Mutex<Inner>,
    /// A heartbeat after so long a silence is news.
    quiet: Duration,
}

#[derive(Debug, Default)]
struct Inner {
    /// Nobody is judged for silence before this.
    since: Duration,
    heard: HashMap<String, (Duration, Heartbeat)>,
    /// When a node that was not heard yet was first asked about.
    awaited: HashMap<String, Duration>,
    /// When the last node of a zone was given up, by zone.
    given_up: HashMap<String, Duration>,
}

impl Heartbeats {
    /// For nodes that may be silent for `grace`.
    pub fn new(grace: Duration) -> Self {
        Self { inner: Mutex::default(), quiet: grace / 2 }
    }

    /// Takes in a heartbeat at `now`. True where its node must be looked at: it says something else than before, or
    /// says something at last. Heartbeats that were overtaken on the bus do not count.
    pub fn hear(&self, heartbeat: Heartbeat, now: Duration) -> bool {
        let mut inner = self.lock();
        let news = match inner.heard.get(&heartbeat.node) {
            Some((_, last)) if last.boot_id == heartbeat.boot_id && last.sequence >= heartbeat.sequence => {
                return false;
            }
            Some((at, last)) => {
                let same = (last.boot_id, last.ready, last.leaving, &last.message)
                    == (heartbeat.boot_id, heartbeat.ready, heartbeat.leaving, &heartbeat.message);
                !same || now.saturating_sub(*at) > self.quiet
            }
            None => true,
        };
        inner.awaited.remove(&heartbeat.node);
        inner.heard.insert(heartbeat.node.clone(), (now, heartbeat));
        news
    }

    /// This replica begins to judge: every node has a full grace period from now on.
    pub fn begin(&self, now: Duration) {
        let mut inner = self.lock();
        inner.since = now;
        inner.given_up.clear();
    }

    /// What is known of `node`. One that never spoke has time from the first question about it.
    pub fn sign(&self, node: &str, now: Duration) -> Sign {
        let mut inner = self.lock();
        let heard = inner.heard.get(node).cloned();
        let at = match &heard {
            Some((at, _)) => *at,
            None => *inner.awaited.entry(node.to_owned()).or_insert(now),
        };
        let silence = now.saturating_sub(at.max(inner.since));
        Sign { silence, last: heard.map(|(_, heartbeat)| heartbeat) }
    }

    /// Forgets a node that was deleted.
    pub fn forget(&self, node: &str) {
        let mut inner = self.lock();
        inner.heard.remove(node);
        inner.awaited.remove(node);
    }

    /// Whether one more node of `zone` may be given up, at `rate` nodes a second; else how long to wait.
    pub fn give_up(&self, zone: &str, rate: f64, now: Duration) -> Result<(), Duration> {
        let mut inner = self.lock();
        let pause = Duration::from_secs_f64(1.0 / rate.max(SLOWEST));
        match inner.given_up.get(zone) {
            Some(last) if now < *last + pause => Err(*last + pause - now),
            _ => {
                inner.given_up.insert(zone.to_owned(), now);
                Ok(())
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(sequence: u64, leaving: bool) -> Heartbeat {
        let boot_id = "00000000-0000-0000-0000-000000000001".parse().expect("uuid");
        Heartbeat { node: "n1".into(), boot_id, sequence, ready: true, message: String::new(), leaving }
    }

    #[test]
    fn silence_counts_from_the_last_word_or_the_election() {
        let at = Duration::from_secs;
        let heartbeats = Heartbeats::new(at(10));
        heartbeats.begin(at(100));
        assert_eq!(heartbeats.sign("n1", at(103)).silence, at(0), "a node is new when it is first asked about");
        assert_eq!(heartbeats.sign("n1", at(106)).silence, at(3));
        assert!(heartbeats.hear(beat(0, false), at(107)), "the first word is news");
        assert!(!heartbeats.hear(beat(1, false), at(108)));
        assert!(heartbeats.hear(beat(3, true), at(109)), "it is leaving");
        assert!(!heartbeats.hear(beat(2, false), at(109)), "overtaken");
        assert!(heartbeats.sign("n1", at(110)).last.expect("heard").leaving);
        assert!(heartbeats.hear(beat(4, true), at(120)), "a word after a long silence");
        heartbeats.begin(at(125));
        assert_eq!(heartbeats.sign("n1", at(126)).silence, at(1), "a new leader gives a full grace period");
        heartbeats.forget("n1");
        assert_eq!(heartbeats.sign("n1", at(126)).last, None);
    }

    #[test]
    fn nodes_are_given_up_one_after_another() {
        let at = Duration::from_secs;
        let heartbeats = Heartbeats::new(at(10));
        assert_eq!(heartbeats.give_up("a", 0.1, at(0)), Ok(()));
        assert_eq!(heartbeats.give_up("a", 0.1, at(4)), Err(at(6)));
        assert_eq!(heartbeats.give_up("b", 0.1, at(4)), Ok(()), "another zone");
        assert_eq!(heartbeats.give_up("a", 0.1, at(10)), Ok(()));
    }
}
