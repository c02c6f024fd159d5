//! Expectations: what was written for a key and has not shown up in the caches yet. With it a controller whose cache
//! lags neither creates nor deletes twice. <https://kubernetes.io/docs/concepts/architecture/controller/>

use crate::object::Key;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// How long a write is waited for before the caches are believed again.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How long a write that was not answered is waited for: the request's own deadline is over by then, so it was either
/// carried out and is about to show, or never will be.
pub const DOUBT: Duration = Duration::from_secs(5);
/// Most writes remembered for one key; beyond it the oldest are given up.
const PER_OWNER_LIMIT: usize = 4_096;

/// Whose write it was: a controller's name and a key of it.
pub type Owner = (&'static str, Key);

/// A write that a cache should show sooner or later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// An object of that name was made.
    Created,
    /// The object with this uid is gone or going.
    Deleted {
        /// Its uid.
        uid: String,
    },
    /// The object was changed.
    Changed,
}

#[derive(Clone, Debug)]
struct Entry {
    plural: &'static str,
    key: Key,
    expected: Expected,
    /// Revision of the write, once its answer is there.
    revision: Option<u64>,
    /// When the answer came.
    answered: Option<Duration>,
    expires: Duration,
}

/// What a cache knows about one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub revision: u64,
    /// Whether it is being deleted.
    pub deleting: bool,
}

/// How a ledger asks the caches.
pub trait View {
    /// The object as the cache of `plural` has it.
    fn seen(&self, plural: &str, key: &Key) -> Option<Seen>;
    /// The highest revision the cache of `plural` has seen.
    fn revision(&self, plural: &str) -> u64;
    /// When the cache of `plural` began its last complete listing, monotonic.
    fn listed(&self, plural: &str) -> Option<Duration>;
}

/// Writes of one key that its caches do not show yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Keys of objects made.
    pub created: HashSet<Key>,
    /// uids of objects deleted.
    pub deleted: HashSet<String>,
    /// Keys of objects changed.
    pub changed: HashSet<Key>,
    /// When the first of them is given up, monotonic.
    pub expires: Option<Duration>,
}

impl InFlight {
    /// Whether the caches show every write.
    pub fn is_empty(&self) -> bool {
        self.created.is_empty() && self.deleted.is_empty() && self.changed.is_empty()
    }
}

/// All expectations.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: HashMap<Owner, Vec<Entry>>,
}

impl Ledger {
    /// A write is about to be sent. It counts from now on, since its event may overtake its answer.
    pub fn expect(&mut self, owner: &Owner, plural: &'static str, key: Key, expected: Expected, now: Duration) {
        let entries = self.entries.entry(owner.clone()).or_default();
        entries.retain(|e| !(e.plural == plural && e.key == key && e.expected == expected));
        if entries.len() >= PER_OWNER_LIMIT {
            entries.remove(0);
        }
        entries.push(Entry { plural, key, expected, revision: None, answered: None, expires: now + PATIENCE });
    }

    /// The write was carried out, at `revision` where the answer told it.
    pub fn confirm(&mut self, owner: &Owner, plural: &str, key: &Key, revision: u64, now: Duration) {
        for entry in self.entries.get_mut(owner).into_iter().flatten() {
            if entry.plural == plural && entry.key == *key && entry.answered.is_none() {
                entry.revision = (revision > 0).then_some(revision);
                entry.answered = Some(now);
                entry.expires = now + PATIENCE;
            }
        }
    }

    /// The write was refused: it will not show up.
    pub fn refuse(&mut self, owner: &Owner, plural: &str, key: &Key) {
        if let Some(entries) = self.entries.get_mut(owner) {
            entries.retain(|e| !(e.plural == plural && e.key == *key && e.answered.is_none()));
            if entries.is_empty() {
                self.entries.remove(owner);
            }
        }
    }

    /// No answer came: the write may or may not show up.
    pub fn doubt(&mut self, owner: &Owner, plural: &str, key: &Key, now: Duration) {
        for entry in self.entries.get_mut(owner).into_iter().flatten() {
            if entry.plural == plural && entry.key == *key && entry.answered.is_none() {
                entry.expires = now + DOUBT;
            }
        }
    }

    /// What is still not seen of `owner`'s writes; forgets what is.
    pub fn in_flight(&mut self, owner: &Owner, view: &impl View, now: Duration) -> InFlight {
        let mut flight = InFlight::default();
        let Some(entries) = self.entries.get_mut(owner) else {
            return flight;
        };
        entries.retain(|e| e.expires > now && !e.is_seen(view));
        for entry in entries.iter() {
            match &entry.expected {
                Expected::Created => flight.created.insert(entry.key.clone()),
                Expected::Deleted { uid } => flight.deleted.insert(uid.clone()),
                Expected::Changed => flight.changed.insert(entry.key.clone()),
            };
            flight.expires = Some(flight.expires.map_or(entry.expires, |e| e.min(entry.expires)));
        }
        if entries.is_empty() {
            self.entries.remove(owner);
        }
        flight
    }

