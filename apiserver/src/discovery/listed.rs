//! The old form of discovery: one document for the groups, one for each version of each.

use super::served::{Group, Version};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kubus_proto::kinds::versions;
use kubus_proto::{KindRow, Verb};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// How many bytes of the digest a storage hash shows.
const STORAGE_HASH_BYTES: usize = 8;

/// `APIVersions`: the versions of the core group.
pub fn core<'a>(groups: impl Iterator<Item = &'a Group>) -> Value {
    let versions: Vec<&str> = groups.flat_map(|group| &group.versions).map(|version| version.name).collect();
    json!({"kind": "APIVersions", "versions": versions, "serverAddressByClientCIDRs": []})
}

/// `APIGroupList`.
pub fn groups<'a>(groups: impl Iterator<Item = &'a Group>) -> Value {
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups.map(entry).collect::<Vec<_>>()})
}

/// `APIGroup`.
pub fn group(group: &Group) -> Value {
    let mut value = entry(group);
    value["kind"] = json!("APIGroup");
    value["apiVersion"] = json!("v1");
    value
}

fn entry(group: &Group) -> Value {
    let version = |v: &Version| json!({"groupVersion": group_version(group.name, v.name), "version": v.name});
    let versions: Vec<Value> = group.versions.iter().map(version).collect();
    json!({"name": group.name, "versions": versions, "preferredVersion": versions.first()})
}

/// `v1`, `apps/v1`.
pub fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// `APIResourceList`: the kinds of a version and their subresources.
pub fn resources(group: &Group, version: &Version) -> Value {
    let resources: Vec<Value> = version.kinds.iter().flat_map(|row| resource(row, group.name, version.name)).collect();
    json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version(group.name, version.name),
        "resources": resources,
    })
}

fn resource(row: &KindRow, group: &str, version: &str) -> Vec<Value> {
    let mut main = json!({
        "name": row.plural,
        "singularName": row.singular,
        "namespaced": row.namespaced,
        "kind": row.kind,
        "verbs": verbs(row.verbs),
    });
    for (key, names) in nicknames(row, group, version) {
        if !names.is_empty() {
            main[key] = json!(names);
        }
    }
    // What is only ever created, such as a review, is not stored.
    if row.verbs.contains(&Verb::Get) {
        main["storageVersionHash"] = json!(storage_hash(row));
    }
    let mut all = vec![main];
    let mut parts: Vec<_> = row.subresources.iter().collect();
    parts.sort_by_key(|part| part.name);
    for part in parts {
        let mut value = json!({
            "name": format!("{}/{}", row.plural, part.name),
            "singularName": "",
            "namespaced": row.namespaced,
            "kind": part.kind,
            "verbs": verbs(part.verbs),
        });
        if !part.group_version.is_empty() {
            let (group, version) = part.group_version.split_once('/').unwrap_or(("", part.group_version));
            value["group"] = json!(group);
            value["version"] = json!(version);
        }
        all.push(value);
    }
    all
}

/// Short names and categories; none for what is only there for old manifests in a group of its own, so that nobody who
/// asks for `all` or `deploy` gets objects twice.
pub fn nicknames<'a>(row: &'a KindRow, group: &str, version: &str) -> [(&'static str, &'a [&'static str]); 2] {
    let served = versions::by_plural(group, version, row.plural);
    let hidden = group != row.group && served.is_some_and(|served| served.deprecated.is_some());
    let all = [("shortNames", row.short_names), ("categories", row.categories)];
    if hidden { all.map(|(key, _)| (key, [].as_slice())) } else { all }
}

/// Verbs as they are written, by name.
pub fn verbs(verbs: &[Verb]) -> Vec<&'static str> {
    let mut names: Vec<&str> = verbs.iter().map(|verb| verb.as_str()).collect();
    names.sort_unstable();
    names
}

/// Tells clients that migrate objects when the version that is stored changed.
fn storage_hash(row: &KindRow) -> String {
    let digest = Sha256::digest(format!("{}/{}/{}", row.group, row.version, row.kind));
    BASE64_STANDARD.encode(&digest[..STORAGE_HASH_BYTES])
}
