//! A watch over HTTP: one JSON document a line, for as long as the client stays.

use crate::Gateway;
use crate::answer::{self, Body, BoxError};
use crate::gateway::{bus_error, text};
use bytes::Bytes;
use futures::StreamExt;
use http::{Request, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use kubus_client::watch::{self, Asker, Raw, WatchError};
use kubus_client::{BusError, transcode};
use kubus_proto::codec::JSON;
use kubus_proto::user::OnBehalf;
use kubus_proto::{ApiError, Reason};

/// Opens a watch and answers with its lines. A revision that is too old is told as the first line, other refusals with
/// their code.
pub async fn answer<B>(
    gateway: &Gateway,
    on_behalf: OnBehalf,
    request: &Request<B>,
    path: &str,
    query: &str,
) -> Result<Response<Body>, ApiError> {
    let asker = Asker { on_behalf: Some(on_behalf), user_agent: text(request.headers(), header::USER_AGENT) };
    let events = match watch::open(gateway.bus()?, path, query, asker).await {
        Ok(events) => events,
        Err(WatchError::Bus(error)) => return Err(bus_error(error)),
        Err(expired) => futures::stream::once(std::future::ready(Err(expired))).boxed(),
    };
    let stop = gateway.stopping().clone();
    let lines = events.map(|event| Ok::<_, BoxError>(Frame::data(line(event)))).take_until(stop.cancelled_owned());
    let mut out = Response::new(StreamBody::new(lines).boxed_unsync());
    answer::set_type(&mut out, JSON);
    Ok(out)
}

fn line(event: Result<Raw, WatchError>) -> Bytes {
    event.and_then(|event| encode(&event)).unwrap_or_else(|error| error_line(&error))
}

fn encode(event: &Raw) -> Result<Bytes, WatchError> {
    let mut out = Vec::with_capacity(event.object.len() * 5 / 4 + 40);
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(event.event.as_str().as_bytes());
    out.extend_from_slice(b"\",\"object\":");
    transcode::append_json(&event.object, &mut out).map_err(|error| {
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
