//! Which protocol a client wants to change to, and what it is answered. Pure.

use crate::answer::{self, Body};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use kubus_proto::{ApiError, Reason};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Kubernetes' header for the protocol inside of SPDY.
const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");
/// What SPDY calls itself where protocols are changed.
const SPDY: &str = "SPDY/3.1";
/// The only version of WebSockets there is.
const WEBSOCKET_VERSION: &str = "13";

/// What a client wants to change to, with the protocols it offers to speak inside, the best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A WebSocket.
    WebSocket {
        /// What the answer proves to have read.
        key: String,
        /// Its subprotocols.
        offered: Vec<String>,
    },
    /// SPDY.
    Spdy {
        /// Its stream protocols.
        offered: Vec<String>,
    },
}

fn bad(message: impl Into<String>) -> ApiError {
    ApiError::new(Reason::BadRequest, message)
}

/// Reads a request; none where it wants to go on as it is.
pub fn wanted<B>(request: &Request<B>) -> Result<Option<Wanted>, ApiError> {
    let headers = request.headers();
    let upgrades = words(headers, &header::CONNECTION).any(|word| word.eq_ignore_ascii_case("upgrade"));
    let Some(protocol) = words(headers, &header::UPGRADE).next().filter(|_| upgrades) else { return Ok(None) };
    if protocol.eq_ignore_ascii_case(SPDY) {
        let offered = words(headers, &STREAM_PROTOCOL).map(str::to_owned).collect();
        return Ok(Some(Wanted::Spdy { offered }));
    }
    if !protocol.eq_ignore_ascii_case("websocket") {
        return Err(bad(format!("unable to upgrade: unsupported protocol {protocol:?}")));
    }
    if request.method() != Method::GET {
        return Err(bad("a WebSocket must be opened with GET"));
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != WEBSOCKET_VERSION) {
        return Err(bad(format!("Sec-WebSocket-Version must be {WEBSOCKET_VERSION}")));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok()).unwrap_or_default();
    if key.is_empty() {
        return Err(bad("Sec-WebSocket-Key is missing"));
    }
    let offered = words(headers, &header::SEC_WEBSOCKET_PROTOCOL).map(str::to_owned).collect();
    Ok(Some(Wanted::WebSocket { key: key.to_owned(), offered }))
}

/// The request must want to change its protocol.
pub fn required<B>(request: &Request<B>) -> Result<Wanted, ApiError> {
    wanted(request)?.ok_or_else(|| bad("Upgrade request required"))
}

fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|word| !word.is_empty())
}

/// The first of the client's protocols that is known here. Who offers none gets the first, which is the oldest.
pub fn choose<'a, T>(offered: &[String], known: &'a [T], name: impl Fn(&T) -> &str) -> Result<&'a T, ApiError> {
    let found = offered.iter().find_map(|offer| known.iter().find(|one| name(one) == offer.as_str()));
    let found = found.or_else(|| known.first().filter(|_| offered.is_empty()));
    found.ok_or_else(|| {
        let (offered, known) = (offered.join(" "), known.iter().map(name).collect::<Vec<_>>().join(" "));
        let message = format!(
            "unable to upgrade: unable to negotiate protocol: client supports [{offered}], server accepts [{known}]"
        );
        ApiError::new(Reason::Forbidden, message)
    })
}

fn switch(upgrade: &'static str) -> Response<Body> {
    let mut response = Response::new(answer::full(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static(upgrade));
    response
}

/// The answer that opens a WebSocket; `protocol` where the client offered some.
pub fn web_socket(key: &str, protocol: Option<&'static str>) -> Response<Body> {
    let mut response = switch("websocket");
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
        response.headers_mut().insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(protocol) = protocol {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    response
}

/// The answer that begins SPDY.
pub fn spdy(protocol: Option<&'static str>) -> Response<Body> {
    let mut response = switch(SPDY);
    if let Some(protocol) = protocol {
        response.headers_mut().insert(STREAM_PROTOCOL, HeaderValue::from_static(protocol));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, headers: &[(&str, &str)]) -> Request<()> {
        let builder = Request::builder().method(method).uri("/x");
        headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value)).body(()).expect("request")
    }

    #[test]
    fn what_a_client_wants_is_read() {
        let socket = [
            ("Connection", "keep-alive, Upgrade"),
            ("Upgrade", "WebSocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Protocol", "v5.channel.k8s.io, v4.channel.k8s.io"),
        ];
        let spdy = [
            ("Connection", "Upgrade"),
            ("Upgrade", "SPDY/3.1"),
            ("X-Stream-Protocol-Version", "v4.channel.k8s.io"),
            ("X-Stream-Protocol-Version", "v3.channel.k8s.io"),
        ];
        let offered = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let versions = offered(&["v5.channel.k8s.io", "v4.channel.k8s.io"]);
        let key = "dGhlIHNhbXBsZSBub25jZQ==".to_owned();
        assert_eq!(wanted(&request("GET", &socket)), Ok(Some(Wanted::WebSocket { key, offered: versions })));
        let versions = offered(&["v4.channel.k8s.io", "v3.channel.k8s.io"]);
        assert_eq!(wanted(&request("POST", &spdy)), Ok(Some(Wanted::Spdy { offered: versions })));
        assert_eq!(wanted(&request("GET", &[])), Ok(None));
        assert_eq!(wanted(&request("GET", &[("Upgrade", "websocket")])), Ok(None), "the connection is not changed");
        for (method, headers, message) in [
            ("POST", &socket[..], "a WebSocket must be opened with GET"),
            ("GET", &socket[..2], "Sec-WebSocket-Version must be 13"),
            ("GET", &socket[..3], "Sec-WebSocket-Key is missing"),
            (
                "GET",
                &[("Connection", "upgrade"), ("Upgrade", "h2c")][..],
                "unable to upgrade: unsupported protocol \"h2c\"",
            ),
        ] {
            assert_eq!(wanted(&request(method, headers)).expect_err(message).message, message);
        }
        assert_eq!(required(&request("GET", &[])).expect_err("plain").message, "Upgrade request required");
    }

    #[test]
    fn the_clients_best_protocol_is_chosen() {
        let known = ["channel.k8s.io", "v4.channel.k8s.io", "v5.channel.k8s.io"];
        for (offered, expected) in [
            (&["v5.channel.k8s.io", "v4.channel.k8s.io"][..], Some("v5.channel.k8s.io")),
            (&["v9.channel.k8s.io", "v4.channel.k8s.io"], Some("v4.channel.k8s.io")),
            (&[], Some("channel.k8s.io")),
            (&["other"], None),
        ] {
            let offered: Vec<String> = offered.iter().map(|name| (*name).to_owned()).collect();
            let chosen = choose(&offered, &known, |name| name);
            assert_eq!(chosen.as_ref().ok().map(|name| **name), expected, "{offered:?}");
        }
        let error = choose(&["x".to_owned()], &known[..1], |name| name).expect_err("none");
        assert_eq!(
            error.message,
            "unable to upgrade: unable to negotiate protocol: client supports [x], server accepts [channel.k8s.io]"
        );
    }

    #[test]
    fn answers_change_the_protocol() {
        let answer = web_socket("dGhlIHNhbXBsZSBub25jZQ==", Some("v5.channel.k8s.io"));
        assert_eq!(answer.status(), 101);
        // The example of RFC 6455.
        assert_eq!(answer.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(answer.headers()["sec-websocket-protocol"], "v5.channel.k8s.io");
        let answer = spdy(None);
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["upgrade"]),
            (101, &HeaderValue::from_static("SPDY/3.1"))
        );
    }
}
