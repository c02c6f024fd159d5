//! create: a new object, decoded, defaulted, admitted, validated, named.

use super::call::Call;
use super::commit::Decision;
use super::consult::{ROUNDS_LIMIT, Stop};
use super::custom_kinds::{definitions_line, is_definition};
use super::ownership::{New, Owners, Ownership};
use super::revise::Part;
use super::{Api, admission, allocation, answer, internal, metadata, surroundings};
use crate::behaviour::certificate_signing_request;
use crate::custom::definition::settle;
use crate::dynamic::{Objects, Operation};
use crate::managed_fields;
use crate::state::{Action, Draft, Key, Op, Require, State};
use bytes::Bytes;
use jiff::Timestamp;
use kubus_proto::kinds::namespace;
use kubus_proto::request::OBJECT_LIMIT_BYTES;
use kubus_proto::status::Cause;
use kubus_proto::{ApiError, ApiResponse, KindRow, Reason, codec, names};
use serde_json::{Value, json};

/// Group of requests for certificates.
const CERTIFICATES: &str = "certificates.k8s.io";
/// How often a made name that is taken is made anew, as in Kubernetes.
const NAME_ATTEMPTS: u32 = 8;

impl Api {
    /// Stores the object that is sent and answers with it.
    pub(super) async fn create(&self, call: &Call) -> Result<ApiResponse, ApiError> {
        let ownership = call.ownership(Part::Whole, false)?;
        self.create_as(call, New::sent(call.value()?), &ownership).await
    }

    /// Stores a new object and answers with it.
    pub(super) async fn create_as(
        &self,
        call: &Call,
        new: New,
        ownership: &Ownership,
    ) -> Result<ApiResponse, ApiError> {
        let dry = call.query.dry_run(call.options_kind())?;
        let New { mut object, owners } = new;
        let row = call.row();
        metadata::address(&call.path, &mut object)?;
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        // Nothing is said about the object, nor done for it, before its sender may create one.
        self.authorized(|state| call.authorize_named(state, &name)).await?;
        call.refuse_duplicates()?;
        let validation = call.query.field_validation()?;
        let mut warnings = call.conduct().receive(&call.path, call.verb, &mut object, validation)?;
        let (mut object, advice) = self.prepare(call, object, owners, ownership, dry).await?;
        let line = if is_definition(row) {
            Some(definitions_line())
        } else {
            surroundings::line(row, &object, &self.store.state())
        };
        warnings.extend(advice);
        warnings.extend(call.conduct().warnings(&object));
        let mut draft = None;
        let mut names_left = if name.is_empty() { NAME_ATTEMPTS } else { 0 };
        let mut advice = Vec::new();
        let written = self.commit(call.request_id(), line.as_ref(), |state| {
            let mut around: Vec<Op> = home(row, &object, state)?.into_iter().collect();
            advice = surroundings::secure(row, &object, state)?;
            call.guard(state, None, &object)?;
            while state.get(&key_of(row, &object)).is_some() {
                if names_left == 0 {
                    let name = object["metadata"]["name"].as_str().unwrap_or_default();
                    return Err(ApiError::already_exists(row.group, row.plural, name).into());
                }
                names_left -= 1;
                let prefix = object["metadata"]["generateName"].as_str().unwrap_or_default();
                object["metadata"]["name"] = json!(names::generate(prefix, rand::random()));
                draft = None;
            }
            if self.fill_token_secret(row, state, &mut object)? {
                draft = None;
            }
            if is_definition(row) {
                settle(&mut object, state, Timestamp::now());
                draft = None;
            }
            around.extend(surroundings::charge(row, &object, state)?);
            let draft = match &draft {
                Some(draft) => draft,
                None => draft.insert(encode(row, &*call.stored(&object)?)?),
            };
            if dry {
                return Ok(allocation::allocate(row, state, Decision::Tried(tried(&object)?))?);
            }
            let put = Op { key: key_of(row, &object), require: Require::absent(), action: Action::Put(draft.clone()) };
            Ok(allocation::allocate(row, state, Decision::Write(around.into_iter().chain([put]).collect()))?)
        });
        let written = written.await?;
        warnings.extend(advice);
        Ok(ApiResponse { warnings, ..answer::bytes(201, written.bytes()) })
    }
}

