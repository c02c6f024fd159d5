//! Admission that users define: webhooks and policies. Pure: what needs a webhook's answer asks for it through the memo
//! of its request. <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/>

mod conditions;
mod matching;
pub mod policies;
mod request;
pub mod webhooks;

use kubus_proto::path::ResourcePath;
use kubus_proto::user::UserInfo;
use serde_json::Value;

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Operation {
    Create,
    Update,
    Delete,
    Connect,
}

impl Operation {
    /// As rules and reviews name it.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
            Operation::Connect => "CONNECT",
        }
    }
}

/// A request as admission sees it.
#[derive(Clone, Debug)]
pub struct Write<'a> {
    /// Identifies the request over its retries.
    pub id: uuid::Uuid,
    /// What is done.
    pub operation: Operation,
    /// Which objects.
    pub path: &'a ResourcePath,
    /// Name of the object, empty where it is to be made.
    pub name: &'a str,
    /// Who does it.
    pub user: &'a UserInfo,
    /// Whether it is only tried out.
    pub dry_run: bool,
    /// The request's options.
    pub options: Value,
}

/// An object before and after, as far as there is one. Both are in the version that the pipeline works on.
#[derive(Clone, Copy, Debug)]
pub struct Objects<'a> {
    /// What it is to be; null for a delete.
    pub new: &'a Value,
    /// What it was; null for a create.
    pub old: &'a Value,
}

/// What is said beside yes or no.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Remarks {
    /// Texts for the sender.
    pub warnings: Vec<String>,
    /// Texts for the audit log, by key.
    pub annotations: Vec<(String, String)>,
}

/// Most bytes of all warnings of one request.
const WARNINGS_LIMIT_BYTES: usize = 4 * 1024;
/// Longest warning, in characters.
const WARNING_LIMIT_CHARS: usize = 256;

impl Remarks {
    fn warn(&mut self, text: &str) {
        let total: usize = self.warnings.iter().map(String::len).sum();
        if total + text.len() <= WARNINGS_LIMIT_BYTES && !self.warnings.iter().any(|known| known == text) {
            self.warnings.push(text.chars().take(WARNING_LIMIT_CHARS).collect());
        }
    }
}
