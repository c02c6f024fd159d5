//! RollingUpdate: how large each ReplicaSet should be next, so that enough pods are available and not too many exist.

use super::history::{History, available, is_settled, replicas};
use super::sizing::Sizing;
use crate::object;
use k8s_openapi::api::apps::v1::ReplicaSet;
use std::collections::BTreeMap;
use std::sync::Arc;

/// New sizes by uid of the ReplicaSet; those that stay as they are are not in it.
pub type Sizes = BTreeMap<String, i32>;

/// Size the new ReplicaSet should have beside the `others`. Pods that a smaller ReplicaSet has not let go yet still
/// count, and one that has not seen its last size may have any number of them: then nothing grows.
pub fn new_size<'a>(sizing: &Sizing, others: impl Iterator<Item = &'a Arc<ReplicaSet>>, current: i32) -> i32 {
    if !sizing.rolling || current > sizing.replicas {
        return sizing.replicas;
    }
    let mut room = sizing.ceiling() - current;
    for set in others {
        if !is_settled(set) {
            return current;
        }
        room -= replicas(set).max(set.status.as_ref().map_or(0, |s| s.replicas));
    }
    current + room.clamp(0, sizing.replicas - current)
}

/// The next move: the new one grows (or shrinks to the wanted size) first; only when it cannot, the old ones shrink.
pub fn next_sizes(sizing: &Sizing, history: &History) -> Sizes {
    let mut sizes = Sizes::new();
    let Some(new) = &history.new else {
        return sizes;
    };
    let current = replicas(new);
    let wanted = new_size(sizing, history.old.iter(), current);
    if wanted != current {
        sizes.insert(object::uid(&new.metadata).to_owned(), wanted);
        return sizes;
    }
    let total: i32 = history.all().map(|s| replicas(s)).sum();
    let new_unavailable = current - available(new);
    let may_go = total - sizing.floor() - new_unavailable;
    if may_go <= 0 {
        return sizes;
    }
    shrink_unhealthy(&history.old, may_go, &mut sizes);
    shrink_available(sizing, history, &mut sizes);
    sizes
}

/// Pods of old ReplicaSets that are not available go first: nothing is lost with them, and they could stop the rollout
/// for ever.
fn shrink_unhealthy(old: &[Arc<ReplicaSet>], may_go: i32, sizes: &mut Sizes) {
    let mut left = may_go;
    for set in old.iter().filter(|s| is_settled(s)) {
        let unhealthy = (replicas(set) - available(set)).clamp(0, left);
        if unhealthy > 0 {
            sizes.insert(object::uid(&set.metadata).to_owned(), replicas(set) - unhealthy);
            left -= unhealthy;
        }
    }
}

/// Then available ones, as long as enough of all stay available.
fn shrink_available(sizing: &Sizing, history: &History, sizes: &mut Sizes) {
    let available: i32 = history.all().map(|s| available(s)).sum();
    let mut left = available - sizing.floor();
    for set in &history.old {
        if left <= 0 {
            return;
        }
        let uid = object::uid(&set.metadata);
        let size = sizes.get(uid).copied().unwrap_or_else(|| replicas(set));
        let going = size.min(left);
        if going > 0 {
            sizes.insert(uid.to_owned(), size - going);
            left -= going;
        }
    }
}
