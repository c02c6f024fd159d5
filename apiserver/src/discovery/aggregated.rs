//! The aggregated form of discovery: everything in two answers, one for the core group and one for the others.

use super::Document;
use super::listed::{nicknames, verbs};
use super::served::{Group, Version};
use kubus_proto::KindRow;
use serde_json::{Value, json};

/// Which version of the form a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `apidiscovery.k8s.io/v2`.
    V2,
    /// `apidiscovery.k8s.io/v2beta1`, of older clients.
    V2Beta1,
}

impl Form {
    /// The first of the media types in `accept` that is known: one of the aggregated ones, or None for the old form.
    pub fn preferred(accept: &str) -> Option<Self> {
        for media in accept.split(',') {
            let mut parts = media.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let mut found = (None, None, None);
            for (key, value) in parts.filter_map(|part| part.split_once('=')) {
                match key {
                    "g" => found.0 = Some(value),
                    "v" => found.1 = Some(value),
                    "as" => found.2 = Some(value),
                    _ => {}
                }
            }
            match (name, found) {
                ("application/json", (Some("apidiscovery.k8s.io"), Some(version), Some("APIGroupDiscoveryList"))) => {
                    match version {
                        "v2" => return Some(Form::V2),
                        "v2beta1" => return Some(Form::V2Beta1),
                        _ => {}
                    }
                }
                ("application/json" | "application/*" | "*/*", (.., None)) => return None,
                _ => {}
            }
        }
        None
    }

    fn version(self) -> &'static str {
        match self {
            Form::V2 => "apidiscovery.k8s.io/v2",
            Form::V2Beta1 => "apidiscovery.k8s.io/v2beta1",
        }
    }

    /// Clients take the answer for the old form unless its media type says otherwise.
    fn content_type(self) -> &'static str {
        match self {
            Form::V2 => "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            Form::V2Beta1 => "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        }
    }
}

/// `APIGroupDiscoveryList`.
pub fn list<'a>(form: Form, groups: impl Iterator<Item = &'a Group>) -> Document {
    let items: Vec<Value> = groups.map(group).collect();
    let value = json!({"kind": "APIGroupDiscoveryList", "apiVersion": form.version(), "metadata": {}, "items": items});
    Document { value, content_type: form.content_type() }
}

fn group(group: &Group) -> Value {
    let mut metadata = json!({"creationTimestamp": null});
    if !group.name.is_empty() {
        metadata["name"] = json!(group.name);
    }
    let version = |version: &Version| {
        let resources: Vec<Value> = version.kinds.iter().map(|row| resource(row, group.name, version.name)).collect();
        json!({"version": version.name, "resources": resources, "freshness": "Current"})
    };
    json!({"metadata": metadata, "versions": group.versions.iter().map(version).collect::<Vec<_>>()})
}

fn resource(row: &KindRow, group: &str, version: &str) -> Value {
    let kind = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let mut value = json!({
        "resource": row.plural,
        "responseKind": kind(group, version, row.kind),
        "scope": if row.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": row.singular,
        "verbs": verbs(row.verbs),
    });
    for (key, names) in nicknames(row, group, version) {
        if !names.is_empty() {
            value[key] = json!(names);
        }
    }
    let mut parts: Vec<_> = row.subresources.iter().collect();
    parts.sort_by_key(|part| part.name);
    let parts = parts.into_iter().map(|part| {
        let (group, version) = match part.group_version {
            "" => (group, version),
            other => other.split_once('/').unwrap_or(("", other)),
        };
        let response = kind(group, version, part.kind);
        json!({"subresource": part.name, "responseKind": response, "verbs": verbs(part.verbs)})
    });
    let parts: Vec<Value> = parts.collect();
    if !parts.is_empty() {
        value["subresources"] = json!(parts);
    }
    value
}
