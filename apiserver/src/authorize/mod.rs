//! Who may do what, denied by default: parts of Kubus by a table over their roles, users by RBAC.

pub mod components;

use crate::authenticate::Caller;
use components::{Role, Verdict};
use kubus_proto::{ApiError, Reason};

/// Whoever is in this group may do everything.
pub const MASTERS: &str = "system:masters";
/// What anybody may read, even unauthenticated.
const PUBLIC_PATHS: [&str; 5] = ["/healthz", "/livez", "/readyz", "/version", "/version/"];

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
    /// Name, empty for collections; of an object to be created the one in its body.
    pub name: &'a str,
    /// What a list's or watch's field selector demands of `spec.nodeName`.
    pub selected_node: Option<&'a str>,
    /// What a list's or watch's field selector demands of `metadata.name`.
    pub selected_name: Option<&'a str>,
}

/// What ties a node to objects, looked up in the state the request is decided on.
pub trait Relations {
    /// The node a pod is bound to, empty if to none; `None` where there is no such pod.
    fn pod_node(&self, namespace: &str, name: &str) -> Option<String>;
    /// Whether a pod bound to `node` refers to this `secrets`, `configmaps` or `serviceaccounts` object.
    fn node_uses(&self, node: &str, resource: &str, namespace: &str, name: &str) -> bool;
}

/// Lets a request for a resource pass, or says 403 with Kubernetes' words.
pub fn authorize(caller: &Caller, wanted: &Attributes<'_>, relations: &dyn Relations) -> Result<(), ApiError> {
    if caller.in_group(MASTERS) {
        return Ok(());
    }
    let node = caller.node();
    let role = caller.part.or_else(|| node.map(|_| Role::Node));
    let mut why = String::new();
    if let Some(role) = role {
        match components::verdict(role, node.unwrap_or_default(), wanted, relations) {
            Verdict::Allowed => return Ok(()),
            Verdict::Unrelated => {
                let node = node.unwrap_or_default();
                why = format!(": no relationship found between node '{node}' and this object");
            }
            Verdict::Silent => {}
        }
    }
    Err(forbidden(&caller.user.name, wanted, &why))
}

/// 403 for a request for a resource.
fn forbidden(user: &str, wanted: &Attributes<'_>, why: &str) -> ApiError {
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
        "User {user:?} cannot {} resource {resource:?} in API group {:?} {scope}{why}",
        wanted.verb, wanted.group
    );
    ApiError::forbidden(wanted.group, wanted.resource, wanted.name, &text)
}

/// Lets a request for a path that is no resource pass (`/version`).
pub fn authorize_path(caller: &Caller, verb: &str, path: &str) -> Result<(), ApiError> {
    let reads = verb == "get";
    if caller.in_group(MASTERS) || (reads && (caller.part.is_some() || PUBLIC_PATHS.contains(&path))) {
        return Ok(());
    }
    let text = format!("forbidden: User {:?} cannot {verb} path {path:?}", caller.user.name);
    Err(ApiError::new(Reason::Forbidden, text))
}
