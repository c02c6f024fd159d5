//! A request as it is read: verb, resource, parameters, and whether its sender may.

use super::answer::Accept;
use super::commit::Decision;
use super::conduct::Conduct;
use super::consult::Memo;
use super::options::Query;
use crate::authenticate::Caller;
use crate::authorize::{self, Access, Attributes, Sight, guards};
use crate::behaviour::{self, FieldValidation};
use crate::custom::{Custom, registry};
use crate::state::{Action, Key, RequestId, State};
use bytes::Bytes;
use kubus_proto::binding::BINDINGS_PATH;
use kubus_proto::path::ResourcePath;
use kubus_proto::request::Method;
use kubus_proto::selector::FieldSelector;
use kubus_proto::{ApiError, ApiRequest, KindRow, Reason, Verb, codec};
use serde_json::Value;
use std::sync::Arc;

/// What a request is about.
pub enum Wanted {
    /// Objects of a kind.
    Resource(Box<Call>),
    /// Something else that has a path.
    Path(Box<PathCall>),
}

/// A request for a path that is no resource.
pub struct PathCall {
    /// Who asks.
    pub caller: Caller,
    /// Everybody's rights.
    pub access: Arc<Access>,
    /// Identifies the request over its retries.
    pub id: uuid::Uuid,
    /// What for.
    pub path: String,
    /// GET, POST, …
    pub method: Method,
    /// What the answer should be, as HTTP has it.
    pub accept: String,
    /// MessagePack.
    pub body: Bytes,
}

/// A request for objects.
#[derive(Clone)]
pub struct Call {
    /// Who asks.
    pub caller: Caller,
    /// Everybody's rights.
    pub access: Arc<Access>,
    /// Identifies the request over its retries.
    pub id: uuid::Uuid,
    /// What is wanted of the objects.
    pub verb: Verb,
    /// Which objects.
    pub path: ResourcePath,
    /// The kind, where a definition describes it.
    pub custom: Option<Custom>,
    /// What webhooks answered.
    pub memo: Memo,
    /// Parameters.
    pub query: Query,
    /// The sender's program, as it calls itself.
    pub user_agent: String,
    /// What the body is.
    pub content_type: String,
    /// What the answer should be.
    pub accept: Accept,
    /// MessagePack, empty for none.
    pub body: Bytes,
    /// Paths of fields that the client gave twice.
    duplicates: Vec<String>,
    selected_node: Option<String>,
    selected_name: Option<String>,
}

/// 405.
pub fn not_allowed() -> ApiError {
    ApiError::new(Reason::MethodNotAllowed, "the server does not allow this method on the requested resource")
}

/// 404 for a path that leads nowhere.
pub fn nothing_here() -> ApiError {
    ApiError::new(Reason::NotFound, "the server could not find the requested resource")
}

