//! Objects of custom kinds between the version they are stored in and the one a request speaks; and what the store
//! itself adds to definitions.

use super::call::{Call, decode};
use super::commit::Decision;
use super::consult::{ROUNDS_LIMIT, Stop};
use super::create::{encode, tried};
use super::{Api, answer, internal};
use crate::custom::definition::settle;
use crate::custom::{Custom, convert, registry};
use crate::state::{Action, Key, Object, Op, Require, State};
use bytes::Bytes;
use jiff::Timestamp;
use kubus_proto::kinds::custom::DEFINITIONS_PATH;
use kubus_proto::kinds::custom_resource_definition::ROW;
use kubus_proto::path::ResourcePath;
use kubus_proto::{ApiError, ApiResponse, KindRow, Reason, Verb, codec};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::Arc;

impl Call {
    /// A stored object as this request sees it.
    pub(super) fn seen(&self, stored: Value) -> Result<Value, Stop> {
        let Some(custom) = &self.custom else { return Ok(stored) };
        let wanted = custom.row().api_version();
        let mut seen = if stored["apiVersion"] == wanted.as_str() {
            stored
        } else {
            convert(&custom.kind, vec![stored], custom.row().version, &self.memo)?.remove(0)
        };
        custom.refresh(&mut seen);
        Ok(seen)
    }

    /// An object of this request as it is stored.
    pub(super) fn stored<'a>(&self, object: &'a Value) -> Result<Cow<'a, Value>, Stop> {
        match &self.custom {
            Some(custom) if custom.kind.storage != custom.row().version => {
                let stored = convert(&custom.kind, vec![object.clone()], &custom.kind.storage, &self.memo)?;
                Ok(Cow::Owned(stored.into_iter().next().unwrap_or_default()))
            }
            _ => Ok(Cow::Borrowed(object)),
        }
    }
}

/// Whether stored objects must be looked at before `custom` can show them: they may be of another version, or from before
/// the definition became what it is. `oldest` is the first revision among them.
fn must_be_made(custom: &Custom, oldest: u64) -> bool {
    custom.kind.storage != custom.row().version || oldest <= custom.kind.revision
}

impl Api {
    /// The state in which a path can be read: one that is not known here may be of a kind that was defined just now.
    pub(super) async fn state_with(&self, path: &str) -> Arc<State> {
        let state = self.store.state();
        if ResourcePath::parse(path).is_some() {
            return state;
        }
        let mut is_unknown = false;
        let _ = ResourcePath::parse_with(path, |group, version, plural| {
            is_unknown = !group.is_empty() && registry::find(&state, group, version, plural).is_none();
            None
        });
        if is_unknown && self.store.barrier().await.is_ok() {
            return self.store.state();
        }
        state
    }

    /// Stored objects of a call's kind as the call sees them.
    pub(super) async fn shown(&self, call: &Call, items: Vec<Bytes>, oldest: u64) -> Result<Vec<Bytes>, ApiError> {
        let Some(custom) = call.custom.as_ref().filter(|custom| must_be_made(custom, oldest)) else { return Ok(items) };
        let objects = items.iter().map(|item| decode(item)).collect::<Result<Vec<Value>, ApiError>>()?;
        let made = self.made(call, custom, objects).await?;
        made.iter().map(tried).collect()
    }

    async fn made(&self, call: &Call, custom: &Custom, objects: Vec<Value>) -> Result<Vec<Value>, ApiError> {
        for _ in 0..ROUNDS_LIMIT {
            match convert(&custom.kind, objects.clone(), custom.row().version, &call.memo) {
                Ok(mut made) => {
                    made.iter_mut().for_each(|object| custom.refresh(object));
                    return Ok(made);
                }
                Err(Stop::Refused(error)) => return Err(error),
                Err(Stop::Ask(inquiry)) => self.inquire(inquiry, &self.store.state()).await,
            }
        }
        Err(internal("a conversion asked without end", &custom.kind.name))
    }