    /// Forgets everything (another replica has led meanwhile).
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

impl Entry {
    fn is_seen(&self, view: &impl View) -> bool {
        if self.revision.is_some_and(|r| view.revision(self.plural) >= r) {
            return true;
        }
        // A listing that began after the answer shows the write, or what has become of it since.
        if let (Some(answered), Some(listed)) = (self.answered, view.listed(self.plural))
            && listed > answered
        {
            return true;
        }
        let seen = view.seen(self.plural, &self.key);
        match &self.expected {
            Expected::Created => seen.is_some(),
            Expected::Deleted { uid } => seen.is_none_or(|s| s.uid != *uid || s.deleting),
            Expected::Changed => seen.is_none_or(|s| self.revision.is_some_and(|r| s.revision >= r)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Cache {
        objects: HashMap<Key, Seen>,
        revision: u64,
        listed: Option<Duration>,
    }

    impl View for Cache {
        fn seen(&self, _: &str, key: &Key) -> Option<Seen> {
            self.objects.get(key).cloned()
        }
        fn revision(&self, _: &str) -> u64 {
            self.revision
        }
        fn listed(&self, _: &str) -> Option<Duration> {
            self.listed
        }
    }

    fn seen(uid: &str, revision: u64, deleting: bool) -> Seen {
        Seen { uid: uid.into(), revision, deleting }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn writes_count_until_the_cache_shows_them() {
        let (mut ledger, mut cache) = (Ledger::default(), Cache::default());
        let owner: Owner = ("replicaset", Key::new("ns", "web"));
        let (a, b, c) = (Key::new("ns", "a"), Key::new("ns", "b"), Key::new("ns", "c"));
        cache.objects.insert(b.clone(), seen("ub", 3, false));
        cache.objects.insert(c.clone(), seen("uc", 4, false));
        cache.revision = 4;
        ledger.expect(&owner, "pods", a.clone(), Expected::Created, at(0));
        ledger.expect(&owner, "pods", b.clone(), Expected::Deleted { uid: "ub".into() }, at(0));
        ledger.expect(&owner, "replicasets", c.clone(), Expected::Changed, at(0));
        ledger.confirm(&owner, "replicasets", &c, 9, at(1));
        let flight = ledger.in_flight(&owner, &cache, at(1));
        assert!(flight.created.contains(&a) && flight.deleted.contains("ub") && flight.changed.contains(&c));
        assert_eq!(flight.expires, Some(PATIENCE));

        cache.objects.insert(a.clone(), seen("ua", 5, false));
        cache.objects.insert(b.clone(), seen("ub", 6, true));
        cache.revision = 6;
        let flight = ledger.in_flight(&owner, &cache, at(2));
        assert!(flight.created.is_empty() && flight.deleted.is_empty() && flight.changed.contains(&c));
        cache.objects.insert(c, seen("uc", 9, false));
        assert!(ledger.in_flight(&owner, &cache, at(2)).is_empty());
    }

    #[test]
    fn refused_overtaken_relisted_and_expired_writes_are_forgotten() {
        let (mut ledger, mut cache) = (Ledger::default(), Cache::default());
        let owner: Owner = ("replicaset", Key::new("ns", "web"));
        let a = Key::new("ns", "a");
        let expect = |ledger: &mut Ledger| ledger.expect(&owner, "pods", a.clone(), Expected::Created, at(0));

        expect(&mut ledger);
        ledger.refuse(&owner, "pods", &a);
        assert!(ledger.in_flight(&owner, &cache, at(0)).is_empty(), "refused");

        expect(&mut ledger);
        ledger.confirm(&owner, "pods", &a, 7, at(1));
        assert!(!ledger.in_flight(&owner, &cache, at(1)).is_empty());
        cache.revision = 8;
        assert!(ledger.in_flight(&owner, &cache, at(1)).is_empty(), "made and deleted again before the cache looked");

        cache.revision = 0;
        expect(&mut ledger);
        ledger.confirm(&owner, "pods", &a, 7, at(1));
        cache.listed = Some(at(2));
        assert!(ledger.in_flight(&owner, &cache, at(2)).is_empty(), "a listing after the answer decides");

        cache.listed = None;
        expect(&mut ledger);
        assert!(!ledger.in_flight(&owner, &cache, PATIENCE - at(1)).is_empty());
        assert!(ledger.in_flight(&owner, &cache, PATIENCE).is_empty(), "expired");
    }
}
