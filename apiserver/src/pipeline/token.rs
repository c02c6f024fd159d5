//! token: a new token of a service account, for as long and for whom it is asked.
//! <https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/>

use super::call::Call;
use super::{Api, answer, internal};
use crate::authenticate::service_accounts::{BOUND, ISSUER, Issue, Reference};
use crate::behaviour::causes;
use crate::pipeline::metadata::timestamp;
use crate::state::{Key, State};
use jiff::{Timestamp, ToSpan};
use kubus_proto::kinds::{node, pod};
use kubus_proto::{ApiError, ApiResponse, Reason};
use serde_json::{Value, json};

/// API group of TokenRequest.
const GROUP: &str = "authentication.k8s.io";
/// Lifetime where none is asked for, in seconds.
const DEFAULT_SECONDS: i64 = 3_600;
/// The shortest lifetime, in seconds.
const LEAST_SECONDS: i64 = 600;
/// The longest one, in seconds.
const MOST_SECONDS: i64 = 1 << 32;
/// The lifetime asked for by volumes that admission adds. Programs may never read such a token a second time, so it lives for
/// a year (or as long as its pod), and using it later than this is worth a warning.
const ADDED_SECONDS: i64 = 3_607;
/// How long such a token lives, in seconds.
const EXTENDED_SECONDS: i64 = 365 * 24 * 3_600;

impl Api {
    /// Answers with the TokenRequest that was sent and the token in it.
    pub(super) async fn request_token(&self, call: &Call) -> Result<ApiResponse, ApiError> {
        let mut body = call.value()?;
        let state = self.state(super::options::Freshness::Newest).await?;
        call.authorize(&state)?;
        let request = read(&body)?;
        let now = Timestamp::now();
        let issue = decide(call, &state, &request, now)?;
        let token = self.tokens.issue(&issue).map_err(|e| internal("a token cannot be signed", &e))?;
        let end = now.checked_add(request.seconds.seconds()).unwrap_or(Timestamp::MAX);
        body["apiVersion"] = json!(format!("{GROUP}/v1"));
        body["kind"] = json!("TokenRequest");
        body["metadata"] =
            json!({"name": call.path.name, "namespace": call.path.namespace, "creationTimestamp": timestamp(now)});
        body["spec"]["audiences"] = json!(issue.audiences);
        body["spec"]["expirationSeconds"] = json!(request.seconds);
        if request.bound.is_none() {
            body["spec"]["boundObjectRef"] = Value::Null;
        }
        body["status"] = json!({"token": token, "expirationTimestamp": timestamp(end)});
        answer::value(201, &body)
    }
}

/// What is asked for.
struct Request {
    audiences: Vec<String>,
    seconds: i64,
    bound: Option<Bound>,
}

struct Bound {
    kind: String,
    name: String,
    uid: String,
}

fn read(body: &Value) -> Result<Request, ApiError> {
    let spec = &body["spec"];
    let path = "spec.expirationSeconds";
    let seconds = match &spec["expirationSeconds"] {
        Value::Null => DEFAULT_SECONDS,
        given => given.as_i64().ok_or_else(|| bad(format!("{path}: must be a number, not {given}")))?,
    };
    let wrong = match seconds {
        ..LEAST_SECONDS => Some("may not specify a duration less than 10 minutes"),
        LEAST_SECONDS..=MOST_SECONDS => None,
        _ => Some("may not specify a duration larger than 2^32 seconds"),
    };
    if let Some(wrong) = wrong {
        let cause = causes::invalid(path, seconds, wrong);
        return Err(ApiError::invalid(GROUP, "TokenRequest", "", vec![cause]));
    }
    let given = spec["audiences"].as_array().into_iter().flatten();
    let mut audiences: Vec<String> = given.filter_map(|a| a.as_str().map(str::to_owned)).collect();
    if audiences.is_empty() {
        audiences.push(ISSUER.to_owned());
    }
    let reference = &spec["boundObjectRef"];
    let text = |key: &str| reference[key].as_str().unwrap_or_default().to_owned();
    let bound = reference.is_object().then(|| Bound { kind: text("kind"), name: text("name"), uid: text("uid") });
    if bound.is_some() && text("apiVersion") != "v1" {
        return Err(bad(format!("cannot bind token to object of type {}, Kind={}", text("apiVersion"), text("kind"))));
    }
    Ok(Request { audiences, seconds, bound })
}

