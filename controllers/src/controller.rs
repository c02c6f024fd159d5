//! What a controller is: a name, what it watches, how a change becomes work, and a function from what is seen to a plan.

use crate::informer::{Caches, Change};
use crate::ledger::InFlight;
use crate::node_lifecycle::heartbeats::Heartbeats;
use crate::object::Key;
use crate::plan::{Failure, Live, Now, Plan};
use crate::pod_gc::Absences;
use crate::settings::Settings;
use kubus_proto::KindRow;

/// Everything a plan may depend on.
pub struct Observation<'a> {
    /// The clocks.
    pub now: Now,
    /// What the informers have seen; may lag.
    pub caches: &'a Caches,
    /// Own writes for this key that the caches do not show yet.
    pub in_flight: &'a InFlight,
    /// Answers to lookups of this reconciliation.
    pub live: &'a Live,
    /// How the last attempt at this key failed.
    pub failure: Option<&'a Failure>,
    /// Signs of life of nodes.
    pub heartbeats: &'a Heartbeats,
    /// Nodes that are missing, and since when.
    pub absences: &'a Absences,
    /// Flags.
    pub settings: &'a Settings,
    /// A random number for names.
    pub seed: u64,
}

/// One kind a controller watches.
#[derive(Clone, Copy)]
pub struct Watch {
    /// The kind; `None` for all that informers follow.
    pub row: Option<&'static KindRow>,
    /// Keys that must be looked at because of a change.
    pub keys: fn(&Caches, &Change) -> Vec<Key>,
}

/// One controller.
pub struct Controller {
    /// Its name in logs and expectations.
    pub name: &'static str,
    /// What it watches.
    pub watches: &'static [Watch],
    /// What it wants done for a key.
    pub plan: fn(&Observation<'_>, &Key) -> Plan,
    /// Keys looked at at once.
    pub workers: usize,
    /// Keys that are looked at whenever a replica begins to lead, besides those of all cached objects.
    pub first_keys: fn() -> Vec<Key>,
}

impl Controller {
    /// Keys that `change` makes work for.
    pub fn keys(&self, caches: &Caches, change: &Change) -> Vec<Key> {
        let concerned = |w: &&Watch| w.row.is_none_or(|r| r.plural == change.row.plural && r.group == change.row.group);
        self.watches.iter().filter(concerned).flat_map(|w| (w.keys)(caches, change)).collect()
    }
}

/// No keys besides those of cached objects.
pub fn no_first_keys() -> Vec<Key> {
    Vec::new()
}

/// The changed object's own key.
pub fn own_key(_: &Caches, change: &Change) -> Vec<Key> {
    change.newest().map(|o| Key::of(o.metadata())).into_iter().collect()
}

/// The key of the controller of the changed object, of kind `row`; of the former one too where it changed.
pub fn controller_key(row: &'static KindRow, change: &Change) -> Vec<Key> {
    let mut keys: Vec<Key> = change
        .states()
        .filter_map(|o| {
            let name = crate::object::controller_of_kind(o.metadata(), row)?;
            Some(Key::new(crate::object::namespace(o.metadata()), name))
        })
        .collect();
    keys.dedup();
    keys
}
