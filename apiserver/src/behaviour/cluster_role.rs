//! ClusterRole on its way into the store.
//! <https://kubernetes.io/docs/reference/access-authn-authz/rbac/>

use super::causes::required;
use super::labels::validate_label_selector;
use super::metadata::check;
use super::path::FieldPath;
use super::rbac::validate_rules;
use super::{Behaviour, NameRule, PLAIN, schema_of};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kubus_proto::status::Cause;

/// Behaviour of ClusterRole.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::cluster_role::ROW,
    schema: schema_of!(ClusterRole),
    name: NameRule::PathSegment,
    rules: |role, causes| check(role, causes, validate),
    ..PLAIN
};

fn validate(role: &ClusterRole, causes: &mut Vec<Cause>) {
    validate_rules(role.rules.as_deref(), false, causes);
    let Some(aggregation) = &role.aggregation_rule else { return };
    let path = FieldPath::root("aggregationRule");
    let path = path.field("clusterRoleSelectors");
    let selectors = aggregation.cluster_role_selectors.as_deref().unwrap_or_default();
    if selectors.is_empty() {
        causes.push(required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil"));
    }
    for (i, selector) in selectors.iter().enumerate() {
        validate_label_selector(selector, &path.index(i), causes);
    }
}
