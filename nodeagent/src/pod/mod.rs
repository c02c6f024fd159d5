//! A pod on this node: what is known of it, what happens next, what is reported, and the task that acts.

pub mod adopt;
pub mod backoff;
pub mod container;
pub mod context;
pub mod env;
pub mod expansion;
pub mod machine;
pub mod message;
pub mod perform;
pub mod qos;
pub mod resources;
pub mod restart;
pub mod state;
pub mod status;
pub mod status_writer;
pub mod stop;
pub mod task;
pub mod tokens;
pub mod view;
pub mod volumes;

#[cfg(test)]
mod scenarios;
