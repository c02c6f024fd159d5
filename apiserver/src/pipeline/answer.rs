//! Answers: stored bytes passed on as they are, lists put together around them, Status objects.

use bytes::Bytes;
use kubus_proto::{ApiError, ApiResponse, KindRow, codec, stream::STREAM_ACCEPT};
use serde::Serialize;
use serde_json::{Value, json};

/// What a client wants an answer to look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// The objects themselves.
    Objects,
    /// Only their metadata.
    Metadata,
    /// A Table for people.
    Table(Include),
    /// A ticket for a stream.
    Stream,
}

/// What stands in a Table's rows beside the cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Include {
    /// Nothing.
    None,
    /// The metadata.
    Metadata,
    /// The whole object.
    Object,
}

impl Accept {
    /// Reads `accept` as HTTP has it; the first form that is known here wins.
    pub fn parse(accept: &str, include: &str) -> Self {
        for alternative in accept.split(',') {
            if alternative.trim() == STREAM_ACCEPT {
                return Accept::Stream;
            }
            match alternative.split(';').find_map(|part| part.trim().strip_prefix("as=")) {
                Some("Table") => {
                    return Accept::Table(match include {
                        "None" => Include::None,
                        "Object" => Include::Object,
                        _ => Include::Metadata,
                    });
                }
                Some("PartialObjectMetadata" | "PartialObjectMetadataList") => return Accept::Metadata,
                Some(_) | None => {}
            }
        }
        Accept::Objects
    }
}

/// Any encoded value.
pub fn bytes(code: u16, body: Bytes) -> ApiResponse {
    ApiResponse { code, body, ..ApiResponse::default() }
}

/// Any value.
pub fn value<T: Serialize + ?Sized>(code: u16, value: &T) -> Result<ApiResponse, ApiError> {
    let body = codec::encode(value).map_err(|e| super::internal("an answer cannot be encoded", &e))?;
    Ok(bytes(code, body.into()))
}

/// A `Status` that says what went wrong.
pub fn error(error: &ApiError) -> ApiResponse {
    failure(error.code(), &error.to_status())
}

/// A `Status` made by hand.
pub fn failure(code: u16, status: &Value) -> ApiResponse {
    // A JSON value always has a MessagePack form; an empty body still has its code.
    bytes(code, codec::encode(status).unwrap_or_default().into())
}

/// A `Status` that says that it was done, with the object it is about.
pub fn success(code: u16, row: &KindRow, name: &str, uid: &str) -> Result<ApiResponse, ApiError> {
    let mut details = json!({"name": name, "kind": row.plural});
    for (key, text) in [("group", row.group), ("uid", uid)] {
        if !text.is_empty() {
            details[key] = json!(text);
        }
    }
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
    value(code, &status)
}

/// A list around objects that are passed on as they are stored.
pub fn list(row: &KindRow, metadata: &Value, items: &[Bytes]) -> Result<ApiResponse, ApiError> {
    let api_version = row.api_version();
    let head = json!({"apiVersion": api_version, "kind": row.list_kind(), "metadata": metadata});
    let encoded = codec::encode(&head).map_err(|e| super::internal("a list cannot be encoded", &e))?;
    let count = u32::try_from(items.len()).map_err(|e| super::internal("a list is too long", &e))?;
    let mut body = Vec::with_capacity(encoded.len() + 16 + items.iter().map(Bytes::len).sum::<usize>());
    // The head is a map of three fields whose first byte says so; `items` is the fourth.
    let fields = 4;
    rmp::encode::write_map_len(&mut body, fields)
        .and_then(|_| {
            body.extend_from_slice(&encoded[1..]);
            rmp::encode::write_str(&mut body, "items")
        })
        .and_then(|()| rmp::encode::write_array_len(&mut body, count))
        .map_err(|e| super::internal("a list cannot be encoded", &e))?;
    items.iter().for_each(|item| body.extend_from_slice(item));
    Ok(bytes(200, body.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubus_proto::kinds;

    #[test]
    fn the_first_known_form_wins() {
        let kubectl =
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1,application/json";
        for (accept, include, expected) in [
            ("", "", Accept::Objects),
            ("application/json", "", Accept::Objects),
            (kubectl, "", Accept::Table(Include::Metadata)),
            (kubectl, "Object", Accept::Table(Include::Object)),
            (kubectl, "None", Accept::Table(Include::None)),
            ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", "", Accept::Metadata),
            ("application/json;as=Surprise, application/json; as=PartialObjectMetadata", "", Accept::Metadata),
            (STREAM_ACCEPT, "", Accept::Stream),
        ] {
            assert_eq!(Accept::parse(accept, include), expected, "{accept}");
        }
    }

    #[test]
    fn a_list_decodes_to_its_parts() {
        let objects: Vec<Value> = (0..20).map(|i| json!({"metadata": {"name": format!("a{i}")}, "n": i})).collect();
        let items: Vec<Bytes> = objects.iter().map(|o| codec::encode(o).expect("encode").into()).collect();
        let response = list(&kinds::deployment::ROW, &json!({"resourceVersion": "5"}), &items).expect("list");
        let decoded: Value = codec::decode(&response.body).expect("decode");
        assert_eq!(
            decoded,
            json!({"apiVersion": "apps/v1", "kind": "DeploymentList", "metadata": {"resourceVersion": "5"},
                "items": objects})
        );
    }
}
