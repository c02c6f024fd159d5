//! MessagePack on the bus: named maps, so that Kubernetes' types and unknown fields survive.

use serde::{Serialize, de::DeserializeOwned};

/// Content type of a MessagePack body.
pub const MSGPACK: &str = "application/msgpack";
/// Content type of a JSON body, as Kubernetes clients send and ask for it.
pub const JSON: &str = "application/json";

/// A message could not be turned into bytes or back.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The value has a shape MessagePack cannot hold.
    #[error("cannot encode message: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
    /// The bytes are not the message they should be.
    #[error("cannot decode message: {0}")]
    Decode(#[from] rmp_serde::decode::Error),
}

/// Encodes `value` with field names (`rmp_serde::to_vec_named`; the compact form does not decode Kubernetes types).
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    Ok(rmp_serde::to_vec_named(value)?)
}

/// Decodes what [`encode`] made.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    Ok(rmp_serde::from_slice(bytes)?)
}
