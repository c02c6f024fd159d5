//! A client of the gateway that shows whatever certificate it is told to and sends whatever it is told to.

use crate::Cluster;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long any answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http {
    /// 1.1
    One,
    /// 2
    Two,
}

/// A certificate that a client shows, and its key, PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Certificate.
    pub certificate: String,
    /// Key.
    pub key: String,
}

impl Identity {
    /// A certificate that the authority in these files signs for a user in a group; `valid` from and until, in days from
    /// now.
    pub fn signed(pki: &Path, name: &str, group: &str, valid: (i64, i64)) -> Self {
        let read = |file: &str| std::fs::read_to_string(pki.join(file)).expect("the authority");
        let key = KeyPair::from_pem(&read("ca.key")).expect("its key");
        let issuer = Issuer::from_ca_cert_pem(&read("ca.crt"), key).expect("its certificate");
        let mut parameters = CertificateParams::new(Vec::<String>::new()).expect("parameters");
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.distinguished_name.push(DnType::OrganizationName, group);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
        let at = |days: i64| {
            let seconds = now.saturating_add_signed(days * 24 * 3_600);
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
        };
        (parameters.not_before, parameters.not_after) = (at(valid.0), at(valid.1));
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.signed_by(&key, &issuer).expect("a certificate");
        Self { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub code: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// One connection that requests go over one after the other.
pub struct Connection {
    send: Send,
    authority: String,
    /// The certificate that the gateway shows on it.
    pub server_certificate: Vec<u8>,
}

enum Send {
    One(hyper::client::conn::http1::SendRequest<Full<Bytes>>),
    Two(hyper::client::conn::http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    /// Sends a request and gives the answer's head and what follows.
    pub async fn send(&mut self, mut request: Request<Full<Bytes>>) -> hyper::Result<http::Response<Incoming>> {
        match &mut self.send {
            Send::One(send) => {
                let host = self.authority.parse().expect("a host");
                request.headers_mut().entry("host").or_insert(host);
                send.ready().await?;
                send.send_request(request).await
            }
            Send::Two(send) => {
                let path = request.uri().path_and_query().expect("a path").as_str();
                let uri: Uri = format!("https://{}{path}", self.authority).parse().expect("an address");
                *request.uri_mut() = uri;
                send.ready().await?;
                send.send_request(request).await
            }
        }
    }

    /// The same, with the whole body.
    pub async fn whole(&mut self, request: Request<Full<Bytes>>) -> Answer {
        let asking = async {
            let (head, body) = self.send(request).await.expect("an answer").into_parts();
            let body = body.collect().await.expect("a whole body").to_bytes();
            Answer { code: head.status.as_u16(), headers: head.headers, body }
        };
        tokio::time::timeout(PATIENCE, asking).await.expect("an answer in time")
    }
}

/// A client of one gateway.
#[derive(Clone, Debug)]
pub struct Https {
    /// Where the gateway is.
    pub port: u16,
    pki: PathBuf,
    identity: Option<Identity>,
    http: Http,
}

impl Https {
    pub(crate) fn new(cluster: &Cluster, number: usize) -> Self {
        let pki = cluster.home().join("pki");
        let read = |file: &str| std::fs::read_to_string(pki.join(file)).expect("the admin user's certificate");
        let identity = Identity { certificate: read("admin.crt"), key: read("admin.key") };
        Self { port: cluster.gateway_port(number), pki, identity: Some(identity), http: Http::One }
    }

    /// The same client with another certificate, or none.
    pub fn showing(&self, identity: Option<Identity>) -> Self {
        Self { identity, ..self.clone() }
    }

    /// The same client for another port.
    pub fn at(&self, port: u16) -> Self {
        Self { port, ..self.clone() }
    }

    /// The same client over another version of HTTP.
    pub fn over(&self, http: Http) -> Self {
        Self { http, ..self.clone() }
    }

    /// Where the authority's files are.
    pub fn pki(&self) -> &Path {
        &self.pki
    }

    /// A bare connection after its handshake.
    pub async fn tls(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        let authority = std::fs::read(self.pki.join("ca.crt"))?;
        for certificate in CertificateDer::pem_slice_iter(&authority) {
            roots.add(certificate.expect("PEM")).expect("an authority");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
                builder.with_client_auth_cert(chain.map(|c| c.expect("PEM")).collect(), key).expect("a pair")
            }
        };
        config.alpn_protocols = vec![match self.http {
            Http::One => b"http/1.1".to_vec(),
            Http::Two => b"h2".to_vec(),
        }];
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// A connection for requests.
    pub async fn connect(&self) -> Connection {
        let stream = self.tls().await.expect("a handshake");
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).expect("a certificate");
        let server_certificate = shown.to_vec();
        let stream = TokioIo::new(stream);
        let send = match self.http {
            Http::One => {
                let (send, connection) = hyper::client::conn::http1::handshake(stream).await.expect("HTTP/1.1");
                tokio::spawn(connection);
                Send::One(send)
            }
            Http::Two => {
                let (send, connection) =
                    hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.expect("HTTP/2");
                tokio::spawn(connection);
                Send::Two(send)
            }
        };
        Connection { send, authority: format!("localhost:{}", self.port), server_certificate }
    }

    /// One request over a connection of its own; `headers` as `name: value`.
    pub async fn ask(&self, method: &str, path: &str, headers: &[&str], body: impl Into<Bytes>) -> Answer {
        self.connect().await.whole(request(method, path, headers, body)).await
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }

    /// POST of JSON; the answer must be 201.
    pub async fn create(&self, path: &str, object: &Value) -> Value {
        let answer = self.ask("POST", path, &["content-type: application/json"], object.to_string()).await;
        assert_eq!(answer.code, StatusCode::CREATED, "{path}: {}", answer.text());
        answer.json()
    }

    /// Opens a watch and gives its lines.
    pub async fn watch(&self, path: &str, headers: &[&str]) -> Lines {
        let mut connection = self.connect().await;
        let sent = tokio::time::timeout(PATIENCE, connection.send(request("GET", path, headers, ""))).await;
        let answer = sent.expect("an answer in time").expect("an answer");
        let (head, body) = answer.into_parts();
        Lines { code: head.status.as_u16(), headers: head.headers, body, rest: Vec::new(), _connection: connection }
    }
}

/// A request with `headers` as `name: value`.
pub fn request(method: &str, path: &str, headers: &[&str], body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path);
    for header in headers {
        let (name, value) = header.split_once(": ").expect("name: value");
        request = request.header(name, value);
    }
    request.body(Full::new(body.into())).expect("a request")
}

/// A watch.
pub struct Lines {
    /// Status code.
    pub code: u16,
    /// Headers.
    pub headers: HeaderMap,
    body: Incoming,
    rest: Vec<u8>,
    _connection: Connection,
}

impl Lines {
    /// The next event; `None` where the watch is at its end.
    pub async fn next(&mut self) -> Option<Value> {
        tokio::time::timeout(PATIENCE, self.read()).await.expect("an event in time")
    }

    async fn read(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("a line is JSON"));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.rest.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Some(Err(error)) => panic!("the watch broke: {error}"),
                None => {
                    assert!(self.rest.is_empty(), "half a line at the end");
                    return None;
                }
            }
        }
    }

    /// Types and names of the next events.
    pub async fn take(&mut self, count: usize) -> Vec<String> {
        let mut taken = Vec::new();
        for _ in 0..count {
            let event = self.next().await.expect("an event");
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            taken.push(format!("{} {}", word(&event["type"]), word(&event["object"]["metadata"]["name"])));
        }
        taken
    }
}
