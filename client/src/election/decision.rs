//! Who may take the lease and when: pure. Time is each process' own monotonic clock; the times in the lease are for
//! humans, since two hosts' clocks need not agree.

use std::time::Duration;

/// What the Lease said when it was last read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// Who holds it, empty for nobody.
    pub(super) holder: String,
    /// How often it changed hands.
    pub(super) transitions: i32,
    /// Changes with every renewal.
    pub(super) version: String,
}

/// What one candidate remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    record: Option<Record>,
    changed_at: Duration,
}

/// What a candidate should do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// There is no Lease: create it.
    Create,
    /// Nobody holds it, or who does has been silent for the whole duration: take it.
    Take,
    /// It is ours: renew it.
    Renew,
    /// Another holds it; it cannot expire sooner than this.
    Wait(Duration),
}

impl Memory {
    /// Takes note of what was read at `now`. Only a change counts as a sign of life.
    pub(super) fn observe(&mut self, record: Option<Record>, now: Duration) {
        if record != self.record {
            self.record = record;
            self.changed_at = now;
        }
    }

    pub(super) fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// What `me` should do at `now` about a lease of duration `lease`.
    pub(super) fn decide(&self, me: &str, lease: Duration, now: Duration) -> Action {
        let Some(record) = &self.record else { return Action::Create };
        if record.holder == me {
            return Action::Renew;
        }
        let left = (self.changed_at + lease).saturating_sub(now);
        if record.holder.is_empty() || left.is_zero() { Action::Take } else { Action::Wait(left) }
    }
}

/// Until when a renewal that was sent at `sent` lets its holder act: a fifth before the earliest moment at which
/// another can take the lease, so that clocks which run at slightly different speeds do no harm.
pub(super) fn valid_until(sent: Duration, lease: Duration) -> Duration {
    sent + lease * 4 / 5
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(4);

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn record(holder: &str, version: u32) -> Option<Record> {
        Some(Record { holder: holder.into(), transitions: 0, version: version.to_string() })
    }

    #[test]
    fn a_lease_is_taken_only_when_it_is_free() {
        for (what, seen, now, expected) in [
            ("there is none", vec![(0, None)], 0, Action::Create),
            ("it is ours", vec![(0, record("me", 1))], 90_000, Action::Renew),
            ("given up", vec![(0, record("", 1))], 0, Action::Take),
            ("seen first just now", vec![(1_000, record("you", 1))], 1_000, Action::Wait(LEASE)),
            ("not renewed", vec![(0, record("you", 1)), (3_000, record("you", 1))], 3_000, Action::Wait(at(1_000))),
            ("renewed", vec![(0, record("you", 1)), (3_000, record("you", 2))], 5_000, Action::Wait(at(2_000))),
            ("silent for long enough", vec![(0, record("you", 1)), (3_999, record("you", 1))], 4_000, Action::Take),
        ] {
            let mut memory = Memory::default();
            for (ms, record) in seen {
                memory.observe(record, at(ms));
            }
            assert_eq!(memory.decide("me", LEASE, at(now)), expected, "{what}");
        }
    }

    #[test]
    fn a_leader_stops_before_another_can_begin() {
        // The other sees the renewal no earlier than it was sent, and waits for the whole duration.
        let sent = at(10_000);
        let mut other = Memory::default();
        other.observe(record("me", 7), sent);
        let end = valid_until(sent, LEASE);
        assert!(matches!(other.decide("you", LEASE, end), Action::Wait(left) if left > at(500)));
    }
}
