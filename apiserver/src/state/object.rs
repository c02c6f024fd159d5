//! Encoded objects: a draft with a hole where its resourceVersion goes, and the complete object apply makes of it.
//! An object is encoded once, by the pipeline; log, state and events pass the same bytes on.

use super::claims::{self, Claims};
use bytes::Bytes;
use kubus_proto::codec::{self, CodecError};
use kubus_proto::event::Selectable;
use kubus_proto::kinds::KindRow;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The byte an empty MessagePack text is; a text of up to 31 bytes starts with it plus its length.
const EMPTY_TEXT: u8 = 0xa0;
/// Bits of a short text's first byte that hold its length.
const SHORT_TEXT_LENGTH: u8 = 0x1f;

/// An object cannot be stored.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// It is not a map with a `metadata` map.
    #[error("object has no metadata")]
    NoMetadata,
    /// It cannot be encoded.
    #[error(transparent)]
    Encode(#[from] CodecError),
    /// It has more than 4 GiB.
    #[error("object is too large")]
    TooLarge,
}

/// What selectors look at, kept encoded: as maps it would take more memory than the object itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedSelectable(Bytes);

impl PackedSelectable {
    fn encode(selectable: &Selectable) -> Result<Self, CodecError> {
        Ok(Self(codec::encode(selectable)?.into()))
    }

    fn decode(&self) -> Selectable {
        // It was encoded by `encode`; were it ever damaged, an object nobody selects is better than no apiserver.
        codec::decode(&self.0).unwrap_or_default()
    }
}

/// An object on its way into the store: MessagePack whose metadata.resourceVersion is an empty text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// The encoded object.
    pub bytes: Bytes,
    /// Offset of the one byte (0xa0) that is the empty resourceVersion, where apply puts the revision.
    pub hole: u32,
    /// metadata.uid
    pub uid: String,
    /// What selectors look at, encoded.
    pub selectable: PackedSelectable,
    /// The node that follows this object, empty for none.
    pub scope: String,
    /// What it holds that no other object may.
    #[serde(default)]
    pub claims: Claims,
}

impl Draft {
    /// Encodes `object`, a complete object of `row`'s kind; its resourceVersion, if it has one, is left out.
    pub fn encode(row: &KindRow, object: &Value) -> Result<Draft, DraftError> {
        let top = object.as_object().ok_or(DraftError::NoMetadata)?;
        let metadata = object["metadata"].as_object().ok_or(DraftError::NoMetadata)?;
        let mut out = Vec::new();
        let mut hole = 0;
        write_map_length(&mut out, top.len())?;
        for (key, value) in top {
            write(&mut out, key)?;
            if key != "metadata" {
                write(&mut out, value)?;
                continue;
            }
            let others = metadata.iter().filter(|(key, _)| *key != "resourceVersion");
            write_map_length(&mut out, others.clone().count() + 1)?;
            write(&mut out, "resourceVersion")?;
            hole = out.len();
            out.push(EMPTY_TEXT);
            for (key, value) in others {
                write(&mut out, key)?;
                write(&mut out, value)?;
            }
        }
        // Excess capacity would stay with the object for as long as it lives in the Raft log's cache.
        out.shrink_to_fit();
        Ok(Draft {
            bytes: out.into(),
            hole: u32::try_from(hole).map_err(|_| DraftError::TooLarge)?,
            uid: metadata.get("uid").and_then(Value::as_str).unwrap_or_default().to_owned(),
            selectable: PackedSelectable::encode(&row.selectable(object))?,
            scope: (row.scope)(object),
            claims: claims::of(row, object),
        })
    }

    /// The object this draft becomes at `revision`.
    pub(super) fn complete(self, revision: u64) -> Object {
        Object {
            bytes: splice(&self.bytes, self.hole as usize, revision),
            hole: self.hole,
            revision,
            uid: self.uid,
            packed: self.selectable,
            scope: self.scope,
            claims: self.claims,
        }
    }
}

fn write<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), DraftError> {
    rmp_serde::encode::write_named(out, value).map_err(|e| DraftError::Encode(CodecError::Encode(e)))
}

fn write_map_length(out: &mut Vec<u8>, length: usize) -> Result<(), DraftError> {
    let length = u32::try_from(length).map_err(|_| DraftError::TooLarge)?;
    rmp::encode::write_map_len(out, length)
        .map_err(|e| DraftError::Encode(CodecError::Encode(rmp_serde::encode::Error::InvalidValueWrite(e))))?;
    Ok(())
}

