//! A container's log over HTTP: bare text for as long as the node sends, or messages of a WebSocket.

use super::handshake::{self, Wanted};
use super::web_socket::{self, Incoming as FromClient, Messages};
use super::{Opener, spawn, stream_error};
use crate::Gateway;
use crate::answer::{self, Body, BoxError};
use crate::gateway::asked;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use kubus_client::stream::{Received, StreamReceiver, StreamSender};
use kubus_proto::user::OnBehalf;
use kubus_proto::{ApiError, Reason};
use tokio_tungstenite::tungstenite::Message;

/// What a log is sent as in a WebSocket; the first to clients that name none.
const PROTOCOLS: [&str; 2] = ["binary.k8s.io", "base64.binary.k8s.io"];

/// Answers a request for a log.
pub async fn answer(
    gateway: &Gateway,
    on_behalf: OnBehalf,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    if request.method() != Method::GET {
        let text = "the server does not allow this method on the requested resource";
        return Err(ApiError::new(Reason::MethodNotAllowed, text));
    }
    let wanted = handshake::wanted(&request)?;
    let opener = Opener::new(gateway, asked(on_behalf, &request)?)?;
    let Some(Wanted::WebSocket { key, offered }) = wanted else {
        let bus = opener.open().await.map_err(stream_error)?;
        let stop = gateway.stopping().clone();
        let text = text(bus).map(|data| data.map(Frame::data)).take_until(stop.cancelled_owned());
        let mut out = Response::new(StreamBody::new(text).boxed_unsync());
        answer::set_type(&mut out, "text/plain");
        return Ok(out);
    };
    let slot = super::slot()?;
    let protocol = handshake::choose(&offered, &PROTOCOLS, |name| name)?;
    let bus = opener.open().await.map_err(stream_error)?;
    let upgrade = hyper::upgrade::on(&mut request);
    let base64 = *protocol == PROTOCOLS[1];
    spawn(gateway, slot, async move {
        let Ok(upgraded) = upgrade.await else { return };
        let socket = web_socket::socket(upgraded).await;
        web_socket::serve(socket, |incoming, messages| send(bus, base64, incoming, messages)).await;
    });
    Ok(handshake::web_socket(&key, Some(*protocol).filter(|_| !offered.is_empty())))
}

/// The text as it comes. A log that breaks off is an error, not an end.
fn text(bus: (StreamSender, StreamReceiver)) -> impl Stream<Item = Result<Bytes, BoxError>> + Send {
    futures::stream::unfold(Some(bus), |bus| async move {
        let (sender, mut receiver) = bus?;
        loop {
            match receiver.next().await {
                Ok(Received::Data { data, .. }) => return Some((Ok(data), Some((sender, receiver)))),
                Ok(Received::Close { .. }) => {}
                Ok(Received::End { .. }) => return None,
                Err(error) => return Some((Err(BoxError::from(error)), None)),
            }
        }
    })
}

async fn send(
    bus: (StreamSender, StreamReceiver),
    base64: bool,
    mut incoming: FromClient,
    messages: Messages,
) -> FromClient {
    let sending = async {
        let mut text = std::pin::pin!(text(bus));
        while let Some(Ok(data)) = text.next().await {
            let message = if base64 { Message::text(STANDARD.encode(&data)) } else { Message::Binary(data) };
            if messages.send(message).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = sending => {}
        () = async { while incoming.next().await.is_some() {} } => {}
    }
    drop(messages);
    incoming
}
