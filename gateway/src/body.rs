//! Bodies of requests: read within limits, and turned from JSON or YAML into the bus' MessagePack.

use crate::document::{self, Document};
use crate::protobuf::{self, ProtobufError};
use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use kubus_proto::request::Method;
use kubus_proto::{ApiError, Reason, codec};
use std::time::Duration;

/// Largest body in bytes, as in Kubernetes: 3 MiB.
pub const BODY_LIMIT_BYTES: usize = 3 * 1024 * 1024;
/// Largest body that is taken to its end before it is refused, in bytes.
const DISCARD_LIMIT_BYTES: usize = 32 * 1024 * 1024;
/// How long a whole body may take to arrive, in milliseconds.
const BODY_MS: u64 = 60_000;

/// What a body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Yaml,
    Protobuf,
}

/// Reads the whole body. What is too much is still taken, up to a limit, and thrown away: a client that is cut off
/// while it sends does not see why.
pub async fn read<B>(body: B) -> Result<Bytes, ApiError>
where
    B: Body<Data = Bytes, Error: std::fmt::Display>,
{
    let mut body = std::pin::pin!(body);
    let reading = async {
        let (mut whole, mut taken) = (BytesMut::new(), 0_usize);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| bad(format!("the body cannot be read: {error}")))?;
            // Trailers say nothing here.
            let Ok(data) = frame.into_data() else { continue };
            taken = taken.saturating_add(data.len());
            if taken > DISCARD_LIMIT_BYTES {
                return Err(too_large());
            }
            if taken <= BODY_LIMIT_BYTES {
                whole.extend_from_slice(&data);
            } else {
                whole = BytesMut::new();
            }
        }
        if taken > BODY_LIMIT_BYTES { Err(too_large()) } else { Ok(whole.freeze()) }
    };
    tokio::time::timeout(Duration::from_millis(BODY_MS), reading)
        .await
        .unwrap_or_else(|_| Err(ApiError::new(Reason::Timeout, "the body took too long to arrive")))
}

fn too_large() -> ApiError {
    ApiError::new(Reason::RequestEntityTooLarge, format!("Request entity too large: limit is {BODY_LIMIT_BYTES}"))
}

fn bad(message: String) -> ApiError {
    ApiError::new(Reason::BadRequest, message)
}

/// Turns a body into MessagePack by what the client says it is, and names the fields that it gives twice.
pub fn decode(method: Method, content_type: &str, body: Bytes) -> Result<(Bytes, Vec<String>), ApiError> {
    let Document { value, duplicates } = match format(method, content_type)? {
        Format::Json => document::json(&body)
            .map_err(|error| bad(format!("the object provided is unrecognized (must be of type JSON): {error}")))?,
        Format::Protobuf => {
            let value = protobuf::decode(&body).map_err(|error| match error {
                ProtobufError::Kind { .. } => ApiError::new(Reason::UnsupportedMediaType, error.to_string()),
                other => bad(other.to_string()),
            })?;
            Document { value, duplicates: Vec::new() }
        }
        Format::Yaml => {
            let text = std::str::from_utf8(&body).map_err(|error| bad(format!("the body is not UTF-8: {error}")))?;
            document::yaml(text).map_err(|error| bad(format!("error converting YAML to JSON: yaml: {error}")))?
        }
    };
    let encoded = codec::encode(&value).map_err(|error| bad(error.to_string()))?;
    Ok((encoded.into(), duplicates))
}

fn format(method: Method, content_type: &str) -> Result<Format, ApiError> {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (known, list): (&[(&str, Format)], &str) = match method {
        Method::Patch => (
            &[
                ("application/json-patch+json", Format::Json),
                ("application/merge-patch+json", Format::Json),
                ("application/strategic-merge-patch+json", Format::Json),
                ("application/apply-patch+yaml", Format::Yaml),
            ],
            "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, \
             application/apply-patch+yaml",
        ),
        _ => (
            &[
                ("", Format::Json),
                ("application/json", Format::Json),
                ("application/yaml", Format::Yaml),
                ("application/vnd.kubernetes.protobuf", Format::Protobuf),
            ],
            "application/json, application/yaml, application/vnd.kubernetes.protobuf",
        ),
    };
    known.iter().find(|(name, _)| *name == kind).map(|(_, format)| *format).ok_or_else(|| {
        let message =
            format!("the body of the request was in an unknown format - accepted media types include: {list}");
        ApiError::new(Reason::UnsupportedMediaType, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn bodies_are_read_as_what_they_are_said_to_be() {
        let object = json!({"a": {"b": [1, "x", true]}});
        for (method, content_type, text) in [
            (Method::Post, "", r#"{"a":{"b":[1,"x",true]}}"#),
            (Method::Post, "application/json; charset=utf-8", r#"{"a":{"b":[1,"x",true]}}"#),
            (Method::Put, "application/yaml", "a:\n  b: [1, x, yes]\n"),
            (Method::Patch, "application/merge-patch+json", r#"{"a":{"b":[1,"x",true]}}"#),
            (Method::Patch, "application/apply-patch+yaml", r#"{"a":{"b":[1,"x",true]}}"#),
        ] {
            let (got, _) = decode(method, content_type, text.into()).expect(content_type);
            assert_eq!(codec::decode::<Value>(&got).expect("value"), object, "{content_type}");
        }
    }

    #[tokio::test]
    async fn bodies_have_a_limit() {
        for (size, good) in [(0, true), (BODY_LIMIT_BYTES, true), (BODY_LIMIT_BYTES + 1, false), (40 << 20, false)] {
            let chunks = vec![Bytes::from(vec![b'x'; 1 << 20]); size >> 20];
            let rest = Bytes::from(vec![b'x'; size & ((1 << 20) - 1)]);
            let frames = chunks.into_iter().chain([rest]).map(|data| Ok::<_, String>(http_body::Frame::data(data)));
            let body = http_body_util::StreamBody::new(futures::stream::iter(frames));
            let got = read(body).await;
            assert_eq!(got.as_ref().map(Bytes::len).ok(), good.then_some(size));
            assert!(got.err().is_none_or(|error| error.message == "Request entity too large: limit is 3145728"));
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
        for (method, content_type, text, reason) in [
            (Method::Post, "application/json", "{", Reason::BadRequest),
            (Method::Post, "application/json", deep.as_str(), Reason::BadRequest),
            (Method::Post, "application/yaml", "a: [", Reason::BadRequest),
            (Method::Post, "application/yaml", deep.as_str(), Reason::BadRequest),
            (Method::Post, "text/plain", "{}", Reason::UnsupportedMediaType),
            (Method::Post, "application/vnd.kubernetes.protobuf", "k8s", Reason::BadRequest),
            (Method::Patch, "application/json", "{}", Reason::UnsupportedMediaType),
            (Method::Patch, "", "{}", Reason::UnsupportedMediaType),
        ] {
            let error = decode(method, content_type, text.to_owned().into()).expect_err(content_type);
            assert_eq!(error.reason, reason, "{content_type}");
        }
    }
}
