//! A small HTTPS server that plays a webhook.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A webhook that runs for as long as the test.
pub struct Hook {
    pub url: String,
    pub ca_bundle: String,
    asked: Arc<Mutex<Vec<Value>>>,
}

type Answer = dyn Fn(&Value) -> Value + Send + Sync;

impl Hook {
    /// Starts one that answers with what `answer` makes of a request.
    pub async fn new(answer: impl Fn(&Value) -> Value + Send + Sync + 'static) -> Self {
        let authority_key = KeyPair::generate().expect("key");
        let mut authority = CertificateParams::new(Vec::new()).expect("params");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&authority_key).expect("authority");
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().expect("key");
        let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("params");
        let own = own.signed_by(&key, &issuer).expect("certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![own.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .expect("configuration");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("address").port();
        let asked: Arc<Mutex<Vec<Value>>> = Arc::default();
        tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(tls)), Arc::new(answer), asked.clone()));
        let ca_bundle = STANDARD.encode(certificate.pem());
        Self { url: format!("https://127.0.0.1:{port}"), ca_bundle, asked }
    }

    /// How to find it.
    pub fn client(&self) -> Value {
        json!({"url": self.url, "caBundle": self.ca_bundle})
    }

    /// What it was asked.
    pub fn asked(&self) -> Vec<Value> {
        self.asked.lock().expect("asked").clone()
    }
}

async fn serve(listener: TcpListener, tls: TlsAcceptor, answer: Arc<Answer>, asked: Arc<Mutex<Vec<Value>>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let (tls, answer, asked) = (tls.clone(), answer.clone(), asked.clone());
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            let service = service_fn(move |request: Request<Incoming>| {
                let (answer, asked) = (answer.clone(), asked.clone());
                async move {
                    let body = request.into_body().collect().await.expect("body").to_bytes();
                    let review: Value = serde_json::from_slice(&body).expect("JSON");
                    asked.lock().expect("asked").push(review.clone());
                    let answer = answer(&review).to_string();
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(answer))))
                }
            });
            // A client that goes away is no failure of the test.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// An answer to an AdmissionReview.
pub fn reviewed(review: &Value, response: Value) -> Value {
    let mut response = response;
    response["uid"] = review["request"]["uid"].clone();
    json!({"kind": "AdmissionReview", "apiVersion": review["apiVersion"], "response": response})
}

/// The same with a JSON patch.
pub fn patched(review: &Value, patch: &Value) -> Value {
    let patch = STANDARD.encode(patch.to_string());
    reviewed(review, json!({"allowed": true, "patchType": "JSONPatch", "patch": patch}))
}
