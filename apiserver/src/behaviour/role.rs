//! Role on its way into the store.
//! <https://kubernetes.io/docs/reference/access-authn-authz/rbac/>

use super::metadata::check;
use super::rbac::validate_rules;
use super::{Behaviour, NameRule, PLAIN, schema_of};
use k8s_openapi::api::rbac::v1::Role;

/// Behaviour of Role.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::role::ROW,
    schema: schema_of!(Role),
    name: NameRule::PathSegment,
    rules: |role, causes| {
        check(role, causes, |role: &Role, causes| validate_rules(role.rules.as_deref(), true, causes))
    },
    ..PLAIN
};
