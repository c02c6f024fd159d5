//! binding: a pod gets its node, one at a time or many in one message.
//! <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/binding-v1/>

use super::call::{Call, PathCall, decode};
use super::commit::Decision;
use super::create::{encode, tried};
use super::metadata::{self, timestamp};
use super::{Api, answer, internal, store_error};
use crate::behaviour::causes;
use crate::state::{Action, Key, Object, Op, Outcome, RequestId, Require, State, Transaction};
use jiff::Timestamp;
use kubus_proto::binding::{BATCH_LIMIT, BindingBatch, BindingResults, PodBinding};
use kubus_proto::kinds::pod;
use kubus_proto::{ApiError, ApiResponse, Reason};
use serde_json::{Value, json};
use std::sync::Arc;

/// How often bindings of pods that changed meanwhile are tried again.
const ROUNDS: usize = 8;

/// The pod bound to `node`, or why it cannot be. `extra` are annotations the binding brings.
fn bound(pod: &Value, node: &str, extra: &Value, now: Timestamp) -> Result<Value, ApiError> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let refuse = |why: String| Err(ApiError::conflict("", "pods/binding", name, &why));
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        return refuse(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    if let Some(taken) = pod["spec"]["nodeName"].as_str().filter(|taken| !taken.is_empty()) {
        return refuse(format!("pod {name} is already assigned to node {taken:?}"));
    }
    if pod["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty()) {
        return refuse(format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    if !kubus_proto::selector::is_dns_subdomain(node) {
        return Err(ApiError::new(Reason::BadRequest, format!("{node:?} is not the name of a node")));
    }
    let mut pod = pod.clone();
    pod["spec"]["nodeName"] = json!(node);
    for (key, value) in extra.as_object().into_iter().flatten() {
        pod["metadata"]["annotations"][key] = value.clone();
    }
    let condition =
        json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": timestamp(now)});
    if !pod["status"]["conditions"].is_array() {
        pod["status"]["conditions"] = json!([]);
    }
    if let Some(conditions) = pod["status"]["conditions"].as_array_mut() {
        conditions.retain(|c| c["type"] != "PodScheduled");
        conditions.push(condition);
    }
    Ok(pod)
}

fn put(key: &Key, current: &Object, pod: &Value) -> Result<Op, ApiError> {
    let draft = encode(&pod::ROW, pod)?;
    Ok(Op { key: key.clone(), require: Require::revision(current.revision), action: Action::Put(draft) })
}

fn stored(object: &Object) -> Result<Value, ApiError> {
    object.decode().map_err(|e| internal("a stored object cannot be decoded", &e))
}

impl Api {
    /// Binds the pod that a Binding is sent to.
    pub(super) async fn bind_one(&self, call: &Call) -> Result<ApiResponse, ApiError> {
        self.authorized(|state| call.authorize(state)).await?;
        let body = call.value()?;
        let dry = call.query.dry_run("CreateOptions")?;
        let target = &body["target"];
        let node = target["name"].as_str().unwrap_or_default().to_owned();
        let mut wrong = Vec::new();
        let kind = target["kind"].as_str().unwrap_or_default();
        if !matches!(kind, "" | "Node" | "Minion") {
            wrong.push(causes::not_supported("target.kind", kind, &["Node", "<empty>"]));
        }
        if node.is_empty() {
            wrong.push(causes::required("target.name", ""));
        }
        if !wrong.is_empty() {
            return Err(ApiError::invalid("", "Binding", &call.path.name, wrong));
        }
        let sent = |key: &str| body["metadata"][key].as_str().unwrap_or_default().to_owned();
        let (name, uid, version) = (sent("name"), sent("uid"), sent("resourceVersion"));
        if !name.is_empty() && name != call.path.name {
            return Err(ApiError::new(Reason::BadRequest, "name in URL does not match name in Binding object"));
        }
        let key = call.key();
        self.change(call, |_, current, old| {
            metadata::preconditions(call.row(), &call.path.name, &uid, &version, old)?;
            let pod = bound(old, &node, &body["metadata"]["annotations"], Timestamp::now())?;
            if dry {
                return Ok(Decision::Tried(tried(&pod)?));
            }
            Ok(Decision::Write(vec![put(&key, current, &pod)?]))
        })
        .await?;
        answer::value(201, &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}))
    }

    /// Binds the pod that a Binding in the collection names.
    pub(super) async fn bind_named(&self, call: &Call) -> Result<ApiResponse, ApiError> {
        let body = call.value()?;
        let name = body["metadata"]["name"].as_str().unwrap_or_default();
        if name.is_empty() {
            let cause = causes::required("metadata.name", "name or generateName is required");
            return Err(ApiError::invalid("", "Binding", "", vec![cause]));
        }
        self.authorized(|state| call.authorize_named(state, name)).await?;
        self.bind_one(&call.about(&pod::ROW, name, "binding")).await
    }

    /// Binds many pods; each answer stands in the place of its binding.
    pub(super) async fn bind_batch(&self, call: PathCall) -> Result<ApiResponse, ApiError> {
        self.authorized(|state| call.authorize(state)).await?;
        let BindingBatch { bindings } = decode(&call.body)?;
        if bindings.len() > BATCH_LIMIT {
            let message = format!("a batch has at most {BATCH_LIMIT} bindings, this one has {}", bindings.len());
            return Err(ApiError::new(Reason::BadRequest, message));
        }
        let bindings: Arc<[PodBinding]> = bindings.into();
        let mut errors: Vec<Option<ApiError>> = vec![None; bindings.len()];
        let mut left: Vec<usize> = (0..bindings.len()).collect();
        let mut newest = false;
        for _ in 0..ROUNDS {
            let (state, all, id) = (self.store.state(), bindings.clone(), call.id);
            // A thousand pods take their time, and the threads that carry messages have none.
            let round = tokio::task::spawn_blocking(move || decide_all(&state, id, &all, left));
            let Round { proposed, transactions, refused } =
                round.await.map_err(|e| internal("a batch of bindings failed", &e))?;
            let outcomes = self.propose(transactions).await?;
            left = proposed
                .into_iter()
                .zip(outcomes)
                .filter_map(|(i, outcome)| matches!(outcome, Outcome::Failed { .. }).then_some(i))
                .collect();
            if !newest && !refused.is_empty() {
                // What was refused on a state that may be behind is looked at once more on the newest.
                self.store.barrier().await.map_err(store_error)?;
                newest = true;
                left.extend(refused.into_iter().map(|(i, _)| i));
            } else {
                refused.into_iter().for_each(|(i, error)| errors[i] = Some(error));
            }
            if left.is_empty() {
                break;
            }
        }
        for i in left {
            errors[i] = Some(ApiError::conflict("", "pods/binding", &bindings[i].name, metadata::MODIFIED));
        }
        answer::value(200, &BindingResults { errors })
    }
}

