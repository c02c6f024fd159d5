//! Carries out one call: connects, checks the certificate, posts, reads.

use super::trust::Trust;
use super::{Answer, Place, Question, WebhookError};
use crate::state::{Key, State};
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde_json::Value;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

/// Most calls at a time.
const IN_FLIGHT_LIMIT: usize = 512;
/// Longest answer, as an object and its patches may have it, in bytes.
const ANSWER_LIMIT_BYTES: usize = 4 * 1024 * 1024;
/// How much of a refusal is told.
const REFUSAL_LIMIT_CHARS: usize = 1_024;
/// Resource of Services, which may name a webhook's place.
const SERVICES: &str = "/services";

/// Calls webhooks. Clones share connections' trust and the limit.
#[derive(Clone)]
pub struct Webhooks {
    trust: Arc<Trust>,
    in_flight: Arc<Semaphore>,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self { trust: Arc::default(), in_flight: Arc::new(Semaphore::new(IN_FLIGHT_LIMIT)) }
    }
}

/// Where to connect, and what is asked for there.
#[derive(Debug, PartialEq)]
struct Target {
    /// Host and port to dial.
    address: (String, u16),
    /// Whom the certificate must be for, and the `Host` of the request.
    name: String,
    /// Path and query.
    path: String,
    /// As messages show it.
    url: String,
}

impl Webhooks {
    /// Asks a webhook. Services are looked up in `state`.
    pub async fn ask(&self, question: &Question, state: &State) -> Answer {
        let seconds = question.timeout.as_secs();
        let target = target(&question.endpoint.place, seconds, state)?;
        let Ok(_permit) = self.in_flight.try_acquire() else { return Err(WebhookError::Busy(IN_FLIGHT_LIMIT)) };
        let tls = self.trust.of(&question.endpoint.ca_bundle)?;
        let body = serde_json::to_vec(&question.body).map_err(|e| WebhookError::Unreadable(e.to_string()))?;
        let late = || WebhookError::Timeout { url: target.url.clone() };
        tokio::time::timeout(question.timeout, post(&target, TlsConnector::from(tls), body))
            .await
            .map_err(|_| late())?
    }
}

/// Reads a place, with the time a webhook has as a parameter, as Kubernetes sends it.
fn target(place: &Place, seconds: u64, state: &State) -> Result<Target, WebhookError> {
    match place {
        Place::Url(url) => {
            let wrong = || WebhookError::Address(format!("unable to parse webhook url {url:?}"));
            let uri: Uri = url.parse().map_err(|_| wrong())?;
            let host = uri.host().ok_or_else(wrong)?.trim_matches(['[', ']']).to_owned();
            if uri.scheme_str() != Some("https") {
                return Err(wrong());
            }
            let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
            let path = format!("{}?timeout={seconds}s", uri.path());
            let url = format!("https://{authority}{path}");
            Ok(Target { address: (host.clone(), uri.port_u16().unwrap_or(443)), name: host, path, url })
        }
        Place::Service { namespace, name, path, port } => {
            let host = format!("{name}.{namespace}.svc");
            let path = format!("/{}?timeout={seconds}s", path.trim_start_matches('/'));
            let url = format!("https://{host}:{port}{path}");
            let wrong = |why: String| WebhookError::Service { url: url.clone(), why };
            let service = state.get(&Key::new(SERVICES, namespace.as_str(), name.as_str()));
            let service = service.ok_or_else(|| wrong(format!("service {name:?} not found")))?;
            let service = service.decode().map_err(|error| wrong(error.to_string()))?;
            let address = service["spec"]["clusterIP"].as_str().filter(|ip| !ip.is_empty() && *ip != "None");
            let address = address.ok_or_else(|| wrong(format!("no endpoints available for service {name:?}")))?;
            Ok(Target { address: (address.to_owned(), *port), name: host, path, url })
        }
    }
}

