//! The types of every kind, made when they are first needed.

use super::types::Types;
use crate::behaviour;
use kubus_proto::KindRow;
use kubus_proto::kinds::custom;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

type ByKind = HashMap<(&'static str, &'static str), Arc<Types>>;

/// Bounded by the kinds table.
static BUILT_IN: LazyLock<RwLock<ByKind>> = LazyLock::new(RwLock::default);
/// Of objects about which nothing is known.
static UNTYPED: LazyLock<Arc<Types>> = LazyLock::new(|| Arc::new(Types::untyped()));

/// The types of a kind of the table; nothing is known of a custom one, whose schema belongs to its definition.
pub fn types_of(row: &'static KindRow) -> Arc<Types> {
    if custom::of(row).is_some() {
        return UNTYPED.clone();
    }
    let kind = (row.group, row.kind);
    if let Some(known) = BUILT_IN.read().unwrap_or_else(PoisonError::into_inner).get(&kind) {
        return known.clone();
    }
    let made = Arc::new(Types::of_schema((behaviour::of(row).schema)()));
    BUILT_IN.write().unwrap_or_else(PoisonError::into_inner).entry(kind).or_insert(made).clone()
}
