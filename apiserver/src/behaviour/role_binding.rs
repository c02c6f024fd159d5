//! RoleBinding on its way into the store.
//! <https://kubernetes.io/docs/reference/access-authn-authz/rbac/>

use super::metadata::check;
use super::rbac::{default_binding, role_stays, validate_binding};
use super::{Behaviour, NameRule, PLAIN, schema_of};
use k8s_openapi::api::rbac::v1::RoleBinding;

/// Behaviour of RoleBinding.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::role_binding::ROW,
    schema: schema_of!(RoleBinding),
    name: NameRule::PathSegment,
    defaults: default_binding,
    rules: |binding, causes| {
        check(binding, causes, |binding: &RoleBinding, causes| {
            validate_binding(&binding.role_ref, binding.subjects.as_deref(), true, causes);
        });
    },
    update_rules: role_stays,
    ..PLAIN
};
