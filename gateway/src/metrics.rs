//! What this gateway counts, and the way to what other processes count.

use crate::Gateway;
use crate::answer::{self, Body};
use crate::gateway::bus_error;
use http::Response;
use kubus_client::metrics::{self, Registry, RequestMetrics};
use kubus_proto::{ApiError, ApiRequest, Reason};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use std::sync::Arc;

/// Where metrics are: this gateway's own, and below it by identity those of other processes
/// (`/metrics/apiserver-1`, `/metrics/node:n1`).
pub const PATH: &str = "/metrics";

/// How a handshake ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Handshake {
    result: &'static str,
}

/// Everything this gateway counts.
pub struct Metrics {
    registry: Arc<Registry>,
    /// Requests of clients.
    pub requests: RequestMetrics,
    connections: Gauge,
    handshakes: Family<Handshake, Counter>,
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let mut registry = metrics::registry();
        let requests = RequestMetrics::register(&mut registry);
        let (connections, handshakes) = (Gauge::default(), Family::default());
        let own = registry.sub_registry_with_prefix("kubus_gateway");
        own.register("connections", "Connections of clients", connections.clone());
        own.register("tls_handshakes", "TLS handshakes, by how they ended", handshakes.clone());
        Self { registry: Arc::new(registry), requests, connections, handshakes }
    }

    /// A handshake has ended: `ok`, `failed`, `timeout`.
    pub fn shook_hands(&self, result: &'static str) {
        self.handshakes.get_or_create(&Handshake { result }).inc();
    }

    /// A connection stands, until what this gives is dropped.
    pub fn stands(&self) -> Standing {
        self.connections.inc();
        Standing(self.connections.clone())
    }

    /// What is told over the bus too.
    pub fn registry(&self) -> Arc<Registry> {
        self.registry.clone()
    }
}

/// A connection that is counted until this is dropped.
pub struct Standing(Gauge);

impl Drop for Standing {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Answers with the metrics that `path` names, to users whom an apiserver lets read that path.
pub async fn answer(gateway: &Gateway, asked: ApiRequest) -> Result<Response<Body>, ApiError> {
    let path = asked.path.clone();
    let identity = path.strip_prefix(PATH).unwrap_or_default().trim_matches('/');
    let bus = gateway.bus()?;
    bus.request_ok(asked).await.map_err(bus_error)?;
    let text = if identity.is_empty() || identity == bus.identity() {
        metrics::text(&gateway.metrics().registry)
    } else {
        metrics::of(bus, &kubus_proto::path::decode(identity)).await.map_err(bus_error)?.ok_or_else(|| {
            ApiError::new(Reason::NotFound, format!("no process with the identity {identity:?} tells its metrics"))
        })?
    };
    let mut out = Response::new(answer::full(text));
    answer::set_type(&mut out, metrics::CONTENT_TYPE);
    Ok(out)
}
