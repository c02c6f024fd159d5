//! Paths that are no resources: version, health, the server's own state, and the batch of bindings.

use super::call::{PathCall, not_allowed, nothing_here};
use super::{Api, answer};
use kubus_proto::binding::BINDINGS_PATH;
use kubus_proto::request::Method;
use kubus_proto::server_status::STATUS_PATH;
use kubus_proto::{ApiError, ApiResponse, Reason, VERSION};
use serde_json::json;

impl Api {
    /// Answers a request for a path that is no resource.
    pub(super) async fn path(&self, call: PathCall) -> Result<ApiResponse, ApiError> {
        let path = call.path.trim_end_matches('/').to_owned();
        if path == BINDINGS_PATH && call.method == Method::Post {
            return self.bind_batch(call).await;
        }
        call.authorize()?;
        if call.method != Method::Get {
            return Err(if path == BINDINGS_PATH { not_allowed() } else { nothing_here() });
        }
        match path.as_str() {
            "/version" => answer::value(200, &version()),
            "/livez" | "/healthz" => answer::value(200, "ok"),
            "/readyz" => self.ready(),
            STATUS_PATH => answer::value(200, &self.store.status()),
            _ => Err(nothing_here()),
        }
    }

    /// Whether this apiserver can answer requests: it knows a leader.
    fn ready(&self) -> Result<ApiResponse, ApiError> {
        match self.store.status().leader {
            Some(_) => answer::value(200, "ok"),
            None => Err(ApiError::new(Reason::ServiceUnavailable, "readyz check failed: no leader is known")),
        }
    }
}

fn version() -> serde_json::Value {
    let mut numbers = VERSION.trim_start_matches('v').split('.');
    let mut number = || numbers.next().unwrap_or_default();
    json!({
        "major": number(), "minor": number(), "gitVersion": VERSION, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}
