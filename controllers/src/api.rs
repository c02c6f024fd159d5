//! Actions and lookups as requests on the bus. The only I/O towards the API besides the informers' watches.

use crate::plan::{Action, Found, Lookup, Propagation, Target};
use kubus_client::{Bus, BusError};
use kubus_proto::path::ResourcePath;
use kubus_proto::request::Method;
use kubus_proto::{ApiError, ApiRequest, Reason, codec};
use serde_json::{Value, json};
use std::future::Future;

/// How much of a namespace's content one lookup reads.
const CONTENT_LIMIT: usize = 100;
const MERGE_PATCH: &str = "application/merge-patch+json";
/// Names the manager of the fields that controllers write, as Kubernetes names it.
const USER_AGENT: &str = "kube-controller-manager/kubus";

/// A request did not do what it should.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// The API answered and refused; nothing was changed.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// No answer came; it is not known whether something was changed.
    #[error("no answer from the API: {0}")]
    NoAnswer(String),
}

impl CallError {
    /// The API's reason, if it answered.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            CallError::Refused(error) => Some(error.reason),
            CallError::NoAnswer(_) => None,
        }
    }
}

/// What controllers need of the API; tests put a simulated one in its place.
pub trait ApiServer: Send + Sync + 'static {
    /// Carries out an action and gives the object as it is afterwards (a Status where it is gone).
    fn write(&self, action: &Action) -> impl Future<Output = Result<Value, CallError>> + Send;
    /// Answers a lookup from the newest state.
    fn look_up(&self, lookup: &Lookup) -> impl Future<Output = Result<Found, CallError>> + Send;
}

/// The API behind the bus.
#[derive(Clone)]
pub struct BusApi {
    bus: Bus,
}

impl BusApi {
    /// Speaks over `bus`.
    pub fn new(bus: Bus) -> Self {
        Self { bus }
    }

    async fn send(&self, request: ApiRequest) -> Result<Value, CallError> {
        let response = match self.bus.request(request).await {
            Ok(response) => response,
            Err(BusError::Api(error)) => return Err(error.into()),
            Err(other) => return Err(CallError::NoAnswer(other.to_string())),
        };
        let body: Value = if response.body.is_empty() {
            Value::Null
        } else {
            codec::decode(&response.body).map_err(|e| CallError::NoAnswer(e.to_string()))?
        };
        if response.code < 400 { Ok(body) } else { Err(ApiError::from_status(&body).into()) }
    }
}

impl ApiServer for BusApi {
    async fn write(&self, action: &Action) -> Result<Value, CallError> {
        let request = request_of(action).map_err(|e| CallError::Refused(unencodable(&e)))?;
        self.send(request).await
    }

    async fn look_up(&self, lookup: &Lookup) -> Result<Found, CallError> {
        let mut request = ApiRequest::new(Method::Get, lookup.path());
        request.user_agent = USER_AGENT.to_owned();
        if matches!(lookup, Lookup::Content { .. }) {
            request.query = format!("limit={CONTENT_LIMIT}");
        }
        match self.send(request).await {
            Ok(body) => Ok(found(lookup, body)),
            Err(error) if error.reason() == Some(Reason::NotFound) => Ok(Found::Missing),
            Err(error) => Err(error),
        }
    }
}

fn unencodable(error: &codec::CodecError) -> ApiError {
    ApiError::new(Reason::InternalError, error.to_string())
}

fn found(lookup: &Lookup, body: Value) -> Found {
    match lookup {
        Lookup::Object { .. } => Found::Object(body),
        Lookup::Content { .. } => {
            let more = body["metadata"]["remainingItemCount"].as_u64().unwrap_or(0);
            let items = body["items"].as_array().into_iter().flatten();
            let items = items.filter_map(|i| serde_json::from_value(i["metadata"].clone()).ok()).collect();
            Found::Content { items, more: usize::try_from(more).unwrap_or(usize::MAX) }
        }
    }
}

