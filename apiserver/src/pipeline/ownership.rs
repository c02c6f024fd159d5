//! Who comes to own the fields that a request writes.

use super::call::Call;
use super::metadata::timestamp;
use super::revise::Part;
use crate::behaviour::causes;
use crate::managed_fields::{self, Applied, ApplyError, Managed, Scope, Types, Writer, manager_of, wrong_manager};
use jiff::Timestamp;
use kubus_proto::{ApiError, Reason, Verb};
use serde_json::Value;
use std::sync::Arc;

/// The writer of a request, and what it may own.
pub struct Ownership {
    manager: String,
    api_version: String,
    subresource: String,
    time: String,
    types: Arc<Types>,
    scope: Scope,
}

/// What a request makes of an object.
#[derive(Clone)]
pub struct New {
    /// The object as the sender speaks of it, without managed fields.
    pub object: Value,
    /// Its managed fields.
    pub owners: Owners,
}

/// Where the managed fields of a written object come from.
#[derive(Clone)]
pub enum Owners {
    /// What the sender says about them, none where it says nothing: the rest follows from what it changes.
    Sent(Option<Value>),
    /// They are what an apply leaves.
    Applied(Option<Value>),
}

impl New {
    /// A whole object with the managed fields it came with.
    pub fn sent(mut object: Value) -> Self {
        let managed = managed_fields::take(&mut object);
        Self { object, owners: Owners::Sent(Some(managed)) }
    }

    /// An object made on the server's side, which leaves managed fields alone.
    pub fn made(object: Value) -> Self {
        Self { object, owners: Owners::Sent(None) }
    }
}

impl Call {
    /// The kind of a request's options, as errors name it.
    pub(super) fn options_kind(&self) -> &'static str {
        match self.verb {
            Verb::Create => "CreateOptions",
            Verb::Patch => "PatchOptions",
            Verb::Delete | Verb::DeleteCollection => "DeleteOptions",
            Verb::Get => "GetOptions",
            Verb::List | Verb::Watch => "ListOptions",
            Verb::Update => "UpdateOptions",
        }
    }

    /// Who owns what the request writes of an object's `part`; 422 for a field manager that cannot be one. An apply must
    /// name it, and only an apply can have force.
    pub(super) fn ownership(&self, part: Part, is_apply: bool) -> Result<Ownership, ApiError> {
        let named = self.query.text("fieldManager");
        let mut wrong = Vec::new();
        if is_apply && named.is_empty() {
            wrong.push(causes::required("fieldManager", "is required for apply patch"));
        }
        if !is_apply && self.verb == Verb::Patch && !self.query.text("force").is_empty() {
            wrong.push(causes::forbidden("force", "may not be specified for non-apply patch"));
        }
        wrong.extend(wrong_manager(named));
        if !wrong.is_empty() {
            return Err(ApiError::invalid("meta.k8s.io", self.options_kind(), "", wrong));
        }
        let has_status = self.row().subresource("status").is_some();
        let scope = match part {
            Part::Whole if has_status => Scope::NotStatus,
            Part::Status if is_apply => Scope::Status,
            // What is no part of it is put back before ownership is looked at.
            Part::Whole
            | Part::Status
            | Part::Finalizers
            | Part::Approval
            | Part::EphemeralContainers
            | Part::Resize => Scope::All,
        };
        Ok(Ownership {
            manager: manager_of(named, &self.user_agent),
            // The fields are those of the stored version, whichever was sent.
            api_version: self.path.served.map_or_else(|| self.path.api_version(), |_| self.row().api_version()),
            subresource: self.path.subresource.clone(),
            time: timestamp(Timestamp::now()),
            types: match &self.custom {
                Some(custom) => custom.version().types.clone(),
                None => managed_fields::types_of(self.row()),
            },
            scope,
        })
    }
}

impl Ownership {
    fn writer(&self) -> Writer<'_> {
        Writer {
            manager: &self.manager,
            api_version: &self.api_version,
            subresource: &self.subresource,
            time: &self.time,
        }
    }

    /// The managed fields of a new object with its defaults, before the server adds what is its own.
    pub fn created(&self, object: &Value, owners: Owners) -> Option<Value> {
        match owners {
            Owners::Sent(sent) => {
                managed_fields::created(&self.types, self.scope, object, &sent.unwrap_or_default(), &self.writer())
            }
            Owners::Applied(fields) => fields,
        }
    }

    /// The managed fields of an object that was `old`, with those that are `stored`, and is to be `new`.
    pub fn updated(&self, old: &Value, new: &Value, stored: Value, owners: Owners) -> Managed {
        match owners {
            Owners::Sent(sent) => {
                managed_fields::updated(&self.types, self.scope, (old, new), stored, sent, &self.writer())
            }
            Owners::Applied(fields) => Managed::after(fields, stored),
        }
    }

    /// Applies `config` to `live`, an empty map where there is no object yet.
    pub fn applied(&self, live: (&Value, &Value), config: &Value, force: bool) -> Result<Applied, ApiError> {
        managed_fields::applied(&self.types, self.scope, live, config, force, &self.writer())
            .map_err(|error| refusal(error, config))
    }
}

fn refusal(error: ApplyError, config: &Value) -> ApiError {
    match error {
        ApplyError::ManagedFields => ApiError::new(Reason::BadRequest, error.to_string()),
        ApplyError::Misfit(_) => {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (metadata, version) = (&config["metadata"], text(&config["apiVersion"]));
            let version = if version.contains('/') { version } else { format!("/{version}") };
            let about = format!(
                "{}/{}; {version}, Kind={}",
                text(&metadata["namespace"]),
                text(&metadata["name"]),
                text(&config["kind"])
            );
            ApiError::new(Reason::Unknown, format!("failed to create typed patch object ({about}): {error}"))
        }
        ApplyError::Conflicts(conflicts) => conflicts.into(),
    }
}
