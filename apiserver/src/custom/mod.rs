//! Kinds that are defined while the cluster runs.
//! <https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/custom-resources/>

mod convert;
pub mod definition;
pub mod keeper;
mod kind;
mod objects;
pub mod registry;
mod rules;
pub mod schema;

pub use convert::convert;
pub use kind::{Conversion, Custom, CustomKind, CustomVersion};
