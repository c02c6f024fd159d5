//! port-forward: a pair of SPDY streams for each connection, one for its bytes and one for what went wrong with it. SPDY
//! comes bare, or inside a WebSocket.

use super::handshake::{self, Wanted};
use super::spdy::{Connection, Stream};
use super::tunnel::Tunnel;
use super::{Opener, channel_ports, spawn, web_socket};
use crate::Gateway;
use crate::answer::Body;
use crate::gateway::{asked, bus_error};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use kubus_client::stream::{Received, StreamReceiver, StreamSender};
use kubus_proto::ApiError;
use kubus_proto::stream::channel;
use kubus_proto::user::OnBehalf;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What clients speak inside of SPDY.
const PROTOCOL: &str = "portforward.k8s.io";
/// The same inside of a WebSocket.
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
/// How long one stream of a pair waits for the other, in milliseconds.
const PAIR_MS: u64 = 30_000;

/// Answers a request to forward ports.
pub async fn answer(
    gateway: &Gateway,
    on_behalf: OnBehalf,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let wanted = handshake::required(&request)?;
    let slot = super::slot()?;
    let query = request.uri().query().unwrap_or_default().to_owned();
    let opener = Arc::new(Opener::new(gateway, asked(on_behalf, &request)?)?);
    match wanted {
        Wanted::Spdy { offered } => {
            let protocol = handshake::choose(&offered, &[PROTOCOL], |name| name)?;
            opener.check().await.map_err(bus_error)?;
            let upgrade = hyper::upgrade::on(&mut request);
            spawn(gateway, slot, async move {
                let Ok(upgraded) = upgrade.await else { return };
                serve(Connection::new(TokioIo::new(upgraded)), opener).await;
            });
            Ok(handshake::spdy(Some(*protocol).filter(|_| !offered.is_empty())))
        }
        Wanted::WebSocket { key, offered } if offered.iter().any(|offer| offer == TUNNEL) => {
            opener.check().await.map_err(bus_error)?;
            let upgrade = hyper::upgrade::on(&mut request);
            spawn(gateway, slot, async move {
                let Ok(upgraded) = upgrade.await else { return };
                serve(Connection::new(Tunnel::new(web_socket::socket(upgraded).await)), opener).await;
            });
            Ok(handshake::web_socket(&key, Some(TUNNEL)))
        }
        Wanted::WebSocket { key, offered } => {
            let protocol = handshake::choose(&offered, &channel_ports::PROTOCOLS, |protocol| protocol.name)?;
            let ports = channel_ports::ports(&query)?;
            opener.check().await.map_err(bus_error)?;
            let upgrade = hyper::upgrade::on(&mut request);
            spawn(gateway, slot, async move {
                let Ok(upgraded) = upgrade.await else { return };
                channel_ports::serve(web_socket::socket(upgraded).await, protocol, ports, opener).await;
            });
            Ok(handshake::web_socket(&key, Some(protocol.name).filter(|_| !offered.is_empty())))
        }
    }
}

/// One stream that waits for the other of its pair.
struct Half {
    stream: Stream,
    since: Instant,
}

/// Which half of a pair a stream is, and of which one.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    request: String,
    is_data: bool,
    port: u16,
}

impl Place {
    /// From a stream's headers; `None` for one that is no half of anything.
    fn of(stream_id: u32, kind: &str, port: &str, request: &str) -> Option<Self> {
        let is_data = match kind {
            "data" => true,
            "error" => false,
            _ => return None,
        };
        let port = port.parse().ok().filter(|port| *port > 0)?;
        let request = match request {
            // Old clients do not number their pairs; the stream for errors comes just before its sister.
            "" => stream_id.checked_sub(if is_data { 2 } else { 0 })?.to_string(),
            request => request.to_owned(),
        };
        Some(Self { request, is_data, port })
    }
}

