//! RBAC: what roles bound to a user let it do. Pure; the rules come from the state.
//! <https://kubernetes.io/docs/reference/access-authn-authz/rbac/>

pub mod cover;
pub mod index;
pub mod rule;

pub use index::{Grant, Index};
pub use rule::PolicyRule;

use super::Attributes;
use kubus_proto::user::UserInfo;

/// API group of roles and bindings.
pub const GROUP: &str = "rbac.authorization.k8s.io";

/// What RBAC says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A binding lets it pass; says which.
    Allowed(String),
    /// No binding lets it pass; says what went wrong on the way, if anything did.
    NoOpinion(String),
}

/// Whether `user` may do something with a resource.
pub fn resource(index: &Index, user: &UserInfo, wanted: &Attributes<'_>) -> Answer {
    answer(index, user, wanted.namespace, |rule| rule.allows(wanted))
}

/// Whether `user` may do something with a path that is no resource.
pub fn path(index: &Index, user: &UserInfo, verb: &str, path: &str) -> Answer {
    answer(index, user, "", |rule| rule.allows_path(verb, path))
}

fn answer(index: &Index, user: &UserInfo, namespace: &str, allows: impl Fn(&PolicyRule) -> bool) -> Answer {
    let mut missing: Vec<String> = Vec::new();
    for grant in index.grants(user, namespace) {
        match &grant.rules {
            Some(rules) if rules.iter().any(&allows) => {
                return Answer::Allowed(format!("RBAC: allowed by {}", grant.origin));
            }
            Some(_) => {}
            None => missing.push(grant.missing()),
        }
    }
    missing.sort();
    missing.dedup();
    Answer::NoOpinion(match missing.as_slice() {
        [] => String::new(),
        [one] => format!("RBAC: {one}"),
        many => format!("RBAC: [{}]", many.join(", ")),
    })
}
