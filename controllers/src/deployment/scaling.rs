//! Changing the size of a Deployment outside of its rollout's own moves: in proportion, so that a rollout half-way
//! stays half-way. <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#proportional-scaling>

use super::history::{DESIRED_REPLICAS, History, MAX_REPLICAS, number, replicas};
use super::rolling::Sizes;
use super::sizing::Sizing;
use crate::object;
use k8s_openapi::api::apps::v1::ReplicaSet;
use std::cmp::Reverse;
use std::sync::Arc;

/// Whether the Deployment's size was changed since its ReplicaSets were sized.
pub fn is_scaling(sizing: &Sizing, history: &History) -> bool {
    let other = |s: &Arc<ReplicaSet>| {
        replicas(s) > 0 && number(&s.metadata, DESIRED_REPLICAS).is_some_and(|d| d != i64::from(sizing.replicas))
    };
    history.all().any(other)
}

/// Whether the new ReplicaSet has all its pods available.
fn is_saturated(sizing: &Sizing, new: &ReplicaSet) -> bool {
    let available = new.status.as_ref().and_then(|s| s.available_replicas).unwrap_or(0);
    number(&new.metadata, DESIRED_REPLICAS) == Some(i64::from(sizing.replicas))
        && replicas(new) == sizing.replicas
        && available == sizing.replicas
}

/// Sizes of all ReplicaSets that must be written, the unchanged ones too: their annotations note the new wish.
/// `former_total` is status.replicas of the Deployment.
pub fn scaled_sizes(sizing: &Sizing, history: &History, former_total: i32) -> Sizes {
    let active: Vec<_> = history.all().filter(|s| replicas(s) > 0).cloned().collect();
    let only = match active.as_slice() {
        [] => history.new.clone().or_else(|| history.old.last().cloned()),
        [one] => Some(one.clone()),
        _ => None,
    };
    let uid = |s: &ReplicaSet| object::uid(&s.metadata).to_owned();
    if let Some(only) = only {
        return Sizes::from([(uid(&only), sizing.replicas)]);
    }
    if let Some(new) = history.new.as_ref().filter(|n| is_saturated(sizing, n)) {
        let old = history.old.iter().filter(|s| replicas(s) > 0).map(|s| (uid(s), 0));
        return old.chain([(uid(new), sizing.replicas)]).collect();
    }
    if !sizing.rolling {
        return active.iter().map(|s| (uid(s), replicas(s))).collect();
    }
    proportional(sizing, active, former_total)
}

/// Shares the difference out in proportion to the sizes; the rounding rest goes to the largest.
fn proportional(sizing: &Sizing, mut active: Vec<Arc<ReplicaSet>>, former_total: i32) -> Sizes {
    let total: i32 = active.iter().map(|s| replicas(s)).sum();
    let allowed = if sizing.replicas > 0 { sizing.ceiling() } else { 0 };
    let to_add = allowed - total;
    // Of two equally large ones the newer grows first and the older shrinks first.
    if to_add > 0 {
        active.sort_by_key(|s| Reverse((replicas(s), object::created(&s.metadata))));
    } else {
        active.sort_by_key(|s| (Reverse(replicas(s)), object::created(&s.metadata)));
    }
    let mut added = 0;
    let mut sizes = Vec::new();
    for set in &active {
        let left = to_add - added;
        let fraction = fraction(sizing, set, former_total);
        let share = if to_add > 0 { fraction.min(left) } else { fraction.max(left) };
        let share = if left == 0 { 0 } else { share };
        added += share;
        sizes.push((object::uid(&set.metadata).to_owned(), replicas(set) + share));
    }
    if let Some((_, largest)) = sizes.first_mut() {
        *largest = (*largest + to_add - added).max(0);
    }
    sizes.into_iter().collect()
}

/// How much `set` changes if everything keeps its part.
fn fraction(sizing: &Sizing, set: &ReplicaSet, former_total: i32) -> i32 {
    let size = replicas(set);
    if sizing.replicas == 0 {
        return -size;
    }
    let former = number(&set.metadata, MAX_REPLICAS).filter(|m| *m > 0).unwrap_or(i64::from(former_total)).max(1);
    let (size, ceiling) = (i64::from(size), i64::from(sizing.ceiling()));
    // Rounded to the nearest, halves up.
    let scaled = (2 * size * ceiling + former) / (2 * former);
    i32::try_from(scaled - size).unwrap_or(0)
}
