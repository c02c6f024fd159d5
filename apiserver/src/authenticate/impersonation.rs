//! Acting as somebody else: what right each part of that needs, and who it makes one.
//! <https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/>

use super::{ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, service_accounts};
use crate::authorize::{self, Attributes, Sight, rbac::index::SERVICE_ACCOUNT_PREFIX};
use kubus_proto::user::UserInfo;
use kubus_proto::{ApiError, Reason};

/// API group of the rights to give uids and extra keys.
const GROUP: &str = "authentication.k8s.io";

/// Namespace and name of a service account's user name.
fn service_account(name: &str) -> Option<(&str, &str)> {
    let (namespace, name) = name.strip_prefix(SERVICE_ACCOUNT_PREFIX)?.split_once(':')?;
    (!namespace.is_empty() && !name.is_empty()).then_some((namespace, name))
}

/// The user that `actor` acts as, where it may. `part` is the part of Kubus that `actor` is, none for a user.
pub fn impersonate(
    part: Option<authorize::components::Role>,
    actor: &UserInfo,
    wanted: &UserInfo,
    sight: &Sight<'_>,
) -> Result<UserInfo, ApiError> {
    if wanted.name.is_empty() {
        let text = "requested a group, uid or extra key without impersonating a user";
        return Err(ApiError::new(Reason::BadRequest, text));
    }
    let base = Attributes { verb: "impersonate", ..Attributes::default() };
    let mut needed = vec![match service_account(&wanted.name) {
        Some((namespace, name)) => Attributes { resource: "serviceaccounts", namespace, name, ..base },
        None => Attributes { resource: "users", name: &wanted.name, ..base },
    }];
    needed.extend(wanted.groups.iter().map(|name| Attributes { resource: "groups", name, ..base }));
    for (key, values) in &wanted.extra {
        let one = |name| Attributes { group: GROUP, resource: "userextras", subresource: key, name, ..base };
        needed.extend(values.iter().map(|value| one(value.as_str())));
    }
    if !wanted.uid.is_empty() {
        needed.push(Attributes { group: GROUP, resource: "uids", name: &wanted.uid, ..base });
    }
    for attributes in &needed {
        let decision = authorize::decide(part, actor, attributes, sight);
        if !decision.allowed {
            return Err(authorize::forbidden(&actor.name, attributes, &decision.reason));
        }
    }
    Ok(completed(wanted))
}

/// The user with the groups that nobody needs to name.
fn completed(wanted: &UserInfo) -> UserInfo {
    let mut user = wanted.clone();
    if let (true, Some((namespace, _))) = (user.groups.is_empty(), service_account(&user.name)) {
        user.groups = service_accounts::groups(namespace);
    }
    let known = |group: &str| wanted.groups.iter().any(|own| own == group);
    if user.name == ANONYMOUS {
        if !known(UNAUTHENTICATED) {
            user.groups.push(UNAUTHENTICATED.to_owned());
        }
    } else if !known(AUTHENTICATED) && !known(UNAUTHENTICATED) {
        user.groups.push(AUTHENTICATED.to_owned());
    }
    user
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_everybody_has_are_added() {
        let user = |name: &str, groups: &[&str]| UserInfo {
            name: name.to_owned(),
            groups: groups.iter().map(|g| (*g).to_owned()).collect(),
            ..UserInfo::default()
        };
        for (name, groups, expected) in [
            ("jane", &[][..], &["system:authenticated"][..]),
            ("jane", &["dev"], &["dev", "system:authenticated"]),
            ("jane", &["system:unauthenticated"], &["system:unauthenticated"]),
            ("system:anonymous", &[], &["system:unauthenticated"]),
            (
                "system:serviceaccount:a:b",
                &[],
                &["system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"],
            ),
            ("system:serviceaccount:a:b", &["x"], &["x", "system:authenticated"]),
            ("system:serviceaccount:a", &[], &["system:authenticated"]),
        ] {
            assert_eq!(completed(&user(name, groups)).groups, expected, "{name} {groups:?}");
        }
    }
}
