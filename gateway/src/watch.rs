//! A watch over HTTP: one JSON document a line, for as long as the client stays.
//!
//! Nothing is kept for a client that does not read: its watch is only moved on when the connection takes more, changes
//! it misses meanwhile are asked for later, and a connection that takes nothing at all is cut off (see `listen`).

use crate::Gateway;
use crate::answer::{self, Body, BoxError};
use crate::gateway::{bus_error, text};
use crate::shape::Shape;
use bytes::Bytes;
use futures::StreamExt;
use http::{Request, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use kubus_client::BusError;
use kubus_client::watch::{self, Asker, Opened, Raw, WatchError};
use kubus_proto::codec::JSON;
use kubus_proto::path::query_pairs;
use kubus_proto::user::OnBehalf;
use kubus_proto::{ApiError, KindRow, Reason, codec};
use serde_json::json;

/// How long a watch lasts at least where the client names no time, in seconds; at most it is twice as long. Clients
/// that were spread over gateways once are spread again, and do not come back all at once.
const LIFE_SECONDS: u64 = 1_800;

/// Opens a watch and answers with its lines. A revision that is too old is told as the first line, other refusals with
/// their code.
pub async fn answer<B>(
    gateway: &Gateway,
    on_behalf: OnBehalf,
    request: &Request<B>,
    path: &str,
    query: &str,
) -> Result<Response<Body>, ApiError> {
    let accept = text(request.headers(), header::ACCEPT);
    answer::Form::of(&accept, path)?.of_watch()?;
    let pairs = query_pairs(query);
    let get = |name: &str| pairs.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let mut lines = Lines { shape: Shape::of(&accept, get("includeObject")), row: None, first: true };
    let mut query = query.to_owned();
    if get("timeoutSeconds").is_empty() || get("timeoutSeconds") == "0" {
        query = format!("timeoutSeconds={}&{query}", rand::random_range(LIFE_SECONDS..=2 * LIFE_SECONDS));
    }
    let asker = Asker { on_behalf: Some(on_behalf), user_agent: text(request.headers(), header::USER_AGENT) };
    let Opened { row, events } =
        watch::open(gateway.bus()?, path, &query, asker).await.map_err(|error| match error {
            WatchError::Expired(error) => error,
            WatchError::Bus(error) => bus_error(error),
        })?;
    lines.row = Some(row);
    let frames = events.map(move |event| Ok::<_, BoxError>(Frame::data(lines.next(event))));
    let frames = frames.take_until(gateway.stopping().clone().cancelled_owned());
    let mut out = Response::new(StreamBody::new(frames).boxed_unsync());
    answer::set_type(&mut out, JSON);
    Ok(out)
}

/// Turns events into lines.
struct Lines {
    shape: Shape,
    row: Option<&'static KindRow>,
    /// Only the first Table names its columns.
    first: bool,
}

impl Lines {
    fn next(&mut self, event: Result<Raw, WatchError>) -> Bytes {
        event.and_then(|event| self.line(&event)).unwrap_or_else(|error| error_line(&error))
    }

    fn line(&mut self, event: &Raw) -> Result<Bytes, WatchError> {
        let mut out = Vec::with_capacity(event.object.len() * 5 / 4 + 40);
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(event.event.as_str().as_bytes());
        out.extend_from_slice(b"\",\"object\":");
        let damaged = |error: serde_json::Error| {
            BusError::Api(ApiError::new(Reason::InternalError, format!("an event is damaged: {error}")))
        };
        match (self.shape, self.row) {
            (Shape::Whole, _) | (_, None) => event.append_json(&mut out).map_err(damaged)?,
            (shape, Some(row)) => {
                let object = codec::decode(&event.object).map_err(BusError::from)?;
                let shaped = shape.of_event(row, object, std::mem::take(&mut self.first));
                serde_json::to_writer(&mut out, &shaped).map_err(damaged)?;
            }
        }
        out.extend_from_slice(b"}\n");
        Ok(out.into())
    }
}

fn error_line(error: &WatchError) -> Bytes {
    let status = match error {
        WatchError::Expired(error) | WatchError::Bus(BusError::Api(error)) => error.to_status(),
        other => ApiError::new(Reason::InternalError, other.to_string()).to_status(),
    };
    format!("{}\n", json!({"type": "ERROR", "object": status})).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubus_proto::event::Changes;
    use serde_json::Value;

    #[test]
    fn whatever_ends_a_watch_is_its_last_line() {
        let expired = ApiError::new(Reason::Expired, "too old resource version: 1 (7)");
        let damaged = codec::decode::<Changes>(b"x").expect_err("no changes");
        for (error, code, message) in [
            (WatchError::Expired(expired), 410, "too old resource version: 1 (7)"),
            (WatchError::Bus(BusError::NoLeader { waited_ms: 5 }), 500, "no apiserver leader answered within 5 ms"),
            (WatchError::Bus(damaged.into()), 500, "cannot decode message"),
        ] {
            let mut lines = Lines { shape: Shape::Whole, row: None, first: true };
            let line = lines.next(Err(error));
            let event: Value = serde_json::from_slice(&line).expect("JSON");
            assert!(line.ends_with(b"}\n"));
            assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(code)));
            assert!(event["object"]["message"].as_str().is_some_and(|text| text.starts_with(message)), "{event}");
        }
    }
}
