//! What every command is given: the cluster, the console, the namespace, the clock.

use crate::console::Console;
use crate::error::{CliError, Result};
use crate::known_kinds::KnownKinds;
use crate::server::Server;
use jiff::{Timestamp, tz::TimeZone};
use kubus_proto::path::{ResourcePath, encode};
use kubus_proto::request::Method;
use kubus_proto::{ApiError, ApiRequest, ApiResponse, KindRow, codec};
use serde_json::Value;
use std::sync::Arc;

/// Asks for the printed form of objects.
pub const TABLE_ACCEPT: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
/// Field manager of objects that `apply` made.
pub const APPLY_MANAGER: &str = "kubectl-client-side-apply";

/// Content type of each kind of patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    /// RFC 6902
    Json,
    /// RFC 7386
    Merge,
    /// By merge keys
    Strategic,
}

impl PatchKind {
    fn content_type(self) -> &'static str {
        match self {
            PatchKind::Json => "application/json-patch+json",
            PatchKind::Merge => "application/merge-patch+json",
            PatchKind::Strategic => "application/strategic-merge-patch+json",
        }
    }
}

/// Query parameters, encoded as they are added.
#[derive(Clone, Debug, Default)]
pub struct Query(String);

impl Query {
    /// No parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more parameter; an empty value leaves it out.
    pub fn with(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        let value = value.to_string();
        if !value.is_empty() {
            if !self.0.is_empty() {
                self.0.push('&');
            }
            self.0.push_str(&format!("{key}={}", encode(&value)));
        }
        self
    }

    /// As it stands behind `?`.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// What a command works with.
#[derive(Clone)]
pub struct Context {
    /// The cluster.
    pub server: Arc<dyn Server>,
    /// Input and output.
    pub console: Arc<Console>,
    /// The kinds there are.
    pub kinds: Arc<KnownKinds>,
    /// Namespace given with `-n`.
    pub explicit_namespace: Option<String>,
    /// The time now.
    pub clock: fn() -> Timestamp,
    /// Zone that times are printed in.
    pub zone: TimeZone,
}

impl Context {
    /// The namespace commands work in.
    pub fn namespace(&self) -> &str {
        self.explicit_namespace.as_deref().unwrap_or("default")
    }

    /// The namespace of a kind's objects: empty for cluster-wide kinds.
    pub fn namespace_of(&self, row: &KindRow) -> String {
        if row.namespaced { self.namespace().to_owned() } else { String::new() }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Sends a request, prints its warnings, and gives its answer or the server's refusal.
    pub async fn send(&self, mut request: ApiRequest) -> Result<ApiResponse> {
        request.user_agent = format!("kubus/{}", kubus_proto::VERSION);
        let response = self.server.request(request).await?;
        for warning in &response.warnings {
            self.console.error_line(&format!("Warning: {warning}"));
        }
        if response.code >= 400 {
            let status: Value = decode(&response.body)?;
            return Err(CliError::Api(ApiError::from_status(&status)));
        }
        Ok(response)
    }

    async fn ask(&self, request: ApiRequest) -> Result<Value> {
        let response = self.send(request).await?;
        if response.content_type.is_empty() {
            return decode(&response.body);
        }
        serde_json::from_slice(&response.body)
            .map_err(|e| CliError::message(format!("the apiserver gave an answer that is none: {e}")))
    }

    /// A `GET` of any path.
    pub async fn get_path(&self, path: &str, query: Query, accept: &str) -> Result<Value> {
        let mut request = ApiRequest::new(Method::Get, path);
        request.query = query.into_string();
        request.accept = accept.to_owned();
        self.ask(request).await
    }

    /// One object.
    pub async fn get(&self, row: &KindRow, namespace: &str, name: &str) -> Result<Value> {
        self.get_path(&ResourcePath::of(row, namespace, name, ""), Query::new(), codec::JSON).await
    }

    /// A list; an empty namespace means all of them.
    pub async fn list(&self, row: &KindRow, namespace: &str, query: Query) -> Result<Value> {
        self.get_path(&ResourcePath::of(row, namespace, "", ""), query, codec::JSON).await
    }

    /// One object, in the version of a manifest.
    pub async fn get_as(&self, target: &Target<'_>) -> Result<Value> {
        self.get_path(&target.path(), Query::new(), codec::JSON).await
    }

    /// Creates an object, in the version it is written in.
    pub async fn create(&self, row: &KindRow, namespace: &str, object: &Value, query: Query) -> Result<Value> {
        let version = version_of(row, object);
        let mut request = ApiRequest::new(Method::Post, ResourcePath::at(&version, row, namespace, "", ""));
        request.query = query.into_string();
        request.content_type = codec::JSON.to_owned();
        request.body = encode_body(object)?;
        self.ask(request).await
    }

    /// Changes an object or (with `subresource`) a part of it.
    pub async fn patch(&self, target: &Target<'_>, kind: PatchKind, patch: &Value, query: Query) -> Result<Value> {
        let mut request = ApiRequest::new(Method::Patch, target.path());
        request.query = query.into_string();
        request.content_type = kind.content_type().to_owned();
        request.body = encode_body(patch)?;
        self.ask(request).await
    }

    /// Replaces an object or (with `subresource`) a part of it.
    pub async fn replace(&self, target: &Target<'_>, object: &Value) -> Result<Value> {
        let mut request = ApiRequest::new(Method::Put, target.path());
        request.content_type = codec::JSON.to_owned();
        request.body = encode_body(object)?;
        self.ask(request).await
    }

    /// Deletes an object.
    pub async fn delete(&self, target: &Target<'_>, options: &Value, query: Query) -> Result<Value> {
        let mut request = ApiRequest::new(Method::Delete, target.path());
        request.query = query.into_string();
        request.content_type = codec::JSON.to_owned();
        request.body = encode_body(options)?;
        self.ask(request).await
    }
}

/// What a changing request is about.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its kind.
    pub row: &'a KindRow,
    /// Empty for cluster-wide kinds.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Empty for the object itself.
    pub subresource: &'a str,
    /// What is sent is in this version; empty for the stored one.
    pub api_version: &'a str,
}

impl<'a> Target<'a> {
    /// The object itself.
    pub fn of(row: &'a KindRow, namespace: &'a str, name: &'a str) -> Self {
        Self { row, namespace, name, subresource: "", api_version: "" }
    }

    /// An object that was read.
    pub fn object(row: &'a KindRow, object: &'a Value) -> Self {
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
        Self::of(row, text("namespace"), text("name"))
    }

    /// A part of it.
    pub fn part(self, subresource: &'a str) -> Self {
        Self { subresource, ..self }
    }

    /// The same in the version that a manifest is written in.
    pub fn as_in(self, manifest: &'a Value) -> Self {
        Self { api_version: manifest["apiVersion"].as_str().unwrap_or_default(), ..self }
    }

    fn path(&self) -> String {
        if self.api_version.is_empty() {
            return ResourcePath::of(self.row, self.namespace, self.name, self.subresource);
        }
        ResourcePath::at(self.api_version, self.row, self.namespace, self.name, self.subresource)
    }
}

/// The version an object is written in; the stored one where it does not say.
fn version_of(row: &KindRow, object: &Value) -> String {
    object["apiVersion"].as_str().map_or_else(|| row.api_version(), str::to_owned)
}

fn decode(body: &[u8]) -> Result<Value> {
    codec::decode(body).map_err(|e| CliError::message(format!("the apiserver gave an answer that is none: {e}")))
}

fn encode_body(value: &Value) -> Result<bytes::Bytes> {
    Ok(codec::encode(value).map_err(|e| CliError::message(e.to_string()))?.into())
}