/// Replaces the short text at `hole` with `revision` in decimal. A revision has at most 20 digits and so is always a
/// short text itself. Bytes that do not hold a text there are returned as they are.
fn splice(bytes: &Bytes, hole: usize, revision: u64) -> Bytes {
    let Some(head) = bytes.get(hole).filter(|b| **b & !SHORT_TEXT_LENGTH == EMPTY_TEXT) else {
        return bytes.clone();
    };
    let after = hole + 1 + usize::from(head & SHORT_TEXT_LENGTH);
    let digits = revision.to_string();
    let rest = bytes.get(after..).unwrap_or_default();
    let mut out = Vec::with_capacity(hole + 1 + digits.len() + rest.len());
    out.extend_from_slice(&bytes[..hole]);
    out.push(EMPTY_TEXT | (digits.len() as u8 & SHORT_TEXT_LENGTH));
    out.extend_from_slice(digits.as_bytes());
    out.extend_from_slice(rest);
    out.into()
}

/// A stored object, complete with its resourceVersion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// MessagePack of the object.
    pub bytes: Bytes,
    /// Its resourceVersion: the store revision of its last change.
    pub revision: u64,
    /// metadata.uid
    pub uid: String,
    /// The node that follows this object, empty for none.
    pub scope: String,
    hole: u32,
    packed: PackedSelectable,
    #[serde(default)]
    pub(super) claims: Claims,
}

impl Object {
    /// The object as a value.
    pub fn decode(&self) -> Result<Value, CodecError> {
        codec::decode(&self.bytes)
    }

    /// What selectors look at (decoded at each call, in about a microsecond).
    pub fn selectable(&self) -> Selectable {
        self.packed.decode()
    }

    /// Its bytes with another resourceVersion: what a deletion at `revision` publishes.
    pub fn bytes_at(&self, revision: u64) -> Bytes {
        splice(&self.bytes, self.hole as usize, revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(|v| json!(v)),
            any::<i64>().prop_map(|v| json!(v)),
            any::<u64>().prop_map(|v| json!(v)),
            (-1e12f64..1e12).prop_map(|v| json!(v)),
            ".{0,40}".prop_map(|v| json!(v)),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(|v| json!(v)),
                prop::collection::btree_map("[a-zA-Z/.]{0,12}", inner, 0..20).prop_map(|v| json!(v)),
            ]
        })
    }

    fn any_object() -> impl Strategy<Value = Value> {
        let map = || prop::collection::btree_map("[a-zA-Z]{1,10}", any_value(), 0..20);
        (map(), map(), any::<bool>()).prop_map(|(mut top, mut metadata, versioned)| {
            metadata.insert("uid".into(), json!("4f6f1d4e-0000-4000-8000-000000000001"));
            if versioned {
                metadata.insert("resourceVersion".into(), json!("77"));
            }
            top.insert("metadata".into(), json!(metadata));
            json!(top)
        })
    }

    proptest! {
        #[test]
        fn the_hole_takes_any_revision(object in any_object(), first: u64, second: u64) {
            let draft = Draft::encode(&kubus_proto::kinds::config_map::ROW, &object).expect("encodes");
            let mut expected = object.clone();
            expected["metadata"]["resourceVersion"] = json!("");
            prop_assert_eq!(&codec::decode::<Value>(&draft.bytes).expect("decodes"), &expected);
            let stored = draft.complete(first);
            expected["metadata"]["resourceVersion"] = json!(first.to_string());
            prop_assert_eq!(&stored.decode().expect("decodes"), &expected);
            expected["metadata"]["resourceVersion"] = json!(second.to_string());
            prop_assert_eq!(&codec::decode::<Value>(&stored.bytes_at(second)).expect("decodes"), &expected);
        }
    }

    #[test]
    fn an_object_without_metadata_is_refused() {
        for object in [json!(null), json!([]), json!({}), json!({"metadata": "x"})] {
            let result = Draft::encode(&kubus_proto::kinds::config_map::ROW, &object);
            assert!(matches!(result, Err(DraftError::NoMetadata)), "{object}");
        }
    }

    #[test]
    fn selectable_and_scope_come_from_the_row() {
        let pod = json!({"metadata": {"name": "a", "namespace": "b", "uid": "u", "labels": {"app": "web"}},
            "spec": {"nodeName": "n1"}});
        let object = Draft::encode(&kubus_proto::kinds::pod::ROW, &pod).expect("encodes").complete(3);
        assert_eq!((object.uid.as_str(), object.scope.as_str(), object.revision), ("u", "n1", 3));
        let selectable = object.selectable();
        assert_eq!(selectable.labels["app"], "web");
        assert_eq!(selectable.fields["spec.nodeName"], "n1");
    }
}
