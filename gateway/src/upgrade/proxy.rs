//! proxy: an HTTP request handed to whoever listens on a pod's port, through a connection that the bus carries.

use super::{Opener, slot, spawn, stream_error};
use crate::Gateway;
use crate::answer::{self, Body, BoxError};
use crate::gateway::asked;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use kubus_client::stream::Connection;
use kubus_proto::proxy::{ProxyPath, ProxyTarget};
use kubus_proto::user::OnBehalf;
use kubus_proto::{ApiError, Reason};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

mod trust;

/// How long a service without endpoints is asked for again, in milliseconds: the bus takes their absence for something
/// that passes.
const DEADLINE_MS: u64 = 3_000;
/// Headers that are about one connection, and those that are about who speaks to the cluster: neither is for the pod.
const OWN: [HeaderName; 7] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::AUTHORIZATION,
];

/// Answers a request to a proxy.
pub async fn answer(
    gateway: &Gateway,
    on_behalf: OnBehalf,
    request: Request<Incoming>,
) -> Result<Response<Body>, ApiError> {
    let path = request.uri().path().to_owned();
    let nowhere = || ApiError::new(Reason::NotFound, "the server could not find the requested resource");
    let cut = ProxyPath::cut(&path).ok_or_else(nowhere)?;
    let mut asked = asked(on_behalf, &request)?;
    (asked.path, asked.query) = (cut.resource.to_owned(), String::new());
    let mut opener = Opener::new(gateway, asked)?;
    opener.bus = opener.bus.with_deadline(Duration::from_millis(DEADLINE_MS));
    let (sender, receiver) = opener.open().await.map_err(stream_error)?;
    if cut.rest.is_empty() {
        return Ok(with_slash(request.uri()));
    }
    let target = ProxyTarget::parse(&cut.name).ok_or_else(nowhere)?;
    let connection = Connection::new(sender, receiver);
    if target.https {
        let connection = trust::connect(connection).await.map_err(|error| failed(&error))?;
        exchange(gateway, connection, request, &cut, &target).await
    } else {
        exchange(gateway, connection, request, &cut, &target).await
    }
}

fn failed(error: &dyn std::fmt::Display) -> ApiError {
    ApiError::new(Reason::ServiceUnavailable, format!("error trying to reach service: {error}"))
}

/// Relative links need a folder to be relative to.
fn with_slash(uri: &Uri) -> Response<Body> {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut out = Response::new(answer::full(""));
    *out.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(place) = HeaderValue::from_str(&format!("{}/{query}", uri.path())) {
        out.headers_mut().insert(header::LOCATION, place);
    }
    out
}

/// One request and its answer over a connection of its own.
async fn exchange<C>(
    gateway: &Gateway,
    connection: C,
    mut request: Request<Incoming>,
    cut: &ProxyPath<'_>,
    target: &ProxyTarget<'_>,
) -> Result<Response<Body>, ApiError>
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let handshake = http1::handshake(TokioIo::new(connection)).await;
    let (mut sender, driver) = handshake.map_err(|error| failed(&error))?;
    // It ends with the answer's body, or with the request that is dropped.
    tokio::spawn(async move {
        if let Err(error) = driver.with_upgrades().await {
            tracing::debug!(%error, "a proxied connection broke");
        }
    });
    let client = hyper::upgrade::on(&mut request);
    let upgrade = request.headers().get(header::UPGRADE).cloned();
    let forwarded = forwarded(request, cut, target, upgrade.as_ref())?;
    let mut answered = sender.send_request(forwarded).await.map_err(|error| failed(&error))?;
    let server = hyper::upgrade::on(&mut answered);
    let switches = answered.status() == StatusCode::SWITCHING_PROTOCOLS;
    let (mut parts, body) = answered.into_parts();
    strip(&mut parts.headers);
    relocate(&mut parts.headers, cut.resource, target);
    if !switches {
        return Ok(Response::from_parts(parts, body.map_err(BoxError::from).boxed_unsync()));
    }
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    spawn(gateway, slot()?, async move {
        if let (Ok(client), Ok(server)) = tokio::join!(client, server) {
            let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
            // Either end may break at any time.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        }
    });
    Ok(Response::from_parts(parts, answer::full("")))
}

/// The request as the pod gets it.
fn forwarded(
    request: Request<Incoming>,
    cut: &ProxyPath<'_>,
    target: &ProxyTarget<'_>,
    upgrade: Option<&HeaderValue>,
) -> Result<Request<Incoming>, ApiError> {
    let (mut parts, body) = request.into_parts();
    let host = parts.headers.get(header::HOST).cloned();
    let host = host.or_else(|| parts.uri.authority().and_then(|all| HeaderValue::from_str(all.as_str()).ok()));
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let place: PathAndQuery = format!("{}{query}", cut.rest).parse().map_err(|error| failed(&error))?;
    parts.uri = Uri::from(place);
    parts.version = http::Version::HTTP_11;
    strip(&mut parts.headers);
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            parts.headers.insert(name, value);
        }
    };
    let own_host =
        if target.port.is_empty() { target.name.to_owned() } else { format!("{}:{}", target.name, target.port) };
    set(header::HOST, &own_host);
    set(HeaderName::from_static("x-forwarded-uri"), &format!("{}{}", cut.resource, cut.rest));
    set(HeaderName::from_static("x-forwarded-proto"), "https");
    if let Some(host) = host {
        parts.headers.insert(HeaderName::from_static("x-forwarded-host"), host);
    }
    if let Some(upgrade) = upgrade {
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        parts.headers.insert(header::UPGRADE, upgrade.clone());
    }
    Ok(Request::from_parts(parts, body))
}

/// Takes out what is about one connection, whatever the connection's own header names too.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| name != header::UPGRADE)
        .collect();
    for name in named.iter().chain(&OWN) {
        headers.remove(name);
    }
}

/// A redirect to the pod's own place leads through the proxy again.
fn relocate(headers: &mut HeaderMap, resource: &str, target: &ProxyTarget<'_>) {
    let Some(place) = headers.get(header::LOCATION).and_then(|place| place.to_str().ok()) else { return };
    let Ok(uri) = place.parse::<Uri>() else { return };
    if uri.host().is_some_and(|host| host != target.name) || !uri.path().starts_with('/') {
        return;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    if let Ok(place) = HeaderValue::from_str(&format!("{resource}{}{query}", uri.path())) {
        headers.insert(header::LOCATION, place);
    }
}
