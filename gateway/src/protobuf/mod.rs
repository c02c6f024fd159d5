//! Protobuf bodies, which typed clients (kubectl from 1.32 on) send and cannot do without: read into JSON's values.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#alternate-representation-of-resources>

mod absent;
mod fields;
mod message;
mod wire;

use fields::Table;
use serde_json::{Value, json};

/// What a body in this form begins with.
const MAGIC: &[u8; 4] = b"k8s\0";

/// A body cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    /// It is something else.
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    Magic,
    /// It ends too early or has lengths that lead out of it.
    #[error("the protobuf message is damaged at byte {0} from its end")]
    Damaged(usize),
    /// Text that is no UTF-8.
    #[error("the protobuf message has text that is not UTF-8 in {0}")]
    Text(String),
    /// A field of another form than its type has.
    #[error("the protobuf message has another form than {0}")]
    Form(String),
    /// Embedded JSON that is none.
    #[error("the protobuf message holds JSON that cannot be read in {0}")]
    Embedded(String),
    /// Messages in messages, deeper than any object is.
    #[error("the protobuf message is nested too deeply")]
    Depth,
    /// A kind that has no messages here.
    #[error("no protobuf messages are known for kind {kind:?} in version {api_version:?}")]
    Kind {
        /// Its apiVersion.
        api_version: String,
        /// Its kind.
        kind: String,
    },
}

/// Reads a body: the envelope that names the kind, and the object in it.
pub fn decode(body: &[u8]) -> Result<Value, ProtobufError> {
    let envelope = body.strip_prefix(MAGIC).ok_or(ProtobufError::Magic)?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for field in wire::Fields::of(envelope) {
        match field? {
            (1, wire::Item::Bytes(meta)) => {
                for field in wire::Fields::of(meta) {
                    match field? {
                        (1, wire::Item::Bytes(text)) => api_version = wire::text(text, "apiVersion")?.to_owned(),
                        (2, wire::Item::Bytes(text)) => kind = wire::text(text, "kind")?.to_owned(),
                        _ => {}
                    }
                }
            }
            (2, wire::Item::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let table = Table::whole();
    let Some(message) = table.of_kind(&api_version, &kind) else {
        return Err(ProtobufError::Kind { api_version, kind });
    };
    let mut object = message::read(table, message, raw)?;
    object["apiVersion"] = json!(api_version);
    object["kind"] = json!(kind);
    Ok(object)
}

#[cfg(test)]
mod tests;
