//! The API server: pipeline, kinds, patch, Raft, store, event publishing. It dials no node.

pub mod admission;
pub mod authenticate;
pub mod authorize;
pub mod behaviour;
pub mod bootstrap;
pub mod cel;
pub mod convert;
pub mod custom;
pub mod discovery;
pub mod dynamic;
pub mod managed_fields;
pub mod openapi;
pub mod patch;
pub mod pipeline;
pub mod publish;
pub mod quota_status;
pub mod raft;
pub mod schema;
pub mod server;
pub mod state;
pub mod store;
pub mod webhook;