impl Call {
    /// Reads a request; an unknown path is 404, a method the resource does not have is 405. `state` knows custom kinds.
    pub fn read(caller: Caller, access: Arc<Access>, request: ApiRequest, state: &State) -> Result<Wanted, ApiError> {
        let mut custom = None;
        let path = ResourcePath::parse_with(&request.path, |group, version, plural| {
            custom = registry::find(state, group, version, plural);
            custom.as_ref().map(Custom::row)
        });
        let Some(path) = path else {
            let ApiRequest { id, path, method, accept, body, .. } = request;
            return Ok(Wanted::Path(Box::new(PathCall { caller, access, id, path, method, accept, body })));
        };
        let query = Query::parse(&request.query).in_stored_words(&path);
        let verb = match (request.method, path.name.is_empty()) {
            (Method::Get, false) => Verb::Get,
            (Method::Get, true) if query.flag("watch") => Verb::Watch,
            (Method::Get, true) => Verb::List,
            (Method::Post, _) => Verb::Create,
            (Method::Put, _) => Verb::Update,
            (Method::Patch, _) => Verb::Patch,
            (Method::Delete, false) => Verb::Delete,
            (Method::Delete, true) => Verb::DeleteCollection,
        };
        let verbs = if path.subresource.is_empty() {
            path.row.verbs
        } else {
            path.row.subresource(&path.subresource).ok_or_else(nothing_here)?.verbs
        };
        let one = !matches!(verb, Verb::List | Verb::Watch | Verb::DeleteCollection | Verb::Create);
        // An object is created in its collection, a subresource below its object.
        let misplaced = match verb {
            Verb::Create => path.name.is_empty() != path.subresource.is_empty(),
            _ => one == path.name.is_empty(),
        };
        let homeless = path.row.namespaced && path.namespace.is_empty() && !matches!(verb, Verb::List | Verb::Watch);
        if verb == Verb::Create && custom.as_ref().is_some_and(|custom| custom.kind.terminating) {
            let message = "create not allowed while custom resource definition is terminating";
            return Err(ApiError::new(Reason::MethodNotAllowed, message));
        }
        if !verbs.contains(&verb) || misplaced || homeless {
            return Err(not_allowed());
        }
        let fields = FieldSelector::parse(query.text("fieldSelector")).unwrap_or_default();
        // Only what is read is narrowed by a selector; it must not stand in for the name of what is written.
        let selects = matches!(verb, Verb::List | Verb::Watch);
        let required = |field: &str| fields.required(field).filter(|_| selects).map(str::to_owned);
        let (selected_node, selected_name) = (required("spec.nodeName"), required("metadata.name"));
        let accept = Accept::parse(&request.accept, query.text("includeObject"));
        let ApiRequest { id, content_type, user_agent, duplicate_fields: duplicates, body, .. } = request;
        Ok(Wanted::Resource(Box::new(Self {
            caller,
            access,
            id,
            verb,
            path,
            custom,
            memo: Memo::default(),
            query,
            user_agent,
            content_type,
            accept,
            body,
            duplicates,
            selected_node,
            selected_name,
        })))
    }

    /// The same request for another object of its namespace.
    pub fn about(&self, row: &'static KindRow, name: &str, subresource: &str) -> Self {
        let path = ResourcePath {
            row,
            version: row.version.to_owned(),
            served: None,
            namespace: self.path.namespace.clone(),
            name: name.to_owned(),
            subresource: subresource.to_owned(),
        };
        Self { path, custom: None, ..self.clone() }
    }

