//! The scheduler: finds a node for each pod that has none, and binds it there.
//!
//! `watch` tells what changes, `executor` hands it to the pure `scheduler`, which keeps `snapshot` and `queue` and asks
//! `cycle` (which asks `plugins`) for each pod; `executor` then carries the decisions out over `cluster`.

pub mod cluster;
pub mod cluster_event;
pub mod condition;
pub mod cycle;
pub mod executor;
pub mod fit_error;
pub mod host_port;
pub mod node;
pub mod node_selector;
pub mod plugins;
pub mod pod;
pub mod queue;
pub mod recorder;
pub mod resources;
pub mod scheduler;
pub mod snapshot;
pub mod toleration;
pub mod watch;

#[cfg(test)]
mod fixtures;