/// The request that carries an action out, with its preconditions in the places Kubernetes has for them.
pub fn request_of(action: &Action) -> Result<ApiRequest, codec::CodecError> {
    let (method, path, content_type, body) = match action {
        Action::Create { row, namespace, object, .. } => {
            (Method::Post, ResourcePath::of(row, namespace, "", ""), codec::JSON, object.clone())
        }
        Action::Patch { target, subresource, patch } => {
            (Method::Patch, path_of(target, subresource), MERGE_PATCH, with_preconditions(patch, target))
        }
        Action::Delete { target, grace_seconds, propagation } => {
            let mut options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": conditions(target)});
            if let Some(seconds) = grace_seconds {
                options["gracePeriodSeconds"] = json!(seconds);
            }
            if let Some(propagation) = propagation {
                options["propagationPolicy"] = json!(policy(*propagation));
            }
            (Method::Delete, path_of(target, ""), codec::JSON, options)
        }
        Action::DeleteAll { row, namespace } => {
            let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy(Propagation::Background)});
            (Method::Delete, ResourcePath::of(row, namespace, "", ""), codec::JSON, options)
        }
        Action::Finalize { target, object } => {
            (Method::Put, path_of(target, "finalize"), codec::JSON, with_preconditions(object, target))
        }
    };
    let mut request = ApiRequest::new(method, path);
    request.content_type = content_type.to_owned();
    request.user_agent = USER_AGENT.to_owned();
    request.body = codec::encode(&body)?.into();
    Ok(request)
}

fn path_of(target: &Target, subresource: &str) -> String {
    ResourcePath::of(target.row, &target.namespace, &target.name, subresource)
}

fn policy(propagation: Propagation) -> &'static str {
    match propagation {
        Propagation::Foreground => "Foreground",
        Propagation::Background => "Background",
        Propagation::Orphan => "Orphan",
    }
}

fn conditions(target: &Target) -> Value {
    let mut all = serde_json::Map::new();
    if !target.uid.is_empty() {
        all.insert("uid".to_owned(), json!(target.uid));
    }
    if let Some(version) = &target.resource_version {
        all.insert("resourceVersion".to_owned(), json!(version));
    }
    Value::Object(all)
}

/// A resourceVersion in a patch or an update is a precondition, and so is a uid.
fn with_preconditions(body: &Value, target: &Target) -> Value {
    let mut body = body.clone();
    if let (Some(body), Value::Object(conditions)) = (body.as_object_mut(), conditions(target)) {
        let metadata = body.entry("metadata").or_insert_with(|| json!({}));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.extend(conditions);
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubus_proto::kinds::{namespace, pod};

    fn target(version: Option<&str>) -> Target {
        Target {
            row: &pod::ROW,
            namespace: "ns".into(),
            name: "a".into(),
            uid: "u".into(),
            resource_version: version.map(str::to_owned),
        }
    }

    #[test]
    fn requests_carry_their_preconditions() {
        let patch = json!({"metadata": {"labels": {"a": "b"}}});
        for (action, method, path, body) in [
            (
                Action::Patch { target: target(Some("7")), subresource: "status", patch },
                Method::Patch,
                "/api/v1/namespaces/ns/pods/a/status",
                json!({"metadata": {"labels": {"a": "b"}, "uid": "u", "resourceVersion": "7"}}),
            ),
            (
                Action::Delete {
                    target: target(None),
                    grace_seconds: Some(0),
                    propagation: Some(Propagation::Foreground),
                },
                Method::Delete,
                "/api/v1/namespaces/ns/pods/a",
                json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "u"},
                    "gracePeriodSeconds": 0, "propagationPolicy": "Foreground"}),
            ),
            (
                Action::DeleteAll { row: &pod::ROW, namespace: "ns".into() },
                Method::Delete,
                "/api/v1/namespaces/ns/pods",
                json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}),
            ),
            (
                Action::Finalize {
                    target: Target { row: &namespace::ROW, namespace: String::new(), ..target(Some("8")) },
                    object: json!({"spec": {"finalizers": []}}),
                },
                Method::Put,
                "/api/v1/namespaces/a/finalize",
                json!({"spec": {"finalizers": []}, "metadata": {"uid": "u", "resourceVersion": "8"}}),
            ),
        ] {
            let request = request_of(&action).expect("encodes");
            assert_eq!((request.method, request.path.as_str()), (method, path));
            assert_eq!(codec::decode::<Value>(&request.body).expect("decodes"), body);
        }
    }
}
