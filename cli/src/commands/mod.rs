//! One file a command.

pub mod annotate;
pub mod api_resources;
pub mod api_versions;
pub mod apply;
pub mod attach;
pub mod autoscale;
pub mod cluster_info;
pub mod completion;
pub mod config;
pub mod cordon;
pub mod cp;
pub mod create;
pub mod delete;
pub mod describe;
pub mod drain;
mod dry_run;
pub mod edit;
pub mod events;
pub mod exec;
pub mod explain;
pub mod expose;
pub mod get;
mod key_values;
pub mod label;
pub mod logs;
mod pod_of;
pub mod port_forward;
pub mod rollout;
pub mod run;
pub mod scale;
pub mod set;
pub mod taint;
pub mod version;
pub mod wait;

#[cfg(test)]
mod kinds_tests;
#[cfg(test)]
mod tests;
