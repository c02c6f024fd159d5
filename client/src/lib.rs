//! The only way onto the bus: connection, request/reply, watches that repair gaps, leader election, streams.

pub mod bus;
pub mod credentials;
pub mod election;
pub mod heartbeat;
pub mod kube_service;
pub mod metrics;
pub mod stream;
pub mod transcode;
pub mod watch;

pub use bus::{Bus, BusError};
pub use credentials::Credentials;
