//! What each kind does on its way into the store: its schema, defaults, preparation and validation, one row a kind.

pub mod causes;
mod config_map;
mod decode;
mod defaulting;
mod deployment;
mod event;
mod labels;
mod lease;
mod metadata;
mod names;
mod namespace;
mod node;
mod path;
mod pod;
mod pod_spec;
mod prepare;
mod replica_set;
mod replication_controller;
mod secret;
mod service_account;
mod workload;

pub use decode::{FieldValidation, decode};
pub use names::NameRule;

use crate::schema::Schema;
use kubus_proto::KindRow;
use kubus_proto::status::Cause;
use serde_json::Value;

/// What a kind does. The pipeline calls [`decode`], then `default`, then one of the preparations, then validation. All of it
/// sees the stored version only: an object of one of [`KindRow::older_versions`] is to be converted before it is decoded.
pub struct Behaviour {
    /// The kind.
    pub row: &'static KindRow,
    /// The shape of its objects.
    pub schema: fn() -> &'static Schema,
    /// Fills in what was left out, and writes quantities and times in canonical form.
    pub default: fn(&mut Value),
    /// Sets what only the server may set in a new object: its status, generation, and the like.
    pub prepare_create: fn(&mut Value),
    /// Takes over from the old object what an update of the main resource may not touch, its status above all.
    pub prepare_update: fn(new: &mut Value, old: &Value),
    /// Takes over from the old object everything but the status.
    pub prepare_status: fn(new: &mut Value, old: &Value),
    /// Whether an update changes what `metadata.generation` counts. Always false for a kind without generations.
    pub spec_changed: fn(new: &Value, old: &Value) -> bool,
    /// What is wrong with a new object, after defaulting.
    pub validate: fn(&Value) -> Vec<Cause>,
    /// What is wrong with an update of the main resource, after preparation; includes what is wrong with the new object.
    pub validate_update: fn(new: &Value, old: &Value) -> Vec<Cause>,
    /// What its names must look like.
    pub name: NameRule,
}

/// Every kind's behaviour.
static BEHAVIOURS: &[&Behaviour] = &[
    &config_map::BEHAVIOUR,
    &event::BEHAVIOUR,
    &namespace::BEHAVIOUR,
    &node::BEHAVIOUR,
    &pod::BEHAVIOUR,
    &replication_controller::BEHAVIOUR,
    &secret::BEHAVIOUR,
    &service_account::BEHAVIOUR,
    &deployment::BEHAVIOUR,
    &replica_set::BEHAVIOUR,
    &lease::BEHAVIOUR,
];

/// The behaviour of a kind.
pub fn of(row: &KindRow) -> &'static Behaviour {
    BEHAVIOURS
        .iter()
        .find(|b| b.row.group == row.group && b.row.kind == row.kind)
        .expect("a test walks the kinds table and fails for a kind without its behaviour")
}

#[cfg(test)]
mod facts_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_row() {
        for row in kubus_proto::KIND_TABLE {
            let behaviour = of(row);
            assert_eq!((behaviour.schema)().root, row.kind);
        }
    }
}