/// Forwards each pair of streams that the client opens, until it goes.
async fn serve(mut connection: Connection, opener: Arc<Opener>) {
    let mut waiting: HashMap<String, Half> = HashMap::new();
    let mut forwards = JoinSet::new();
    loop {
        let patience = Duration::from_millis(PAIR_MS);
        let oldest = waiting.values().map(|half| half.since + patience).min();
        let stream = tokio::select! {
            stream = connection.next() => match stream {
                Some(stream) => stream,
                None => return,
            },
            Some(_) = forwards.join_next() => continue,
            () = tokio::time::sleep_until(oldest.unwrap_or_else(Instant::now)), if oldest.is_some() => {
                waiting.retain(|_, half| half.since.elapsed() < patience);
                continue;
            }
        };
        let header = |name: &str| stream.headers.get(name);
        let Some(place) = Place::of(stream.id(), header("streamtype"), header("port"), header("requestid")) else {
            tracing::debug!(headers = ?stream.headers, "a stream that belongs to no forwarded port");
            continue;
        };
        if stream.accept().await.is_err() {
            continue;
        }
        match waiting.remove(&place.request) {
            None => {
                waiting.insert(place.request, Half { stream, since: Instant::now() });
            }
            Some(other) => {
                let (data, error) = if place.is_data { (stream, other.stream) } else { (other.stream, stream) };
                forwards.spawn(forward(opener.clone(), place.port, data, error));
            }
        }
    }
}

/// One connection, from its beginning to its end.
async fn forward(opener: Arc<Opener>, port: u16, mut data: Stream, mut error: Stream) {
    // A client that is gone hears nothing of what follows.
    match opener.port(port).await {
        Ok(bus) => {
            if carry(bus, &mut data).await {
                let _ = data.writer.finish().await;
            }
        }
        Err(failure) => {
            let text = format!("error forwarding port {port} to pod {}, uid : {failure}", opener.pod());
            let _ = error.writer.send(text.into()).await;
            let _ = data.writer.finish().await;
        }
    }
    let _ = error.writer.finish().await;
}

/// Carries bytes both ways; `true` where the pod's side ended well and the client is still to be told.
async fn carry((mut sender, mut receiver): (StreamSender, StreamReceiver), data: &mut Stream) -> bool {
    let Stream { reader, writer, .. } = data;
    let up = async {
        loop {
            let sent = match reader.next().await {
                Ok(Some(bytes)) => sender.send(channel::STDIN, bytes).await,
                Ok(None) => {
                    // The client has said everything and may still listen; its going is seen by the other direction.
                    let _ = sender.close(channel::STDIN).await;
                    return std::future::pending().await;
                }
                Err(_) => return false,
            };
            if sent.is_err() {
                return std::future::pending().await;
            }
        }
    };
    let gone = writer.closed();
    let down = async {
        let mut finished = false;
        loop {
            match receiver.next().await {
                Ok(Received::Data { data, .. }) => {
                    if writer.send(data).await.is_err() {
                        return false;
                    }
                }
                Ok(Received::Close { .. }) => {
                    finished = true;
                    if writer.finish().await.is_err() {
                        return false;
                    }
                }
                Ok(Received::End { .. }) => return !finished,
                Err(_) => return false,
            }
        }
    };
    tokio::select! {
        told = down => told,
        told = up => told,
        () = gone.cancelled() => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_find_their_pairs() {
        let place = |request: &str, is_data, port| Some(Place { request: request.to_owned(), is_data, port });
        for (id, kind, port, request, expected) in [
            (1, "error", "80", "0", place("0", false, 80)),
            (3, "data", "80", "0", place("0", true, 80)),
            (5, "error", "80", "", place("5", false, 80)),
            (7, "data", "80", "", place("5", true, 80)),
            (1, "data", "80", "", None),
            (1, "stdin", "80", "0", None),
            (1, "data", "0", "0", None),
            (1, "data", "65536", "0", None),
            (1, "data", "", "0", None),
        ] {
            assert_eq!(Place::of(id, kind, port, request), expected, "{id} {kind} {port} {request}");
        }
    }
}