    /// The answer to a write, in the version of the request.
    pub(super) async fn answered(&self, call: &Call, response: ApiResponse) -> Result<ApiResponse, ApiError> {
        let Some(custom) = call.custom.as_ref().filter(|_| response.code < 400) else { return Ok(response) };
        let mut response = response;
        response.warnings.extend(custom.version().deprecation.clone());
        let (wanted, kind) = (custom.row().api_version(), custom.row().kind);
        if matches!(call.verb, Verb::Get | Verb::List | Verb::Watch) || custom.kind.storage == custom.row().version {
            return Ok(response);
        }
        let mut body: Value = decode(&response.body)?;
        if body["kind"] == kind && body["apiVersion"] != wanted.as_str() {
            body = self.made(call, custom, vec![body]).await?.remove(0);
        } else if body["kind"] == custom.row().list_kind() {
            let items = body["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
            body["items"] = json!(self.made(call, custom, items).await?);
        } else {
            return Ok(response);
        }
        let encoded = codec::encode(&body).map_err(|e| internal("an answer cannot be encoded", &e))?;
        Ok(ApiResponse { body: encoded.into(), ..response })
    }

    /// Definitions of custom kinds, for those that must know their rows; none for a path that is about something else.
    pub(super) fn definitions(&self, path: &str, state: &State) -> Option<Result<ApiResponse, ApiError>> {
        let rest = path.strip_prefix(DEFINITIONS_PATH)?;
        let definition = |custom: &Custom| kubus_proto::kinds::custom::of(custom.row()).map(|row| &row.definition);
        if rest.is_empty() {
            let kinds = registry::all(state);
            let stored = kinds.into_iter().filter_map(|kind| {
                let storage = kind.storage.clone();
                Custom::new(kind, &storage)
            });
            let all: Vec<_> = stored.filter_map(|custom| definition(&custom)).collect();
            return Some(answer::value(200, &all));
        }
        let parts: Vec<&str> = rest.trim_start_matches('/').split('/').collect();
        let [group, version, plural] = parts.as_slice() else { return None };
        let custom = registry::find(state, group, version, plural);
        let found = custom.as_ref().and_then(definition);
        Some(match found {
            Some(definition) => answer::value(200, definition),
            None => Err(super::call::nothing_here()),
        })
    }

    /// Makes the objects of a custom kind those of one version, for whoever heard them in another one on the bus.
    pub(super) async fn convert_for(&self, path: &str, body: &[u8]) -> Result<ApiResponse, ApiError> {
        let rest = path.strip_prefix(DEFINITIONS_PATH).unwrap_or_default();
        let parts: Vec<&str> = rest.trim_start_matches('/').split('/').collect();
        let [group, version, plural] = parts.as_slice() else { return Err(super::call::nothing_here()) };
        let custom = registry::find(&self.store.state(), group, version, plural);
        let custom = custom.ok_or_else(super::call::nothing_here)?;
        let object: Value = decode(body)?;
        if object["kind"] != custom.row().kind {
            return Err(ApiError::new(Reason::BadRequest, format!("the body is not a {}", custom.row().kind)));
        }
        let memo = super::consult::Memo::default();
        for _ in 0..ROUNDS_LIMIT {
            match convert(&custom.kind, vec![object.clone()], version, &memo) {
                Ok(mut made) => {
                    made.iter_mut().for_each(|object| custom.refresh(object));
                    return answer::value(200, &made.remove(0));
                }
                Err(Stop::Refused(error)) => return Err(error),
                Err(Stop::Ask(inquiry)) => self.inquire(inquiry, &self.store.state()).await,
            }
        }
        Err(internal("a conversion asked without end", &custom.kind.name))
    }
}

/// Whether a row is that of definitions.
pub(super) fn is_definition(row: &KindRow) -> bool {
    std::ptr::eq(row, &ROW)
}

/// The line in which writers of definitions wait for each other: names are given to one at a time.
pub(super) fn definitions_line() -> Key {
    Key::new(ROW.resource_key(), "", "")
}

/// Gives a definition that is about to be written the status it has in `state`.
pub(super) fn settle_decision(
    row: &KindRow,
    state: &State,
    current: &Arc<Object>,
    decision: Decision,
) -> Result<Decision, ApiError> {
    if !is_definition(row) {
        return Ok(decision);
    }
    let now = Timestamp::now();
    match decision {
        Decision::Tried(bytes) => {
            let mut definition: Value = decode(&bytes)?;
            settle(&mut definition, state, now);
            Ok(Decision::Tried(tried(&definition)?))
        }
        Decision::Write(mut ops) => {
            if let Some(Action::Put(draft)) = ops.last_mut().map(|op| &mut op.action) {
                let mut definition: Value = decode(&draft.bytes)?;
                settle(&mut definition, state, now);
                *draft = encode(row, &definition)?;
            }
            Ok(Decision::Write(ops))
        }
        Decision::Keep(object) => {
            let old: Value = decode(&object.bytes)?;
            let mut definition = old.clone();
            settle(&mut definition, state, now);
            if definition == old {
                return Ok(Decision::Keep(object));
            }
            let name = definition["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let key = Key::new(row.resource_key(), "", name);
            let action = Action::Put(encode(row, &definition)?);
            Ok(Decision::Write(vec![Op { key, require: Require::revision(current.revision), action }]))
        }
    }
}
