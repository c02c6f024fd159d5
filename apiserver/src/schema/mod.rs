//! The shape of every kind's type, learnt from the Kubernetes types themselves, and what is checked against it.

mod check;
mod merge_keys;
mod normalize;
mod probe;

pub use check::{UnknownField, Unreadable, check};
pub use merge_keys::{ListRule, MergeRule, is_atomic, is_present, key_default, merge_rule, own_rule};
pub use normalize::normalize;
pub use probe::learn;

use std::collections::BTreeMap;

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A struct, by the name of its type.
    Struct(&'static str),
    /// A list of one shape.
    List(Box<Shape>),
    /// A map from text to one shape.
    Map(Box<Shape>),
    /// Text.
    Text,
    /// A whole number of so many bits.
    Integer(u8),
    /// Any number.
    Number,
    /// True or false.
    Bool,
    /// A whole number of 32 bits, or text.
    IntOrString,
    /// A resource quantity.
    Quantity,
    /// A moment in whole seconds, RFC 3339.
    Time,
    /// A moment in microseconds, RFC 3339.
    MicroTime,
    /// Base64.
    Bytes,
    /// Whatever JSON can say.
    Any,
}

/// A kind's type and every type that can be reached from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Name of the kind's own type.
    pub root: &'static str,
    /// Fields of each struct type, by the type's name.
    pub types: BTreeMap<&'static str, BTreeMap<&'static str, Shape>>,
}

impl Schema {
    /// The shape of a field of a struct type; None for a field that the type does not have.
    pub fn field(&self, type_name: &str, field: &str) -> Option<&Shape> {
        self.types.get(type_name)?.get(field)
    }
}
