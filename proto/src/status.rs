//! The API error: Kubernetes' `Status` object as a Rust error, with its reasons and causes.
//! <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/>

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Machine-readable reason of a failed request, with its HTTP code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Reason {
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    AlreadyExists,
    Conflict,
    Gone,
    Expired,
    Invalid,
    RequestEntityTooLarge,
    UnsupportedMediaType,
    NotAcceptable,
    MethodNotAllowed,
    TooManyRequests,
    InternalError,
    ServiceUnavailable,
    Timeout,
    InsufficientStorage,
    /// A fault that has no reason of its own.
    Unknown,
}

impl Reason {
    /// HTTP status code.
    pub fn code(self) -> u16 {
        match self {
            Reason::BadRequest => 400,
            Reason::Unauthorized => 401,
            Reason::Forbidden => 403,
            Reason::NotFound => 404,
            Reason::MethodNotAllowed => 405,
            Reason::NotAcceptable => 406,
            Reason::AlreadyExists | Reason::Conflict => 409,
            Reason::Gone | Reason::Expired => 410,
            Reason::RequestEntityTooLarge => 413,
            Reason::UnsupportedMediaType => 415,
            Reason::Invalid => 422,
            Reason::TooManyRequests => 429,
            Reason::InternalError | Reason::Unknown => 500,
            Reason::ServiceUnavailable => 503,
            Reason::Timeout => 504,
            Reason::InsufficientStorage => 507,
        }
    }

    /// Whether the same request may succeed later without a change, and was not carried out.
    pub fn retryable(self) -> bool {
        match self {
            Reason::TooManyRequests | Reason::ServiceUnavailable | Reason::Timeout => true,
            Reason::BadRequest
            | Reason::Unauthorized
            | Reason::Forbidden
            | Reason::NotFound
            | Reason::AlreadyExists
            | Reason::Conflict
            | Reason::Gone
            | Reason::Expired
            | Reason::Invalid
            | Reason::RequestEntityTooLarge
            | Reason::UnsupportedMediaType
            | Reason::NotAcceptable
            | Reason::MethodNotAllowed
            | Reason::InternalError
            | Reason::InsufficientStorage
            | Reason::Unknown => false,
        }
    }
}

/// Which field is wrong and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// `FieldValueInvalid`, `FieldValueRequired`, …
    pub reason: String,
    /// For humans, without the field.
    pub message: String,
    /// Path such as `spec.containers[0].image`.
    pub field: String,
}

/// A failed request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Machine-readable reason; decides the HTTP code.
    pub reason: Reason,
    /// For humans.
    pub message: String,
    /// Name of the object, where there is one.
    #[serde(default)]
    pub name: String,
    /// Group of the object.
    #[serde(default)]
    pub group: String,
    /// Plural (for Invalid: kind) of the object.
    #[serde(default)]
    pub kind: String,
    /// What is wrong where.
    #[serde(default)]
    pub causes: Vec<Cause>,
    /// When to try again.
    #[serde(default)]
    pub retry_after_seconds: Option<u32>,
    /// A `Status` that somebody else made, sent as it is.
    #[serde(default)]
    pub verbatim: Option<Box<Value>>,
}

