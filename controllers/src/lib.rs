//! The controllers: each is a pure function from what is wanted and seen to a plan; one executor carries plans out.

pub mod api;
pub mod certificates;
pub mod cluster_role_aggregation;
pub mod controller;
pub mod deployment;
pub mod executor;
pub mod garbage;
pub mod informer;
pub mod ledger;
pub mod namespace;
pub mod node_lifecycle;
pub mod object;
pub mod plan;
pub mod pod_gc;
pub mod pods;
pub mod queue;
pub mod recorder;
pub mod replicas;
pub mod root_ca;
pub mod run;
pub mod service_account;
pub mod settings;
#[cfg(test)]
mod simulation;
pub mod table;
pub mod taint_eviction;
pub mod token_secrets;