impl Api {
    /// Everything that happens to a new object before it meets the state, and what is said about it. It is made anew from
    /// what was sent whenever a webhook had to be asked, with the same name and time.
    async fn prepare(
        &self,
        call: &Call,
        sent: Value,
        owners: Owners,
        ownership: &Ownership,
        dry_run: bool,
    ) -> Result<(Value, Vec<String>), ApiError> {
        let birth = metadata::Birth { now: Timestamp::now(), uid: uuid::Uuid::new_v4(), seed: rand::random() };
        for _ in 0..ROUNDS_LIMIT {
            let (mut object, state) = (sent.clone(), self.store.state());
            match prepare(call, &mut object, owners.clone(), ownership, &birth, dry_run, &state) {
                Ok(warnings) => return Ok((object, warnings)),
                Err(Stop::Refused(error)) => return Err(error),
                Err(Stop::Ask(inquiry)) => self.inquire(inquiry, &state).await,
            }
        }
        Err(internal("webhooks were asked without end", &call.path.row.plural))
    }
}

/// What happens to a new object on one state; gives warnings.
fn prepare(
    call: &Call,
    object: &mut Value,
    owners: Owners,
    ownership: &Ownership,
    birth: &metadata::Birth,
    dry_run: bool,
    state: &State,
) -> Result<Vec<String>, Stop> {
    let (row, conduct) = (call.row(), call.conduct());
    conduct.default(object);
    let managed = ownership.created(object, owners);
    metadata::prepare_create(object, birth)?;
    admission::admit_create(row, object, birth.seed)?;
    surroundings::fill(row, object, state)?;
    let mut warnings = call.mutate(Operation::Create, object, &Value::Null, dry_run, state)?.warnings;
    conduct.prepare_create(object);
    if row.group == CERTIFICATES && row.plural == "certificatesigningrequests" {
        certificate_signing_request::ask_as(object, &call.caller.user);
    }
    refuse(row, object, conduct.validate(object))?;
    let objects = Objects { new: object, old: &Value::Null };
    warnings.extend(call.review(Operation::Create, objects, dry_run, state)?.warnings);
    managed_fields::put(object, managed);
    Ok(warnings)
}

/// 422 where there are causes.
pub(super) fn refuse(row: &KindRow, object: &Value, causes: Vec<Cause>) -> Result<(), ApiError> {
    if causes.is_empty() {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    Err(ApiError::invalid(row.group, row.kind, name, causes))
}

/// What a tried-out object looks like.
pub(super) fn tried(object: &Value) -> Result<Bytes, ApiError> {
    Ok(codec::encode(object).map_err(|e| internal("an object cannot be encoded", &e))?.into())
}

/// The object as it is stored; 413 where it is too large. Managed fields are left out before an object is refused for
/// what the server itself adds to it.
pub(super) fn encode(row: &KindRow, object: &Value) -> Result<Draft, ApiError> {
    let draft = Draft::encode(row, object).map_err(|e| ApiError::new(Reason::BadRequest, e.to_string()))?;
    if draft.bytes.len() > OBJECT_LIMIT_BYTES {
        let mut bare = object.clone();
        if !managed_fields::take(&mut bare).is_null() {
            return encode(row, &bare);
        }
        let message = format!("Request entity too large: limit is {OBJECT_LIMIT_BYTES}");
        return Err(ApiError::new(Reason::RequestEntityTooLarge, message));
    }
    Ok(draft)
}

fn key_of(row: &KindRow, object: &Value) -> Key {
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
    Key::new(row.resource_key(), text("namespace"), text("name"))
}

/// The namespace of a new object must be there and stay: the check of it is part of the transaction.
fn home(row: &KindRow, object: &Value, state: &State) -> Result<Option<Op>, ApiError> {
    if !row.namespaced {
        return Ok(None);
    }
    let name = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let key = Key::new(namespace::ROW.resource_key(), "", name);
    let home = state.get(&key).ok_or_else(|| ApiError::not_found("", "namespaces", name))?;
    if home.selectable().fields.get("status.phase").is_some_and(|phase| phase == "Terminating") {
        let own = object["metadata"]["name"].as_str().unwrap_or_default();
        let why = format!("unable to create new content in namespace {name} because it is being terminated");
        let cause = Cause {
            reason: "NamespaceTerminating".to_owned(),
            message: format!("namespace {name} is being terminated"),
            field: "metadata.namespace".to_owned(),
        };
        return Err(ApiError { causes: vec![cause], ..ApiError::forbidden(row.group, row.plural, own, &why) });
    }
    Ok(Some(Op { key, require: Require::revision(home.revision), action: Action::Check }))
}
