//! The contract between Kubus' parts: kinds, wire messages, subjects, codec, selectors, quantities, errors. No I/O.

pub mod binding;
pub mod chunk;
pub mod codec;
pub mod convert;
pub mod duration;
pub mod event;
pub mod heartbeat;
pub mod jsonpath;
pub mod kinds;
pub mod merge_keys;
pub mod names;
pub mod path;
pub mod proxy;
pub mod quantity;
pub mod request;
pub mod selector;
pub mod server_status;
pub mod status;
pub mod stream;
pub mod subject;
pub mod table;
pub mod user;

pub use kinds::{KIND_TABLE, KindRow, Verb};
pub use request::{ApiRequest, ApiResponse};
pub use status::{ApiError, Reason};

/// What `version` and nodes report: the Kubernetes API level and Kubus' own version.
pub const VERSION: &str = concat!("v1.36.0+kubus.", env!("CARGO_PKG_VERSION"));
