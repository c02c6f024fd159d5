//! What is done to objects of a kind on their way, whether the kind is built in or was defined.

use crate::behaviour::{Behaviour, FieldValidation};
use crate::convert;
use crate::custom::Custom;
use kubus_proto::path::ResourcePath;
use kubus_proto::status::Cause;
use kubus_proto::{ApiError, Verb};
use serde_json::Value;

/// Behaviour of a kind.
#[derive(Clone, Copy)]
pub enum Conduct<'a> {
    /// Of one of the table.
    BuiltIn(&'static Behaviour),
    /// Of one that a definition describes.
    Custom(&'a Custom),
}

impl Conduct<'_> {
    /// Reads an object that was sent to `path`; gives the warnings.
    pub fn receive(
        self,
        path: &ResourcePath,
        verb: Verb,
        object: &mut Value,
        validation: FieldValidation,
    ) -> Result<Vec<String>, ApiError> {
        match self {
            Conduct::BuiltIn(_) => convert::receive(path, verb, object, validation),
            Conduct::Custom(custom) => custom.receive(object, validation),
        }
    }

    /// Fills in what was left out.
    pub fn default(self, object: &mut Value) {
        match self {
            Conduct::BuiltIn(behaviour) => behaviour.default(object),
            Conduct::Custom(custom) => custom.default(object),
        }
    }

    /// Sets what only the server may set in a new object.
    pub fn prepare_create(self, object: &mut Value) {
        match self {
            Conduct::BuiltIn(behaviour) => (behaviour.prepare_create)(object),
            Conduct::Custom(custom) => custom.prepare_create(object),
        }
    }

    /// Takes over what an update of the object may not touch.
    pub fn prepare_update(self, new: &mut Value, old: &Value) {
        match self {
            Conduct::BuiltIn(behaviour) => (behaviour.prepare_update)(new, old),
            Conduct::Custom(custom) => custom.prepare_update(new, old),
        }
    }

    /// Takes over everything but the status.
    pub fn prepare_status(self, new: &mut Value, old: &Value) {
        match self {
            Conduct::BuiltIn(behaviour) => (behaviour.prepare_status)(new, old),
            Conduct::Custom(_) => crate::behaviour::prepare::only_status(new, old),
        }
    }

    /// Whether an update changes what generations count.
    pub fn spec_changed(self, new: &Value, old: &Value) -> bool {
        match self {
            Conduct::BuiltIn(behaviour) => (behaviour.spec_changed)(new, old),
            Conduct::Custom(custom) => custom.spec_changed(new, old),
        }
    }

    /// What is wrong with a new object.
    pub fn validate(self, object: &Value) -> Vec<Cause> {
        match self {
            Conduct::BuiltIn(behaviour) => behaviour.validate(object),
            Conduct::Custom(custom) => custom.validate(object),
        }
    }

    /// What is wrong with an update.
    pub fn validate_update(self, new: &Value, old: &Value) -> Vec<Cause> {
        match self {
            Conduct::BuiltIn(behaviour) => behaviour.validate_update(new, old),
            Conduct::Custom(custom) => custom.validate_update(new, old),
        }
    }

    /// What is wrong with an update of the status.
    pub fn validate_status(self, new: &Value, old: &Value) -> Vec<Cause> {
        match self {
            Conduct::BuiltIn(behaviour) => behaviour.validate_status(new, old),
            Conduct::Custom(custom) => custom.validate_update(new, old),
        }
    }

    /// What is wrong with an object beside its metadata, for parts of built-in kinds that have no rules of their own.
    pub fn rules(self, object: &Value, causes: &mut Vec<Cause>) {
        if let Conduct::BuiltIn(behaviour) = self {
            (behaviour.rules)(object, causes);
        }
    }

    /// What its writers should know about a good object.
    pub fn warnings(self, object: &Value) -> Vec<String> {
        match self {
            Conduct::BuiltIn(behaviour) => (behaviour.warnings)(object),
            Conduct::Custom(_) => Vec::new(),
        }
    }
}
