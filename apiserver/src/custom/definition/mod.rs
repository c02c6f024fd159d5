//! CustomResourceDefinitions on their way into the store: what is left out, what is wrong, and what becomes of their
//! names. <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/>

mod names;
mod status;
mod subresources;
mod versions;

#[cfg(test)]
mod tests;

pub use status::{FINALIZER, hold_for_objects, settle};

use crate::behaviour::at::At;
use crate::behaviour::causes::{invalid, not_supported, required};
use crate::behaviour::defaulting;
use kubus_proto::status::Cause;
use serde_json::{Value, json};

/// Who says that a group of Kubernetes' own may be used.
const APPROVAL: &str = "api-approved.kubernetes.io";

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Fills in what was left out.
pub fn default(definition: &mut Value) {
    let Some(spec) = definition.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if let Some(names) = defaulting::object(spec, "names") {
        let kind = names.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        if !kind.is_empty() {
            defaulting::put_filled(names, "singular", &kind.to_lowercase());
            defaulting::put_filled(names, "listKind", &format!("{kind}List"));
        }
    }
    defaulting::put(spec, "conversion", json!({"strategy": "None"}));
    let service = spec["conversion"].get_mut("webhook").and_then(|webhook| webhook.get_mut("clientConfig"));
    let service = service.and_then(|client| client.get_mut("service")).and_then(Value::as_object_mut);
    if let Some(service) = service {
        defaulting::put(service, "port", 443);
    }
    if spec.get("preserveUnknownFields") == Some(&json!(false)) {
        spec.remove("preserveUnknownFields");
    }
}

/// What is wrong with a definition, new or changed.
pub fn check(definition: &Value, causes: &mut Vec<Cause>) {
    let spec = &definition["spec"];
    let (group, plural) = (text(spec, "group"), text(&spec["names"], "plural"));
    if text(&definition["metadata"], "name") != format!("{plural}.{group}") {
        let name = text(&definition["metadata"], "name");
        causes.push(invalid("metadata.name", name, "must be spec.names.plural+\".\"+spec.group"));
    }
    names::check_group(group, causes);
    check_approval(definition, group, causes);
    match text(spec, "scope") {
        "" => causes.push(required("spec.scope", "")),
        "Cluster" | "Namespaced" => {}
        other => causes.push(not_supported("spec.scope", other, &["Cluster", "Namespaced"])),
    }
    names::check(&spec["names"], causes);
    versions::check(spec, causes);
    versions::check_conversion(&At::root(definition, "spec"), causes);
    if spec["preserveUnknownFields"] == true {
        let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in \
            spec.versions[*].schema instead";
        causes.push(invalid("spec.preserveUnknownFields", true, detail));
    }
}

/// What its author should know about a good definition.
pub fn warnings(definition: &Value) -> Vec<String> {
    versions::warnings(&definition["spec"])
}

/// Groups of Kubernetes' own need a word that somebody looked at them.
fn check_approval(definition: &Value, group: &str, causes: &mut Vec<Cause>) {
    let protected = ["k8s.io", "kubernetes.io"].iter().any(|own| group == *own || group.ends_with(&format!(".{own}")));
    if !protected {
        return;
    }
    let field = format!("metadata.annotations[{APPROVAL}]");
    let approval = text(&definition["metadata"]["annotations"], APPROVAL);
    let see = "see https://github.com/kubernetes/enhancements/pull/1111";
    if approval.is_empty() {
        causes.push(required(field, &format!("protected groups must have approval annotation {APPROVAL:?}, {see}")));
    } else if !approval.starts_with("unapproved") && !approval.starts_with("https://") {
        let detail = format!(
            "protected groups must have approval annotation {APPROVAL:?} with either a URL or a reason \
            starting with \"unapproved\", {see}"
        );
        causes.push(invalid(field, approval, detail));
    }
}

/// What an update may not change.
pub fn check_update(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let mut frozen = vec!["group"];
    if super::registry::is_established(old) {
        frozen.push("scope");
    }
    for field in frozen {
        if new["spec"][field] != old["spec"][field] {
            causes.push(invalid(format!("spec.{field}"), new["spec"][field].clone(), "field is immutable"));
        }
    }
    let mut frozen = vec!["plural"];
    if super::registry::is_established(old) {
        frozen.push("kind");
    }
    for field in frozen {
        let (new, old) = (&new["spec"]["names"][field], &old["spec"]["names"][field]);
        if new != old {
            causes.push(invalid(format!("spec.names.{field}"), new.clone(), "field is immutable"));
        }
    }
    check_stored(new, &old["status"], causes);
}

/// Versions that objects may be stored in must stay defined.
pub fn check_stored(definition: &Value, status: &Value, causes: &mut Vec<Cause>) {
    let versions = definition["spec"]["versions"].as_array();
    for (i, stored) in status["storedVersions"].as_array().into_iter().flatten().enumerate() {
        if !versions.is_some_and(|versions| versions.iter().any(|version| version["name"] == *stored)) {
            let field = format!("status.storedVersions[{i}]");
            causes.push(invalid(field, stored.clone(), "missing from spec.versions; must appear in spec.versions"));
        }
    }
}