async fn post(target: &Target, tls: TlsConnector, body: Vec<u8>) -> Answer {
    let (host, port) = (target.address.0.as_str(), target.address.1);
    let broken = |why: String| WebhookError::Connection { url: target.url.clone(), why };
    let name = ServerName::try_from(target.name.clone()).map_err(|e| broken(e.to_string()))?;
    let stream = TcpStream::connect((host, port)).await.map_err(|error| broken(dial_failure(host, port, &error)))?;
    let stream = tls.connect(name, stream).await.map_err(|error| broken(tls_failure(&error)))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| broken(e.to_string()))?;
    // The connection is driven beside the request and ends with it.
    let exchange = async {
        let request = Request::post(target.path.as_str())
            .header(header::HOST, target.name.as_str())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("kubus-apiserver/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(Bytes::from(body)))
            .map_err(|e| broken(e.to_string()))?;
        let response = sender.send_request(request).await.map_err(|e| broken(e.to_string()))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_LIMIT_BYTES).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                WebhookError::TooLarge(ANSWER_LIMIT_BYTES)
            } else {
                broken(error.to_string())
            }
        })?;
        Ok((status, body.to_bytes()))
    };
    let (status, body) = tokio::select! {
        biased;
        answer = exchange => answer?,
        ended = connection => {
            let why = ended.err().map_or_else(|| "EOF".to_owned(), |error| error.to_string());
            return Err(broken(why));
        }
    };
    read(status, &body)
}

/// An answer as JSON; what is no success is told as Kubernetes' client tells it.
fn read(status: StatusCode, body: &[u8]) -> Answer {
    if status.is_success() {
        return serde_json::from_slice::<Value>(body).map_err(|error| WebhookError::Unreadable(error.to_string()));
    }
    let told = || String::from_utf8_lossy(body).chars().take(REFUSAL_LIMIT_CHARS).collect::<String>();
    Err(WebhookError::Refused(match status.as_u16() {
        400 => "the server rejected our request for an unknown reason".to_owned(),
        404 => "the server could not find the requested resource".to_owned(),
        500.. => format!("an error on the server ({:?}) has prevented the request from succeeding", told().trim()),
        code => format!("the server responded with the status code {code} but did not return more information"),
    }))
}

fn dial_failure(host: &str, port: u16, error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => format!("dial tcp {host}:{port}: connect: connection refused"),
        _ => format!("dial tcp {host}:{port}: {error}"),
    }
}

fn tls_failure(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)) => {
            "tls: failed to verify certificate: x509: certificate signed by unknown authority".to_owned()
        }
        Some(rustls::Error::InvalidCertificate(why)) => format!("tls: failed to verify certificate: x509: {why}"),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_their_time() {
        let state = State::default();
        for (url, address, path) in [
            ("https://hooks.example.com/validate", ("hooks.example.com", 443), "/validate?timeout=10s"),
            ("https://127.0.0.1:8443", ("127.0.0.1", 8443), "/?timeout=10s"),
            ("https://[::1]:8443/x", ("::1", 8443), "/x?timeout=10s"),
        ] {
            let target = target(&Place::Url(url.to_owned()), 10, &state).expect(url);
            assert_eq!((target.address.0.as_str(), target.address.1), address);
            assert_eq!(target.path, path);
        }
        for url in ["http://hooks.example.com", "hooks", ""] {
            assert!(matches!(target(&Place::Url(url.to_owned()), 10, &state), Err(WebhookError::Address(_))), "{url}");
        }
        let service = Place::Service { namespace: "ns".into(), name: "hook".into(), path: "p".into(), port: 443 };
        let error = target(&service, 3, &state).expect_err("no service");
        assert_eq!(error.to_string(), "Post \"https://hook.ns.svc:443/p?timeout=3s\": service \"hook\" not found");
    }

    #[test]
    fn refusals_are_told_as_clients_tell_them() {
        for (status, body, expected) in [
            (200, "{\"a\": 1}", Ok(serde_json::json!({"a": 1}))),
            (404, "", Err("the server could not find the requested resource")),
            (500, "boom\n", Err("an error on the server (\"boom\") has prevented the request from succeeding")),
            (302, "", Err("the server responded with the status code 302 but did not return more information")),
        ] {
            let answer = read(StatusCode::from_u16(status).expect("status"), body.as_bytes());
            assert_eq!(answer.map_err(|e| e.to_string()), expected.map_err(str::to_owned), "{status}");
        }
        assert!(matches!(read(StatusCode::OK, b"<html>"), Err(WebhookError::Unreadable(_))));
    }
}
