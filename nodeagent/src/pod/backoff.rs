//! How long a failing container waits before it is started again: at once after its first end, then 10 s doubling to
//! five minutes; ten minutes of running make it new.
//! <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy>

use jiff::{SignedDuration, Timestamp};

/// First delay in seconds.
pub const INITIAL_S: i64 = 10;
/// Longest delay in seconds.
pub const MAXIMUM_S: i64 = 300;
/// A container that ran this long since its last start is not a crashing one, in seconds.
pub const RESET_AFTER_S: i64 = 600;

/// Back-off of one container or image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    entry: Option<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    delay_s: i64,
    updated_at: Timestamp,
}

impl Backoff {
    /// What the delay was after `failures` restarts, the last of them at `at`: an agent that restarts takes up its
    /// containers' back-off from how often they were started.
    pub fn resumed(failures: u32, at: Timestamp) -> Self {
        if failures == 0 {
            return Self::default();
        }
        let doublings = (failures - 1).min(16);
        Self { entry: Some(Entry { delay_s: (INITIAL_S << doublings).min(MAXIMUM_S), updated_at: at }) }
    }

    /// Until when something that failed at `failed_at` must wait; `None` when it need not.
    pub fn until(&self, failed_at: Timestamp) -> Option<Timestamp> {
        let entry = self.entry.filter(|e| !expired(e, failed_at))?;
        Some(failed_at + SignedDuration::from_secs(entry.delay_s))
    }

    /// The delay in force, in seconds.
    pub fn delay_s(&self) -> i64 {
        self.entry.map_or(INITIAL_S, |e| e.delay_s)
    }

    /// The delay in force as Go writes it: `10s`, `1m20s`, `5m0s`.
    pub fn text(&self) -> String {
        let delay_s = self.delay_s();
        if delay_s < 60 { format!("{delay_s}s") } else { format!("{}m{}s", delay_s / 60, delay_s % 60) }
    }

    /// Notes one more try at `now` after a failure at `failed_at`: the next failure waits longer.
    pub fn advance(&mut self, failed_at: Timestamp, now: Timestamp) {
        let delay_s = match self.entry {
            Some(entry) if !expired(&entry, failed_at) => (entry.delay_s * 2).min(MAXIMUM_S),
            _ => INITIAL_S,
        };
        self.entry = Some(Entry { delay_s, updated_at: now });
    }
}

fn expired(entry: &Entry, failed_at: Timestamp) -> bool {
    failed_at.duration_since(entry.updated_at) > SignedDuration::from_secs(RESET_AFTER_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[test]
    fn doubles_to_five_minutes_and_resets_after_ten() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.until(at(0)), None, "the first restart is immediate");
        let mut now = 0;
        for delay in [10, 20, 40, 80, 160, 300, 300] {
            backoff.advance(at(now), at(now));
            now += 1;
            assert_eq!(backoff.until(at(now)), Some(at(now + delay)));
            assert_eq!(backoff.delay_s(), delay);
            assert!(delay != 80 || backoff.text() == "1m20s");
            now += delay;
        }
        backoff.advance(at(now), at(now));
        assert_eq!(backoff.until(at(now + 601)), None, "ten minutes of running make it new");
        backoff.advance(at(now + 601), at(now + 601));
        assert_eq!(backoff.delay_s(), 10);
    }

    #[test]
    fn is_taken_up_again_from_the_restart_count() {
        assert_eq!(Backoff::resumed(0, at(5)).until(at(6)), None);
        assert_eq!(Backoff::resumed(1, at(5)).until(at(6)), Some(at(16)));
        assert_eq!(Backoff::resumed(40, at(5)).delay_s(), 300);
    }
}
