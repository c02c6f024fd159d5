//! Who asks: the identity the bus vouches for, or the user a gateway speaks for.
//! <https://kubernetes.io/docs/reference/access-authn-authz/authentication/>

pub mod bootstrap_tokens;
pub mod impersonation;
pub mod jws;
pub mod service_accounts;
pub mod tokens;

use crate::authorize::components::Role;
use crate::authorize::{MASTERS, NODE_PREFIX, NODES, in_group, node_of};
use kubus_proto::user::{Credential, OnBehalf, UserInfo};
use kubus_proto::{ApiError, Reason};
use tokens::TokenError;

/// Group of everybody who has shown who they are.
pub const AUTHENTICATED: &str = "system:authenticated";
/// Group of everybody else.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// Name of everybody who has not shown who they are.
pub const ANONYMOUS: &str = "system:anonymous";
/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who sent the request over the bus.
    pub identity: String,
    /// The user whose rights count.
    pub user: UserInfo,
    /// The part of Kubus that asks for itself; none where a gateway speaks for a user.
    pub part: Option<Role>,
    /// Who really asks, where it acts as `user`.
    pub actor: Option<UserInfo>,
    /// Where the connection to the gateway came from; empty on the bus.
    pub source_address: String,
}

impl Caller {
    /// A part of Kubus that asks for itself; an identity that is none may do nothing.
    pub fn of_identity(identity: &str) -> Self {
        let (role, node) = Role::of(identity);
        let (name, groups): (String, &[&str]) = match role {
            Role::Admin => (identity.to_owned(), &[MASTERS, AUTHENTICATED]),
            Role::Node => (format!("{NODE_PREFIX}{node}"), &[NODES, AUTHENTICATED]),
            Role::Scheduler => ("system:kube-scheduler".to_owned(), &[AUTHENTICATED]),
            Role::Controllers => ("system:kube-controller-manager".to_owned(), &[AUTHENTICATED]),
            Role::Gateway => (identity.to_owned(), &[AUTHENTICATED]),
            Role::Stranger => (identity.to_owned(), &[]),
        };
        let groups = groups.iter().copied().map(str::to_owned).collect();
        let user = UserInfo { name, groups, ..UserInfo::default() };
        Self { identity: identity.to_owned(), user, part: Some(role), actor: None, source_address: String::new() }
    }

    /// Whether the user is in a group.
    pub fn in_group(&self, group: &str) -> bool {
        in_group(&self.user, group)
    }

    /// The node's name, where the user is a node.
    pub fn node(&self) -> Option<&str> {
        node_of(&self.user)
    }
}

/// 401, which says no more than that.
pub fn unauthorized() -> ApiError {
    ApiError::new(Reason::Unauthorized, "Unauthorized")
}

/// Nobody is let in.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A token lets nobody in; a newer state may see it otherwise.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Anything else.
    #[error(transparent)]
    Error(#[from] ApiError),
}

/// Who asks with a request that came from `identity`. Only a gateway speaks for users; the admin may act as one.
pub fn authenticate(
    identity: &str,
    on_behalf: Option<&OnBehalf>,
    token: impl FnOnce(&str) -> Result<UserInfo, TokenError>,
) -> Result<Caller, Refusal> {
    let sender = Caller::of_identity(identity);
    let Some(on_behalf) = on_behalf else { return Ok(sender) };
    let user = match (sender.part, &on_behalf.credential) {
        (Some(Role::Admin), Credential::Anonymous) => return Ok(sender),
        (Some(Role::Admin | Role::Gateway), Credential::Bearer(text)) => token(text)?,
        (Some(Role::Gateway), Credential::Anonymous) => anonymous(),
        (Some(Role::Gateway), Credential::Certificate { name, groups }) => certified(name, groups)?,
        _ => {
            let text = format!("forbidden: User {:?} cannot speak for another user", sender.user.name);
            return Err(ApiError::new(Reason::Forbidden, text).into());
        }
    };
    Ok(Caller { user, part: None, source_address: on_behalf.source_address.clone(), ..sender })
}

fn anonymous() -> UserInfo {
    UserInfo { name: ANONYMOUS.to_owned(), groups: vec![UNAUTHENTICATED.to_owned()], ..UserInfo::default() }
}

/// The user in a client certificate; one without a name is nobody's.
fn certified(name: &str, groups: &[String]) -> Result<UserInfo, ApiError> {
    if name.is_empty() {
        return Err(unauthorized());
    }
    let groups = groups.iter().cloned().chain([AUTHENTICATED.to_owned()]).collect();
    Ok(UserInfo { name: name.to_owned(), groups, ..UserInfo::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_gateway_speaks_for_users() {
        let certificate = |name: &str| OnBehalf {
            credential: Credential::Certificate { name: name.to_owned(), groups: vec!["dev".to_owned()] },
            ..OnBehalf::default()
        };
        let bearer = |token: &str| OnBehalf { credential: Credential::Bearer(token.to_owned()), ..OnBehalf::default() };
        let token = |token: &str| match token {
            "good" => Ok(UserInfo { name: "robot".to_owned(), groups: vec!["r".to_owned()], ..UserInfo::default() }),
            _ => Err(TokenError::Unknown),
        };
        for (identity, on_behalf, expected) in [
            ("gateway-1", Some(bearer("good")), Ok(("robot", "r"))),
            ("gateway-1", Some(bearer("bad")), Err(Reason::Unauthorized)),
            ("admin", Some(bearer("good")), Ok(("robot", "r"))),
            ("admin", Some(OnBehalf::default()), Ok(("admin", "system:masters"))),
            ("admin", Some(certificate("jane")), Err(Reason::Forbidden)),
            ("node:n1", Some(bearer("good")), Err(Reason::Forbidden)),
            ("admin", None, Ok(("admin", "system:masters"))),
            ("node:n1", None, Ok(("system:node:n1", "system:nodes"))),
            ("scheduler-1", None, Ok(("system:kube-scheduler", AUTHENTICATED))),
            ("gateway-1", None, Ok(("gateway-1", AUTHENTICATED))),
            ("gateway-1", Some(OnBehalf::default()), Ok((ANONYMOUS, UNAUTHENTICATED))),
            ("gateway-2", Some(certificate("jane")), Ok(("jane", "dev"))),
            ("gateway-1", Some(certificate("")), Err(Reason::Unauthorized)),
            ("node:n1", Some(certificate("jane")), Err(Reason::Forbidden)),
            ("gateway", Some(certificate("jane")), Err(Reason::Forbidden)),
            ("controllers-1", Some(OnBehalf::default()), Err(Reason::Forbidden)),
        ] {
            let caller = authenticate(identity, on_behalf.as_ref(), token).map_err(|refusal| match refusal {
                Refusal::Token(_) => unauthorized(),
                Refusal::Error(error) => error,
            });
            let found = caller.as_ref().map(|c| (c.user.name.as_str(), c.user.groups[0].as_str()));
            assert_eq!(found.map_err(|e| e.reason), expected, "{identity} {on_behalf:?}");
        }
    }

    #[test]
    fn a_node_is_a_node_by_name_and_group() {
        for (name, groups, node) in [
            ("system:node:n1", vec![NODES], Some("n1")),
            ("system:node:n1", vec!["dev"], None),
            ("system:node:", vec![NODES], None),
            ("jane", vec![NODES], None),
        ] {
            let groups = groups.into_iter().map(str::to_owned).collect();
            let user = UserInfo { name: name.to_owned(), groups, ..UserInfo::default() };
            let caller = Caller { user, part: None, ..Caller::of_identity("gateway-1") };
            assert_eq!(caller.node(), node, "{name}");
        }
    }
}
