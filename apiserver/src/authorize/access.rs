//! The index of roles and bindings that all requests share, renewed when a state shows newer ones.

use super::Sight;
use super::rbac::Index;
use crate::state::State;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// Rights of users, as the newest state that was asked about has them.
#[derive(Default)]
pub struct Access {
    index: ArcSwap<Index>,
}

impl Access {
    /// The index of `state`, or of a newer one: a right that was taken away stays away.
    pub fn index(&self, state: &State) -> Arc<Index> {
        let known = self.index.load_full();
        if known.is_current(state) {
            return known;
        }
        // Several may do this at once; the work is small and the result the same.
        let fresh = Arc::new(Index::of(state, &known));
        self.index.store(fresh.clone());
        fresh
    }

    /// Runs `with` on what decisions about `state` are made on.
    pub fn see<T>(&self, state: &State, with: impl FnOnce(&Sight<'_>) -> T) -> T {
        let rules = || self.index(state);
        with(&Sight { relations: state, rules: &rules })
    }
}
