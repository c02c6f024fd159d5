//! A watch as HTTP carries it: one JSON document a line.

use super::{Asker, Raw, WatchError};
use crate::{Bus, BusError};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use kubus_proto::{ApiError, Reason};

/// Opens a watch and gives its lines. An error that ends it is its last line, an `ERROR` event with a `Status`.
pub(crate) async fn lines(bus: &Bus, path: &str, query: &str) -> Result<BoxStream<'static, Bytes>, WatchError> {
    let events = super::open(bus, path, query, Asker::default()).await?.events;
    Ok(Box::pin(events.map(|event| event.and_then(|event| line(&event)).unwrap_or_else(|error| error_line(&error)))))
}

fn line(event: &Raw) -> Result<Bytes, WatchError> {
    let mut out = Vec::with_capacity(event.object.len() * 5 / 4 + 40);
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(event.event.as_str().as_bytes());
    out.extend_from_slice(b"\",\"object\":");
    event.append_json(&mut out).map_err(|error| {
        BusError::Api(ApiError::new(Reason::InternalError, format!("an event is damaged: {error}")))
    })?;
    out.extend_from_slice(b"}\n");
    Ok(out.into())
}

fn error_line(error: &WatchError) -> Bytes {
    let status = match error {
        WatchError::Expired(error) | WatchError::Bus(BusError::Api(error)) => error.to_status(),
        other => ApiError::new(Reason::InternalError, other.to_string()).to_status(),
    };
    format!("{{\"type\":\"ERROR\",\"object\":{status}}}\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::EventType;
    use serde_json::{Value, json};

    #[test]
    fn lines_are_what_kubernetes_sends() {
        let object = json!({"metadata": {"name": "a", "resourceVersion": "4"}});
        let event = Raw {
            event: EventType::Modified,
            revision: 4,
            object: kubus_proto::codec::encode(&object).expect("encode").into(),
            shared: None,
        };
        let text = line(&event).expect("line");
        assert!(text.ends_with(b"}\n"));
        let read: Value = serde_json::from_slice(&text).expect("JSON");
        assert_eq!(read, json!({"type": "MODIFIED", "object": object}));
        let error = ApiError::new(Reason::Expired, "too old resource version");
        let read: Value = serde_json::from_slice(&error_line(&WatchError::Expired(error))).expect("JSON");
        assert_eq!((&read["type"], &read["object"]["code"]), (&json!("ERROR"), &json!(410)));
    }
}
