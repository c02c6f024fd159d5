//! Calls to webhooks: one HTTPS POST of a JSON document, one JSON document back, in bounded time and size.
//! <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#contacting-the-webhook>

mod client;
mod trust;

pub use client::Webhooks;

use crate::behaviour::causes::invalid;
use kubus_proto::status::Cause;
use serde_json::Value;
use std::time::Duration;

/// Where a webhook is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// An address of its own, `https://…`.
    Url(String),
    /// A Service of the cluster.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Path of the request.
        path: String,
        /// Port of the Service.
        port: u16,
    },
}

/// A webhook as a `clientConfig` describes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Where it is.
    pub place: Place,
    /// PEM of the authorities that vouch for it; empty for the system's.
    pub ca_bundle: Vec<u8>,
}

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Whom to ask.
    pub endpoint: Endpoint,
    /// What is sent.
    pub body: Value,
    /// How long the answer may take.
    pub timeout: Duration,
}

/// Why a call gave no answer; worded as Kubernetes words it, since users read it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The address is none.
    #[error("{0}")]
    Address(String),
    /// The Service is not there, or has no address.
    #[error("Post {url:?}: {why}")]
    Service {
        /// What was asked.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The authorities cannot be read.
    #[error("unable to load root certificates: {0}")]
    Trust(String),
    /// No connection, or one that broke.
    #[error("Post {url:?}: {why}")]
    Connection {
        /// What was asked.
        url: String,
        /// What the network said.
        why: String,
    },
    /// Too late.
    #[error("Post {url:?}: context deadline exceeded")]
    Timeout {
        /// What was asked.
        url: String,
    },
    /// An answer that says no.
    #[error("{0}")]
    Refused(String),
    /// An answer that is no JSON document.
    #[error("couldn't get version/kind; json parse error: {0}")]
    Unreadable(String),
    /// An answer that is too long.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    /// Too many calls at a time.
    #[error("{0} calls of webhooks are in work; please try again")]
    Busy(usize),
}

/// What a call came to.
pub type Answer = Result<Value, WebhookError>;

impl Endpoint {
    /// Reads a `clientConfig` (or a conversion's, which looks the same); its validation has passed.
    pub fn of(config: &Value) -> Self {
        use base64::Engine;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let encoded = config["caBundle"].as_str().unwrap_or_default();
        let ca_bundle = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap_or_default();
        let service = &config["service"];
        let place = if service.is_object() {
            Place::Service {
                namespace: text(&service["namespace"]),
                name: text(&service["name"]),
                path: text(&service["path"]),
                port: service["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(443),
            }
        } else {
            Place::Url(text(&config["url"]))
        };
        Self { place, ca_bundle }
    }
}

/// What is wrong with the authorities of a `clientConfig` that stands at `path`.
pub fn check_bundle(path: &str, config: &Value) -> Option<Cause> {
    let bundle = Endpoint::of(config).ca_bundle;
    if bundle.is_empty() {
        return None;
    }
    let error = trust::check(&bundle).err()?;
    Some(invalid(format!("{path}.caBundle"), config["caBundle"].clone(), error.to_string()))
}
