//! HTTPS for kubectl, helm and client libraries: turns HTTP into requests on the bus, and watches into streams.
//!
//! It holds no state: several may run, and one that is started again has lost nothing but its connections.
#![forbid(unsafe_code)]

pub mod activity;
pub mod answer;
pub mod body;
pub mod caller;
pub mod document;
pub mod gateway;
pub mod health;
pub mod listen;
pub mod metrics;
pub mod patience;
pub mod protobuf;
pub mod route;
pub mod shape;
pub mod tls;
pub mod upgrade;
pub mod watch;

pub use gateway::Gateway;
