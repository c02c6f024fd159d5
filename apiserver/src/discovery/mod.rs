//! What is served, as clients ask for it before anything else: groups, their versions, and the resources of each.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#api-discovery>

mod aggregated;
mod listed;
mod served;
#[cfg(test)]
mod tests;

pub use served::{Group, Version, served};

use crate::custom::{CustomKind, registry};
use crate::state::State;
use aggregated::Form;
use kubus_proto::{KIND_TABLE, KindRow};
use serde_json::Value;
use std::sync::Arc;

/// Every kind there is while `state` holds: those of the table, and those that objects of `state` define.
pub fn kinds(state: &State) -> impl Iterator<Item = &'static KindRow> {
    let served = |kind: &Arc<CustomKind>| -> Vec<&'static KindRow> {
        kind.versions.iter().filter(|version| version.served).map(|version| version.row).collect()
    };
    let custom: Vec<&'static KindRow> = registry::all(state).iter().flat_map(served).collect();
    KIND_TABLE.iter().copied().chain(custom)
}

/// An answer about what is served.
#[derive(Debug)]
pub struct Document {
    /// What it says.
    pub value: Value,
    /// Its media type where that is not plain JSON.
    pub content_type: &'static str,
}

/// Answers a path of discovery (without a slash at its end) in the form that `accept` prefers; None for another path.
pub fn answer(path: &str, accept: &str, kinds: impl Iterator<Item = &'static KindRow>) -> Option<Document> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let (root, group, version) = match (parts.next()?, parts.next(), parts.next(), parts.next()) {
        (root @ ("api" | "apis"), None, None, None) => (root, None, None),
        ("api", Some(version), None, None) => ("api", Some(""), Some(version)),
        ("apis", Some(group), None, None) if !group.is_empty() => ("apis", Some(group), None),
        ("apis", Some(group), Some(version), None) if !group.is_empty() => ("apis", Some(group), Some(version)),
        _ => return None,
    };
    let groups = served(kinds);
    let plain = |value| Some(Document { value, content_type: "" });
    let Some(group) = group else {
        let wanted = groups.iter().filter(|group| group.name.is_empty() == (root == "api"));
        return match Form::preferred(accept) {
            Some(form) => Some(aggregated::list(form, wanted)),
            None if root == "api" => plain(listed::core(wanted)),
            None => plain(listed::groups(wanted)),
        };
    };
    let group = groups.iter().find(|served| served.name == group)?;
    match version {
        None => plain(listed::group(group)),
        Some(version) => plain(listed::resources(group, group.versions.iter().find(|served| served.name == version)?)),
    }
}

/// The paths there are to ask, for `/`.
pub fn index(kinds: impl Iterator<Item = &'static KindRow>) -> Value {
    let groups = served(kinds);
    let mut paths: Vec<String> =
        ["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]
            .map(str::to_owned)
            .to_vec();
    for group in &groups {
        if !group.name.is_empty() {
            paths.push(format!("/apis/{}", group.name));
        }
        paths.extend(group.versions.iter().map(|version| version_path(group.name, version.name)));
    }
    paths.sort();
    serde_json::json!({ "paths": paths })
}

/// `/api/v1`, `/apis/apps/v1`.
pub fn version_path(group: &str, version: &str) -> String {
    if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") }
}