    /// Row of the kind.
    pub fn row(&self) -> &'static KindRow {
        self.path.row
    }

    /// What is done to objects of the kind.
    pub fn conduct(&self) -> Conduct<'_> {
        match &self.custom {
            Some(custom) => Conduct::Custom(custom),
            None => Conduct::BuiltIn(behaviour::of(self.path.row)),
        }
    }

    /// The object's key in the store.
    pub fn key(&self) -> Key {
        Key::new(self.row().resource_key(), self.path.namespace.as_str(), self.path.name.as_str())
    }

    /// Identifies the request's only transaction.
    pub fn request_id(&self) -> RequestId {
        RequestId { request: self.id, part: 0 }
    }

    /// The body; 400 where there is none or it cannot be read.
    pub fn value(&self) -> Result<Value, ApiError> {
        decode(&self.body)
    }

    /// The body, null where there is none.
    pub fn optional_value(&self) -> Result<Value, ApiError> {
        if self.body.is_empty() { Ok(Value::Null) } else { self.value() }
    }

    /// 400 for fields given twice, where the client wants its object read strictly.
    pub fn refuse_duplicates(&self) -> Result<(), ApiError> {
        if self.duplicates.is_empty() || self.query.field_validation()? != FieldValidation::Strict {
            return Ok(());
        }
        let (kind, version) = (self.row().kind, &self.path.version);
        let found = duplicate_warnings(&self.duplicates).join(", ");
        Err(ApiError::new(
            Reason::BadRequest,
            format!("{kind} in version {version:?} cannot be handled as a {kind}: strict decoding error: {found}"),
        ))
    }

    /// What to say of fields given twice, where the client wants to be warned.
    pub fn duplicate_warnings(&self) -> Vec<String> {
        match self.query.field_validation() {
            Ok(FieldValidation::Warn) => duplicate_warnings(&self.duplicates),
            _ => Vec::new(),
        }
    }

    /// 404 for the object.
    pub fn not_found(&self) -> ApiError {
        ApiError::not_found(self.row().group, self.row().plural, &self.path.name)
    }

    /// Whether the sender may, as things are in `state`.
    pub fn authorize(&self, state: &State) -> Result<(), ApiError> {
        self.access.see(state, |sight| authorize::authorize(&self.caller, &self.attributes(), sight))
    }

    /// The same for an object that is to be created.
    pub fn authorize_named(&self, state: &State, name: &str) -> Result<(), ApiError> {
        // An apply creates what is not there; that takes the right to create.
        let wanted = Attributes { verb: Verb::Create.as_str(), new_name: Some(name), ..self.attributes() };
        self.access.see(state, |sight| authorize::authorize(&self.caller, &wanted, sight))
    }

    /// Whether a write that the sender may make may also make of the object what it is about to.
    pub fn guard(&self, state: &State, old: Option<&Value>, new: &Value) -> Result<(), ApiError> {
        let write = |sight: &Sight<'_>| {
            guards::check(&guards::Write { caller: &self.caller, wanted: self.attributes(), sight, old, new })
        };
        self.access.see(state, write)
    }

    /// The same for what a decision writes.
    pub fn guard_decision(&self, state: &State, old: &Value, decision: &Decision) -> Result<(), ApiError> {
        if !guards::is_guarded(self.row(), &self.path.subresource) {
            return Ok(());
        }
        let bytes = match decision {
            Decision::Tried(bytes) => bytes,
            Decision::Write(ops) => match ops.last().map(|op| &op.action) {
                Some(Action::Put(draft)) => &draft.bytes,
                Some(Action::Check | Action::Delete) | None => return Ok(()),
            },
            Decision::Keep(_) => return Ok(()),
        };
        self.guard(state, Some(old), &decode(bytes)?)
    }

    /// What is wanted, in the words of authorization.
    pub fn attributes(&self) -> Attributes<'_> {
        let (row, path) = (self.row(), &self.path);
        // A namespace lies in itself: whoever holds rights there may hold some to it.
        let is_namespace = row.group.is_empty() && row.plural == "namespaces";
        Attributes {
            verb: self.verb.as_str(),
            group: path.group(),
            resource: row.plural,
            subresource: &path.subresource,
            namespace: if is_namespace { &path.name } else { &path.namespace },
            name: &path.name,
            new_name: None,
            selected_node: self.selected_node.as_deref(),
            selected_name: self.selected_name.as_deref(),
        }
    }
}

impl PathCall {
    /// Whether the sender may, as things are in `state`.
    pub fn authorize(&self, state: &State) -> Result<(), ApiError> {
        self.access.see(state, |sight| {
            if self.path == BINDINGS_PATH {
                let wanted =
                    Attributes { verb: "create", resource: "pods", subresource: "binding", ..Attributes::default() };
                return authorize::authorize(&self.caller, &wanted, sight);
            }
            authorize::authorize_path(&self.caller, method_name(self.method), &self.path, sight)
        })
    }
}

/// An HTTP method as rules about paths name it.
fn method_name(method: Method) -> &'static str {
    match method {
        Method::Get => "get",
        Method::Post => "post",
        Method::Put => "put",
        Method::Patch => "patch",
        Method::Delete => "delete",
    }
}

fn duplicate_warnings(paths: &[String]) -> Vec<String> {
    paths.iter().map(|path| format!("duplicate field {path:?}")).collect()
}

/// Reads MessagePack; 400 where it cannot be read.
pub fn decode<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    codec::decode(body)
        .map_err(|e| ApiError::new(Reason::BadRequest, format!("the body of the request cannot be read: {e}")))
}