/// What the bindings of a batch come to on one state, by their positions.
#[derive(Default)]
struct Round {
    /// Those that write, with what they write.
    proposed: Vec<usize>,
    transactions: Vec<Transaction>,
    refused: Vec<(usize, ApiError)>,
}

fn decide_all(state: &State, request: uuid::Uuid, bindings: &[PodBinding], positions: Vec<usize>) -> Round {
    let now = Timestamp::now();
    let mut round = Round::default();
    for i in positions {
        let id = RequestId { request, part: u32::try_from(i).unwrap_or(u32::MAX) };
        match decide(state, &id, &bindings[i], now) {
            Ok(None) => {}
            Ok(Some(op)) => {
                round.proposed.push(i);
                round.transactions.push(Transaction { id, ops: vec![op] });
            }
            Err(error) => round.refused.push((i, error)),
        }
    }
    round
}

/// What one binding of a batch does; nothing where its pod is bound to that node already.
fn decide(state: &State, id: &RequestId, binding: &PodBinding, now: Timestamp) -> Result<Option<Op>, ApiError> {
    if state.answered(id).is_some() {
        return Ok(None);
    }
    let key = Key::new(pod::ROW.resource_key(), binding.namespace.as_str(), binding.name.as_str());
    let gone = || ApiError::not_found("", "pods", &binding.name);
    let current: &Arc<Object> = state.get(&key).filter(|pod| pod.uid == binding.uid).ok_or_else(gone)?;
    let old = stored(current)?;
    if current.scope == binding.node && !binding.node.is_empty() {
        return Ok(None);
    }
    let pod = bound(&old, &binding.node, &Value::Null, now)?;
    Ok(Some(put(&key, current, &pod)?))
}
