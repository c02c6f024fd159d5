//! What every kind looks like and what can be asked of it: OpenAPI documents, made of the kinds table, the Kubernetes
//! types and the definitions of custom kinds. Nothing is made before somebody asks for it.

mod custom;
mod definitions;
mod enums;
mod extensions;
mod operations;
#[cfg(test)]
mod tests;
mod types;
mod v2;
mod v2_protobuf;
mod v3;

use crate::discovery::{self, Group, Version, served, version_path};
use crate::state::State;
use bytes::Bytes;
use definitions::{Definitions, KindName};
use kubus_proto::{KindRow, VERSION, kinds};
use operations::PathItem;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Most bytes of documents that are kept; with more, all are made again when they are asked for.
const KEPT_LIMIT_BYTES: usize = 64 << 20;
/// Part of every hash: to be raised when the same kinds get other documents.
const FORM: u32 = 1;
/// Path of the index, and the beginning of the paths of documents.
const V3: &str = "/openapi/v3";
/// Path of the one document of the older version.
const V2: &str = "/openapi/v2";
/// What older clients call [`v2_protobuf::CONTENT_TYPE`]; it is no media type, since `@` may not stand in one.
const OLD_V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/// A document, as its bytes go out.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: Bytes,
}

/// The documents that were made so far. Clones share them.
#[derive(Clone, Default)]
pub struct OpenApi {
    kept: Arc<Mutex<HashMap<String, (String, Bytes)>>>,
}

impl OpenApi {
    /// Answers a path below `/openapi`; None for a document that is not there.
    pub async fn answer(&self, path: &str, accept: &str, state: &Arc<State>) -> Option<Answer> {
        let json = |body| Some(Answer { content_type: "application/json", body });
        if path == V2 {
            let content_type = v2_media_type(accept);
            let state = state.clone();
            let hash = hash(&state, served(discovery::kinds(&state)).iter());
            let make = move || v2_document(&state, content_type);
            let body = self.keep(format!("{V2} {content_type}"), hash, make).await?;
            return Some(Answer { content_type, body });
        }
        let rest = path.strip_prefix(V3)?;
        let groups = served(discovery::kinds(state));
        if rest.is_empty() {
            return json(serde_json::to_vec(&index(state, &groups)).ok()?.into());
        }
        let (group, version) = find(&groups, rest)?;
        let (group, version) = (group.name, version.name);
        let hash = version_hash(state, &groups, group, version)?;
        let state = state.clone();
        json(self.keep(path.to_owned(), hash, move || v3_document(&state, group, version)).await?)
    }

    /// The document that is kept under `key` if it has that hash, or a new one.
    async fn keep(
        &self,
        key: String,
        hash: String,
        make: impl FnOnce() -> Option<Vec<u8>> + Send + 'static,
    ) -> Option<Bytes> {
        let mut kept = self.kept.lock().await;
        if let Some((_, body)) = kept.get(&key).filter(|(made_of, _)| *made_of == hash) {
            return Some(body.clone());
        }
        let body: Bytes = tokio::task::spawn_blocking(make).await.ok()??.into();
        kept.remove(&key);
        if kept.values().map(|(_, body)| body.len()).sum::<usize>() + body.len() > KEPT_LIMIT_BYTES {
            kept.clear();
        }
        kept.insert(key, (hash, body.clone()));
        Some(body)
    }
}

/// The first form of the older document in `accept` that is known.
fn v2_media_type(accept: &str) -> &'static str {
    for media in accept.split(',').map(|media| media.split(';').next().unwrap_or_default().trim()) {
        if matches!(media, v2_protobuf::CONTENT_TYPE | OLD_V2_PROTOBUF) {
            return v2_protobuf::CONTENT_TYPE;
        }
        if matches!(media, "application/json" | "application/*" | "*/*") {
            break;
        }
    }
    "application/json"
}

/// The version of a group that `/apis/apps/v1` names.
fn find<'a>(groups: &'a [Group], path: &str) -> Option<(&'a Group, &'a Version)> {
    let all = groups.iter().flat_map(|group| group.versions.iter().map(move |version| (group, version)));
    let mut found = all.filter(|(group, version)| version_path(group.name, version.name) == path);
    found.next()
}

