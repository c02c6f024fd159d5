//! Who may do what, denied by default: parts of Kubus by a table over their roles, users by RBAC.

pub mod access;
pub mod components;
pub mod guards;
pub mod rbac;

pub use access::Access;

use crate::authenticate::Caller;
use components::{Role, Verdict};
use kubus_proto::user::UserInfo;
use kubus_proto::{ApiError, Reason};
use rbac::{Answer, Index};
use std::sync::Arc;

/// Whoever is in this group may do everything.
pub const MASTERS: &str = "system:masters";

/// What a request wants, in the words of authorization.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'a> {
    /// `get`, `list`, `create`, …
    pub verb: &'a str,
    /// API group, empty for core.
    pub group: &'a str,
    /// Plural of the kind.
    pub resource: &'a str,
    /// Subresource, empty for the object itself.
    pub subresource: &'a str,
    /// Namespace, empty for cluster-wide objects and over all namespaces.
    pub namespace: &'a str,
    /// Name in the path, empty for collections.
    pub name: &'a str,
    /// Name in the body, of an object that is to be created. Rules about names do not see it, as in Kubernetes.
    pub new_name: Option<&'a str>,
    /// What a list's or watch's field selector demands of `spec.nodeName`.
    pub selected_node: Option<&'a str>,
    /// What a list's or watch's field selector demands of `metadata.name`.
    pub selected_name: Option<&'a str>,
}

impl Attributes<'_> {
    /// The one object that a request is about, empty where it is about several or a new one.
    pub fn name(&self) -> &str {
        if self.name.is_empty() { self.selected_name.unwrap_or_default() } else { self.name }
    }
}

/// What ties a node to objects, looked up in the state the request is decided on.
pub trait Relations {
    /// The node a pod is bound to, empty if to none; `None` where there is no such pod.
    fn pod_node(&self, namespace: &str, name: &str) -> Option<String>;
    /// Whether a pod bound to `node` refers to this `secrets`, `configmaps` or `serviceaccounts` object.
    fn node_uses(&self, node: &str, resource: &str, namespace: &str, name: &str) -> bool;
}

/// What a decision is made on.
pub struct Sight<'a> {
    /// What ties nodes to objects.
    pub relations: &'a dyn Relations,
    /// Roles and bindings, made only where they are asked for.
    pub rules: &'a dyn Fn() -> Arc<Index>,
}

/// Whether something may be done, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether.
    pub allowed: bool,
    /// Why, or why not; often empty.
    pub reason: String,
}

/// Decides about a resource. `part` is the part of Kubus that asks for itself, none for a user.
pub fn decide(part: Option<Role>, user: &UserInfo, wanted: &Attributes<'_>, sight: &Sight<'_>) -> Decision {
    if in_group(user, MASTERS) {
        return Decision { allowed: true, reason: String::new() };
    }
    let node = node_of(user);
    let role = part.or_else(|| node.map(|_| Role::Node));
    let mut reason = String::new();
    if let Some(role) = role {
        match components::verdict(role, node.unwrap_or_default(), wanted, sight.relations) {
            Verdict::Allowed => return Decision { allowed: true, reason },
            Verdict::Unrelated => {
                let node = node.unwrap_or_default();
                reason = format!("no relationship found between node '{node}' and this object");
            }
            Verdict::Silent => {}
        }
    }
    if part.is_some() {
        return Decision { allowed: false, reason };
    }
    match rbac::resource(&(sight.rules)(), user, wanted) {
        Answer::Allowed(reason) => Decision { allowed: true, reason },
        Answer::NoOpinion(why) => {
            let both = [reason, why].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
            Decision { allowed: false, reason: both.join(", ") }
        }
    }
}

/// Decides about a path that is no resource (`/version`). `verb` is the HTTP method in lower case.
pub fn decide_path(part: Option<Role>, user: &UserInfo, verb: &str, path: &str, sight: &Sight<'_>) -> Decision {
    if in_group(user, MASTERS) || (part.is_some_and(|part| part != Role::Stranger) && verb == "get") {
        return Decision { allowed: true, reason: String::new() };
    }
    if part.is_some() {
        return Decision { allowed: false, reason: String::new() };
    }
    match rbac::path(&(sight.rules)(), user, verb, path) {
        Answer::Allowed(reason) => Decision { allowed: true, reason },
        Answer::NoOpinion(reason) => Decision { allowed: false, reason },
    }
}

/// Lets a request for a resource pass, or says 403 with Kubernetes' words.
pub fn authorize(caller: &Caller, wanted: &Attributes<'_>, sight: &Sight<'_>) -> Result<(), ApiError> {
    let decision = decide(caller.part, &caller.user, wanted, sight);
    if decision.allowed { Ok(()) } else { Err(forbidden(&caller.user.name, wanted, &decision.reason)) }
}

/// Lets a request for a path pass, or says 403 with Kubernetes' words.
pub fn authorize_path(caller: &Caller, verb: &str, path: &str, sight: &Sight<'_>) -> Result<(), ApiError> {
    let decision = decide_path(caller.part, &caller.user, verb, path, sight);
    if decision.allowed {
        return Ok(());
    }
    let why = because(&decision.reason);
    let text = format!("forbidden: User {:?} cannot {verb} path {path:?}{why}", caller.user.name);
    Err(ApiError::new(Reason::Forbidden, text))
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

/// 403 for a request for a resource.
pub fn forbidden(user: &str, wanted: &Attributes<'_>, reason: &str) -> ApiError {
    let resource = if wanted.subresource.is_empty() {
        wanted.resource.to_owned()
    } else {
        format!("{}/{}", wanted.resource, wanted.subresource)
    };
    let scope = if wanted.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace {:?}", wanted.namespace)
    };
    let text = format!(
        "User {user:?} cannot {} resource {resource:?} in API group {:?} {scope}{}",
        wanted.verb,
        wanted.group,
        because(reason)
    );
    ApiError::forbidden(wanted.group, wanted.resource, wanted.name(), &text)
}

/// Group of nodes.
pub const NODES: &str = "system:nodes";
/// What comes before a node's name in its user name.
pub const NODE_PREFIX: &str = "system:node:";

/// Whether a user is in a group.
pub fn in_group(user: &UserInfo, group: &str) -> bool {
    user.groups.iter().any(|own| own == group)
}

/// The node's name, where the user is a node.
pub fn node_of(user: &UserInfo) -> Option<&str> {
    let node = user.name.strip_prefix(NODE_PREFIX).filter(|node| !node.is_empty())?;
    in_group(user, NODES).then_some(node)
}
