//! Writes that need more than the right to write: the rights they hand out, the labels a node gives itself. One row a
//! resource; each looks at what an object was and what it is about to be.

mod certificates;
mod nodes;
mod roles;

use super::{Attributes, Sight};
use crate::authenticate::Caller;
use kubus_proto::{ApiError, KindRow};
use serde_json::Value;

/// A write that is about to be made.
pub struct Write<'a> {
    /// Who makes it.
    pub caller: &'a Caller,
    /// What it was allowed as.
    pub wanted: Attributes<'a>,
    /// What decisions are made on.
    pub sight: &'a Sight<'a>,
    /// The object as it is; none where it is new.
    pub old: Option<&'a Value>,
    /// The object as it is about to be.
    pub new: &'a Value,
}

/// One row.
struct Guard {
    group: &'static str,
    resource: &'static str,
    /// Empty for the object itself.
    subresources: &'static [&'static str],
    check: fn(&Write<'_>) -> Result<(), ApiError>,
}

const CERTIFICATES: &str = "certificates.k8s.io";
const REQUESTS: &str = "certificatesigningrequests";

static GUARDS: &[Guard] = &[
    Guard { group: "", resource: "nodes", subresources: &["", "status"], check: nodes::check },
    Guard { group: CERTIFICATES, resource: REQUESTS, subresources: &[""], check: certificates::subject },
    Guard { group: CERTIFICATES, resource: REQUESTS, subresources: &["approval"], check: certificates::approval },
    Guard { group: CERTIFICATES, resource: REQUESTS, subresources: &["status"], check: certificates::status },
    Guard { group: super::rbac::GROUP, resource: "roles", subresources: &[""], check: roles::role },
    Guard { group: super::rbac::GROUP, resource: "clusterroles", subresources: &[""], check: roles::role },
    Guard { group: super::rbac::GROUP, resource: "rolebindings", subresources: &[""], check: roles::binding },
    Guard { group: super::rbac::GROUP, resource: "clusterrolebindings", subresources: &[""], check: roles::binding },
];

fn of<'a>(group: &'a str, resource: &'a str, subresource: &'a str) -> impl Iterator<Item = &'static Guard> + use<'a> {
    let mine = move |guard: &&Guard| {
        guard.group == group && guard.resource == resource && guard.subresources.contains(&subresource)
    };
    GUARDS.iter().filter(mine)
}

/// Whether anything guards writes of a kind's objects or of this subresource of them.
pub fn is_guarded(row: &KindRow, subresource: &str) -> bool {
    of(row.group, row.plural, subresource).next().is_some()
}

/// Lets a write pass, or says 403.
pub fn check(write: &Write<'_>) -> Result<(), ApiError> {
    let wanted = &write.wanted;
    of(wanted.group, wanted.resource, wanted.subresource).try_for_each(|guard| (guard.check)(write))
}

impl Write<'_> {
    fn name(&self) -> &str {
        self.new["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// 403 for the object.
    fn forbidden(&self, why: &str) -> ApiError {
        ApiError::forbidden(self.wanted.group, self.wanted.resource, self.name(), why)
    }

    /// Whether the caller may do something else.
    fn may(&self, wanted: &Attributes<'_>) -> bool {
        super::decide(self.caller.part, &self.caller.user, wanted, self.sight).allowed
    }
}
