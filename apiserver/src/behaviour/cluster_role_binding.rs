//! ClusterRoleBinding on its way into the store.
//! <https://kubernetes.io/docs/reference/access-authn-authz/rbac/>

use super::metadata::check;
use super::rbac::{default_binding, role_stays, validate_binding};
use super::{Behaviour, NameRule, PLAIN, schema_of};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;

/// Behaviour of ClusterRoleBinding.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::cluster_role_binding::ROW,
    schema: schema_of!(ClusterRoleBinding),
    name: NameRule::PathSegment,
    defaults: default_binding,
    rules: |binding, causes| {
        check(binding, causes, |binding: &ClusterRoleBinding, causes| {
            validate_binding(&binding.role_ref, binding.subjects.as_deref(), false, causes);
        });
    },
    update_rules: role_stays,
    ..PLAIN
};
