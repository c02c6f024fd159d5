//! Roles and bindings: nobody hands out rights it does not hold, unless it may `escalate` or `bind`.
//! <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping>

use super::Write;
use crate::authorize::rbac::index::RoleRef;
use crate::authorize::rbac::{GROUP, PolicyRule, cover};
use crate::authorize::{Attributes, MASTERS};
use kubus_proto::ApiError;
use serde_json::Value;

/// Whether nobody asks what the caller hands out: it may do everything, or is a part of Kubus that may write roles.
fn is_trusted(write: &Write<'_>) -> bool {
    write.caller.in_group(MASTERS) || write.caller.part.is_some()
}

fn rules_in(role: &Value) -> Vec<PolicyRule> {
    serde_json::from_value(role["rules"].clone()).unwrap_or_default()
}

/// The rules that let their holder do everything.
fn everything() -> Vec<PolicyRule> {
    let all = || vec!["*".to_owned()];
    let resources = PolicyRule { verbs: all(), api_groups: all(), resources: all(), ..PolicyRule::default() };
    vec![resources, PolicyRule { verbs: all(), non_resource_urls: all(), ..PolicyRule::default() }]
}

fn confirm(write: &Write<'_>, granted: &[PolicyRule]) -> Result<(), ApiError> {
    let index = (write.sight.rules)();
    let user = &write.caller.user;
    let held = index.rules_of(user, write.wanted.namespace);
    cover::confirm(user, &held, granted).map_err(|why| write.forbidden(&why))
}

/// A role that is made or changed.
pub fn role(write: &Write<'_>) -> Result<(), ApiError> {
    let (rules, aggregation) = (rules_in(write.new), &write.new["aggregationRule"]);
    let unchanged =
        write.old.is_some_and(|old| rules_in(old) == rules && old["aggregationRule"] == write.new["aggregationRule"]);
    let escalates = Attributes { verb: "escalate", ..write.wanted };
    if is_trusted(write) || unchanged || write.may(&escalates) {
        return Ok(());
    }
    if aggregation.is_object() && confirm(write, &everything()).is_err() {
        return Err(write.forbidden("must have cluster-admin privileges to use the aggregationRule"));
    }
    confirm(write, &rules)
}

/// A binding that is made or changed.
pub fn binding(write: &Write<'_>) -> Result<(), ApiError> {
    let text = |key: &str| write.new["roleRef"][key].as_str().unwrap_or_default();
    let (kind, name) = (text("kind"), text("name"));
    let unchanged = write.old.is_some_and(|old| old["subjects"] == write.new["subjects"]);
    let binds = Attributes {
        verb: "bind",
        group: GROUP,
        resource: if kind == "ClusterRole" { "clusterroles" } else { "roles" },
        namespace: write.wanted.namespace,
        name,
        ..Attributes::default()
    };
    if is_trusted(write) || unchanged || write.may(&binds) {
        return Ok(());
    }
    let role = RoleRef { kind: kind.to_owned(), name: name.to_owned() };
    let rules = (write.sight.rules)().rules(&role, write.wanted.namespace);
    let rules = rules.ok_or_else(|| ApiError::not_found(GROUP, binds.resource, name))?;
    confirm(write, &rules)
}
