//! Names of a custom kind: what they must look like.

use super::text;
use crate::behaviour::causes::{invalid, required};
use crate::behaviour::names::{dns_1035_label, dns_subdomain};
use kubus_proto::status::Cause;
use serde_json::Value;

/// Checks an API group.
pub(super) fn check_group(group: &str, causes: &mut Vec<Cause>) {
    if group.is_empty() {
        causes.push(required("spec.group", ""));
        return;
    }
    let problems = dns_subdomain(group);
    if problems.is_empty() && !group.contains('.') {
        causes.push(invalid("spec.group", group, "should be a domain with at least one dot"));
    }
    causes.extend(problems.iter().map(|problem| invalid("spec.group", group, problem)));
}

/// Checks the names of a kind.
pub(super) fn check(names: &Value, causes: &mut Vec<Cause>) {
    for (field, wanted) in [("plural", true), ("singular", false)] {
        match text(names, field) {
            "" if wanted => causes.push(required(format!("spec.names.{field}"), "")),
            "" => {}
            name => {
                let problems = dns_1035_label(name);
                causes.extend(problems.iter().map(|problem| invalid(format!("spec.names.{field}"), name, problem)));
            }
        }
    }
    for field in ["kind", "listKind"] {
        match text(names, field) {
            "" => causes.push(required(format!("spec.names.{field}"), "")),
            name => {
                let problems = dns_1035_label(&name.to_lowercase());
                if !problems.is_empty() {
                    let detail = format!("may have mixed case, but should otherwise match: {}", problems.join(","));
                    causes.push(invalid(format!("spec.names.{field}"), name, detail));
                }
            }
        }
    }
    for field in ["shortNames", "categories"] {
        for (i, name) in names[field].as_array().into_iter().flatten().enumerate() {
            let name = name.as_str().unwrap_or_default();
            let problems = dns_1035_label(name);
            causes.extend(problems.iter().map(|problem| invalid(format!("spec.names.{field}[{i}]"), name, problem)));
        }
    }
    let (kind, list) = (text(names, "kind"), text(names, "listKind"));
    if !kind.is_empty() && kind == list {
        causes.push(invalid("spec.names.listKind", list, "kind and listKind may not be the same"));
    }
}
