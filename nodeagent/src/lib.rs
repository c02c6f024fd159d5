//! The node agent: runs the pods bound to its node and tells how they fare.

pub mod agent;
pub mod api;
pub mod config;
pub mod event;
pub mod image;
pub mod node;
pub mod pod;
pub mod runtime;
pub mod streams;
pub mod sync;
pub mod upkeep;
