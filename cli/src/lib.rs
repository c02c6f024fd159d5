//! The `kubus` command: kubectl's grammar over the bus, and the processes of a cluster on this machine.

pub mod cluster;
pub mod commands;
pub mod console;
pub mod context;
pub mod describe;
pub mod discovery;
pub mod error;
#[cfg(test)]
pub(crate) mod fake;
pub mod grammar;
pub mod known_kinds;
pub mod manifest;
pub mod merge;
pub mod printer;
pub mod resource_args;
pub mod run;
pub mod selection;
pub mod server;
pub mod session;
pub mod watching;
pub mod yaml;

pub use kubus_proto::jsonpath;