fn bad(message: String) -> ApiError {
    ApiError::new(Reason::BadRequest, message)
}

/// The token that a request is answered with, as things are in `state`.
fn decide(call: &Call, state: &State, request: &Request, now: Timestamp) -> Result<Issue, ApiError> {
    let (namespace, name) = (&call.path.namespace, &call.path.name);
    let account = state.get(&call.key()).ok_or_else(|| call.not_found())?;
    restrict_node(call, state, request)?;
    let mut bound = Vec::new();
    if let Some(reference) = &request.bound {
        let Some((_, claim, row)) = BOUND.iter().find(|(kind, ..)| *kind == reference.kind) else {
            return Err(bad(format!("cannot bind token to object of type /v1, Kind={}", reference.kind)));
        };
        let home = if row.namespaced { namespace.as_str() } else { "" };
        let key = Key::new(row.resource_key(), home, reference.name.as_str());
        let object = state.get(&key).ok_or_else(|| ApiError::not_found("", row.plural, &reference.name))?;
        if !reference.uid.is_empty() && reference.uid != object.uid {
            let why = format!(
                "the UID in the bound object reference ({}) does not match the UID in record. The object might have been \
                 deleted and then recreated",
                reference.uid
            );
            return Err(ApiError::conflict("", row.kind, &reference.name, &why));
        }
        bound.push((*claim, Reference { name: reference.name.clone(), uid: object.uid.clone() }));
        if *claim == "pod" {
            let pod = object.decode().map_err(|e| internal("a stored object cannot be decoded", &e))?;
            if pod["spec"]["serviceAccountName"] != name.as_str() {
                let text = "to pod running with different serviceaccount name.";
                return Err(bad(format!("cannot bind token for serviceaccount {name:?} {text}")));
            }
            let key = Key::new(node::ROW.resource_key(), "", object.scope.as_str());
            if let Some(node) = state.get(&key) {
                bound.push(("node", Reference { name: object.scope.clone(), uid: node.uid.clone() }));
            }
        }
    }
    let of_pod = bound.iter().any(|(kind, _)| *kind == "pod");
    let extended = of_pod && request.seconds == ADDED_SECONDS && request.audiences == [ISSUER];
    Ok(Issue {
        namespace: namespace.clone(),
        account: Reference { name: name.clone(), uid: account.uid.clone() },
        bound,
        audiences: request.audiences.clone(),
        id: uuid::Uuid::new_v4(),
        now,
        seconds: if extended { EXTENDED_SECONDS } else { request.seconds },
        warn_after_seconds: extended.then_some(request.seconds),
    })
}

/// A node gets tokens for its own pods, bound to them.
fn restrict_node(call: &Call, state: &State, request: &Request) -> Result<(), ApiError> {
    let Some(node) = call.caller.node() else { return Ok(()) };
    let refuse = |why: &str| Err(ApiError::forbidden("", "serviceaccounts", &call.path.name, why));
    let Some(reference) = request.bound.as_ref().filter(|bound| bound.kind == "Pod" && !bound.name.is_empty()) else {
        return refuse("node requested token not bound to a pod");
    };
    if reference.uid.is_empty() {
        return refuse("node requested token with a pod binding without a uid");
    }
    let key = Key::new(pod::ROW.resource_key(), call.path.namespace.as_str(), reference.name.as_str());
    let pod = state.get(&key).ok_or_else(|| ApiError::not_found("", "pods", &reference.name))?;
    if pod.scope != node {
        return refuse("node requested token bound to a pod scheduled on a different node");
    }
    Ok(())
}