/// Where the document of each version is. Its address changes when it does, so that clients may keep what they have.
fn index(state: &State, groups: &[Group]) -> Value {
    let mut paths = Map::new();
    for group in groups {
        for version in &group.versions {
            let path = version_path(group.name, version.name);
            let hash = version_hash(state, groups, group.name, version.name).unwrap_or_default();
            let entry = json!({"serverRelativeURL": format!("{V3}{path}?hash={hash}")});
            paths.insert(path.trim_start_matches('/').to_owned(), entry);
        }
    }
    json!({ "paths": paths })
}

fn version_hash(state: &State, groups: &[Group], group: &str, version: &str) -> Option<String> {
    let group = groups.iter().find(|served| served.name == group)?;
    let version = group.versions.iter().find(|served| served.name == version)?;
    let mut digest = seed();
    add_to_hash(&mut digest, state, group, version);
    // What deletions are told is of every group.
    groups
        .iter()
        .for_each(|group| group.versions.iter().for_each(|v| digest.update(format!("{}/{};", group.name, v.name))));
    Some(written(digest))
}

fn hash<'a>(state: &State, groups: impl Iterator<Item = &'a Group>) -> String {
    let mut digest = seed();
    for group in groups {
        group.versions.iter().for_each(|version| add_to_hash(&mut digest, state, group, version));
    }
    written(digest)
}

fn seed() -> Sha256 {
    let mut digest = Sha256::new();
    digest.update(format!("{VERSION} {FORM};"));
    digest
}

fn add_to_hash(digest: &mut Sha256, state: &State, group: &Group, version: &Version) {
    for row in &version.kinds {
        digest.update(format!("{}/{} {row:?} {:?};", group.name, version.name, row.subresources));
        if is_custom(row) {
            digest.update(custom::revision(state, row).to_be_bytes());
        }
    }
}

fn written(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02X}")).collect()
}

fn is_custom(row: &KindRow) -> bool {
    kinds::custom::of(row).is_some()
}

/// Adds everything of one version, and gives its paths.
fn collect(definitions: &mut Definitions, state: &State, group: &Group, version: &Version) -> Vec<PathItem> {
    let mut items = Vec::new();
    for row in &version.kinds {
        let name = KindName { group: group.name, version: version.name, kind: row.kind };
        let schema = is_custom(row).then(|| custom::schema(state, row));
        definitions.add(name, row, schema.as_ref());
        items.extend(operations::of_kind(name, row, schema.is_none()));
    }
    items
}

fn every_version(groups: &[Group]) -> Vec<(&str, &str)> {
    groups.iter().flat_map(|group| group.versions.iter().map(|version| (group.name, version.name))).collect()
}

fn v3_document(state: &State, group: &str, version: &str) -> Option<Vec<u8>> {
    let groups = served(discovery::kinds(state));
    let (group, version) = find(&groups, &version_path(group, version))?;
    let mut definitions = Definitions::default();
    let items = collect(&mut definitions, state, group, version);
    definitions.add_common(&every_version(&groups));
    serde_json::to_vec(&v3::document(definitions.finish(), &items)).ok()
}

fn v2_document(state: &State, content_type: &str) -> Option<Vec<u8>> {
    let groups = served(discovery::kinds(state));
    let mut definitions = Definitions::default();
    let (mut items, mut of_custom) = (Vec::new(), BTreeSet::new());
    for group in &groups {
        for version in &group.versions {
            items.extend(collect(&mut definitions, state, group, version));
            let custom = version.kinds.iter().filter(|row| is_custom(row));
            of_custom.extend(
                custom.map(|row| KindName { group: group.name, version: version.name, kind: row.kind }.definition()),
            );
        }
    }
    definitions.add_common(&every_version(&groups));
    let document = v2::document(definitions.finish(), &items, |name| of_custom.contains(name));
    if content_type == "application/json" {
        return serde_json::to_vec(&document).ok();
    }
    Some(v2_protobuf::encode(&document))
}