impl ApiError {
    /// An error that is about no object.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            causes: Vec::new(),
            retry_after_seconds: None,
            verbatim: None,
        }
    }

    /// A `Status` that somebody else made, with a code and a message of its own.
    pub fn verbatim(status: Value) -> Self {
        let reason = serde_json::from_value(status["reason"].clone()).unwrap_or(Reason::InternalError);
        let message = status["message"].as_str().unwrap_or_default().to_owned();
        Self { verbatim: Some(Box::new(status)), ..Self::new(reason, message) }
    }

    /// HTTP status code.
    pub fn code(&self) -> u16 {
        let given = self.verbatim.as_ref().and_then(|status| status["code"].as_u64());
        given.and_then(|code| u16::try_from(code).ok()).unwrap_or_else(|| self.reason.code())
    }

    fn about(reason: Reason, group: &str, plural: &str, name: &str, message: String) -> Self {
        Self { name: name.to_owned(), group: group.to_owned(), kind: plural.to_owned(), ..Self::new(reason, message) }
    }

    /// 404 for an object that is not there.
    pub fn not_found(group: &str, plural: &str, name: &str) -> Self {
        let message = format!("{} {name:?} not found", qualified(plural, group));
        Self::about(Reason::NotFound, group, plural, name, message)
    }

    /// 409 for a name that is taken.
    pub fn already_exists(group: &str, plural: &str, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", qualified(plural, group));
        Self::about(Reason::AlreadyExists, group, plural, name, message)
    }

    /// 409 for a precondition that does not hold.
    pub fn conflict(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", qualified(plural, group));
        Self::about(Reason::Conflict, group, plural, name, message)
    }

    /// 403 for a request that policy or authorization refuses; `name` is empty for collections.
    pub fn forbidden(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let subject = if name.is_empty() { String::new() } else { format!(" {name:?}") };
        let message = format!("{}{subject} is forbidden: {why}", qualified(plural, group));
        Self::about(Reason::Forbidden, group, plural, name, message)
    }

    /// 422 with every wrong field; `kind` is the object's kind.
    pub fn invalid(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Self {
        let texts: Vec<String> = causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
        let list = match texts.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let message = format!("{} {name:?} is invalid: {list}", qualified(kind, group));
        Self { causes, ..Self::about(Reason::Invalid, group, kind, name, message) }
    }

    /// The `Status` object that is sent for it.
    pub fn to_status(&self) -> Value {
        if let Some(status) = &self.verbatim {
            return (**status).clone();
        }
        let mut details = serde_json::Map::new();
        for (key, text) in [("name", &self.name), ("group", &self.group), ("kind", &self.kind)] {
            if !text.is_empty() {
                details.insert(key.to_owned(), json!(text));
            }
        }
        if !self.causes.is_empty() {
            details.insert("causes".to_owned(), json!(self.causes));
        }
        if let Some(seconds) = self.retry_after_seconds {
            details.insert("retryAfterSeconds".to_owned(), json!(seconds));
        }
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "details": details, "code": self.reason.code(),
        });
        if let (Reason::Unknown, Some(status)) = (self.reason, status.as_object_mut()) {
            status.remove("reason");
        }
        status
    }

    /// Reads a `Status` object; a reason this version does not know becomes InternalError.
    pub fn from_status(status: &Value) -> Self {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let details = &status["details"];
        Self {
            reason: match &status["reason"] {
                Value::Null => Reason::Unknown,
                reason => serde_json::from_value(reason.clone()).unwrap_or(Reason::InternalError),
            },
            message: text(&status["message"]),
            name: text(&details["name"]),
            group: text(&details["group"]),
            kind: text(&details["kind"]),
            causes: serde_json::from_value(details["causes"].clone()).unwrap_or_default(),
            retry_after_seconds: details["retryAfterSeconds"].as_u64().and_then(|s| u32::try_from(s).ok()),
            verbatim: None,
        }
    }
}

/// `deployments.apps`, or `pods` in the core group.
pub fn qualified(resource: &str, group: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_kubernetes_and_survives_the_wire() {
        let error = ApiError::not_found("apps", "deployments", "web");
        assert_eq!(error.message, "deployments.apps \"web\" not found");
        assert_eq!(ApiError::from_status(&error.to_status()), error);
        let cause = Cause {
            reason: "FieldValueRequired".into(),
            message: "Required value".into(),
            field: "spec.containers".into(),
        };
        let error = ApiError::invalid("", "Pod", "a", vec![cause]);
        assert_eq!(error.message, "Pod \"a\" is invalid: spec.containers: Required value");
        assert_eq!(error.to_status()["code"], 422);
        assert_eq!(ApiError::from_status(&error.to_status()), error);
    }
}
