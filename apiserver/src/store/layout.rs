//! How log and state lie on the disk: one ordered map, told apart by the first byte of the key.
//!
//! | key | value |
//! |---|---|
//! | `l` index | an entry of the Raft log |
//! | `m` name | vote, purged log id, [`Applied`] |
//! | `s` generation `o` resource 0 namespace 0 name | an object |
//! | `s` generation `u` revision | an [`Undo`] record of the change log |
//! | `s` generation `c` resource 0 scope | last revision of a scope |
//! | `s` generation `r` resource | last revision of a resource |
//!
//! A state that came in a snapshot is written under a generation of its own and becomes the state when [`Applied`]
//! names it, in one batch, however large it is.

use super::disk::{Batch, Disk, DiskError};
use crate::state::{Entry, Image, ImageError, Key, Limits, Object, ResourceImage, State, Undo};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

const LOG: u8 = b'l';
const META: u8 = b'm';
const STATE: u8 = b's';
const OBJECT: u8 = b'o';
const UNDO: u8 = b'u';
const SCOPE: u8 = b'c';
const RESOURCE: u8 = b'r';
/// Rows of an old generation removed in one batch.
const REMOVE_COUNT: usize = 4_096;
/// Size of a batch in which a snapshot is written, in bytes.
const IMAGE_BATCH_BYTES: usize = 4 << 20;

/// The vote's name among the meta rows.
pub const VOTE: &str = "vote";
/// The last purged log id's name.
pub const PURGED: &str = "purged";
const APPLIED: &str = "applied";

/// Up to where the state on disk goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Under which generation the state lies.
    pub generation: u32,
    /// Store revision.
    pub revision: u64,
    /// See [`State::now_ms`].
    pub now_ms: i64,
    /// Raft's last applied log id and membership, encoded by Raft's side.
    #[serde(with = "serde_bytes")]
    pub raft: Vec<u8>,
}

/// Rows cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A row is not what it should be.
    #[error("damaged row: {0}")]
    Row(#[from] rmp_serde::decode::Error),
    /// A key is not what it should be.
    #[error("damaged key")]
    Key,
    /// The rows do not fit together.
    #[error(transparent)]
    Image(#[from] ImageError),
}

/// Key of one log entry.
pub fn log_key(index: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(9);
    key.push(LOG);
    key.extend_from_slice(&index.to_be_bytes());
    key
}

/// Before which key the log ends.
pub fn log_end() -> Vec<u8> {
    vec![LOG + 1]
}

/// The index in a log entry's key.
pub fn log_index(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.strip_prefix(&[LOG])?.try_into().ok()?))
}

/// Key of one meta row.
pub fn meta_key(name: &str) -> Vec<u8> {
    [&[META], name.as_bytes()].concat()
}

fn kind_key(generation: u32, kind: u8) -> Vec<u8> {
    let mut key = Vec::with_capacity(64);
    key.push(STATE);
    key.extend_from_slice(&generation.to_be_bytes());
    key.push(kind);
    key
}

fn kind_end(generation: u32, kind: u8) -> Vec<u8> {
    kind_key(generation, kind + 1)
}

fn texts_key(generation: u32, kind: u8, texts: &[&str]) -> Vec<u8> {
    let mut key = kind_key(generation, kind);
    for (i, text) in texts.iter().enumerate() {
        if i > 0 {
            key.push(0);
        }
        key.extend_from_slice(text.as_bytes());
    }
    key
}

fn undo_key(generation: u32, revision: u64) -> Vec<u8> {
    let mut key = kind_key(generation, UNDO);
    key.extend_from_slice(&revision.to_be_bytes());
    key
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // These are types of ours without anything a vector or MessagePack could refuse.
    rmp_serde::to_vec(value).unwrap_or_default()
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, LoadError> {
    Ok(rmp_serde::from_slice(bytes)?)
}

/// Adds what `entries` changed to a batch.
pub fn record(batch: &mut Batch, generation: u32, entries: &[Arc<Entry>]) {
    for entry in entries {
        let (resource, name) = (&*entry.resource, &entry.name);
        let object_key = texts_key(generation, OBJECT, &[resource, &name.namespace, &name.name]);
        match &entry.after {
            Some(object) => batch.put(object_key, encode(&**object)),
            None => batch.remove(object_key),
        }
        batch.put(undo_key(generation, entry.revision), encode(&Undo::from(&**entry)));
        batch.put(texts_key(generation, RESOURCE, &[resource]), encode(&entry.revision));
        batch.put(texts_key(generation, SCOPE, &[resource, entry.scope()]), encode(&entry.revision));
    }
}

/// Adds the removal of the change log's entries from revision `first` to `end`, without it.
pub fn forget(batch: &mut Batch, generation: u32, first: u64, end: u64) {
    for revision in first..end {
        batch.remove(undo_key(generation, revision));
    }
}

/// Adds how far the state goes.
pub fn mark(batch: &mut Batch, applied: &Applied) {
    batch.put(meta_key(APPLIED), encode(applied));
}

/// Writes a whole state under `applied.generation` and makes it the state.
pub fn replace(disk: &dyn Disk, image: &Image, applied: &Applied) -> Result<(), DiskError> {
    // What a crash left of an earlier attempt under this generation must not mix with it.
    remove_other_generations(disk, applied.generation.wrapping_sub(1))?;
    let generation = applied.generation;
    let mut batch = Batch::default();
    let mut put = |key: Vec<u8>, value: Vec<u8>| -> Result<(), DiskError> {
        batch.put(key, value);
        if batch.bytes < IMAGE_BATCH_BYTES { Ok(()) } else { disk.write(std::mem::take(&mut batch)) }
    };
    for rows in &image.resources {
        put(texts_key(generation, RESOURCE, &[&rows.resource]), encode(&rows.last))?;
        for (scope, last) in &rows.scopes {
            put(texts_key(generation, SCOPE, &[&rows.resource, scope]), encode(last))?;
        }
    }
    for (key, object) in &image.objects {
        put(texts_key(generation, OBJECT, &[&key.resource, &key.namespace, &key.name]), encode(&**object))?;
    }
    for undo in &image.undo {
        put(undo_key(generation, undo.revision), encode(undo))?;
    }
    mark(&mut batch, applied);
    disk.write(batch)?;
    remove_other_generations(disk, generation)
}

/// Removes what a replaced state, or one that was never completed, left behind.
pub fn remove_other_generations(disk: &dyn Disk, keep: u32) -> Result<(), DiskError> {
    let kept = kind_key(keep, 0)..kind_key(keep, u8::MAX);
    for (start, end) in [(vec![STATE], kept.start), (kept.end, vec![STATE + 1])] {
        loop {
            let mut batch = Batch::default();
            for row in disk.range(&start, &end).take(REMOVE_COUNT) {
                batch.remove(row?.0);
            }
            if batch.is_empty() {
                break;
            }
            disk.write(batch)?;
        }
    }
    Ok(())
}

/// Reads the state and how far it goes; an empty disk has an empty state.
pub fn load(disk: &dyn Disk, limits: Limits) -> Result<(State, Applied), LoadError> {
    let Some(applied) = disk.get(&meta_key(APPLIED))? else {
        return Ok((State::with_limits(limits), Applied::default()));
    };
    let applied: Applied = decode(&applied)?;
    let generation = applied.generation;
    let prefix = kind_key(generation, 0).len();
    let rows = |kind| {
        let (start, end) = (kind_key(generation, kind), kind_end(generation, kind));
        disk.range(&start, &end).collect::<Vec<_>>().into_iter()
    };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| LoadError::Key);
    let mut resources: BTreeMap<String, ResourceImage> = BTreeMap::new();
    for row in rows(RESOURCE) {
        let (key, value) = row?;
        let resource = text(&key[prefix..])?;
        let image = ResourceImage { resource: resource.clone(), last: decode(&value)?, scopes: Vec::new() };
        resources.insert(resource, image);
    }
    for row in rows(SCOPE) {
        let (key, value) = row?;
        let [resource, scope] = split(&key[prefix..])?;
        let image = resources.get_mut(&text(resource)?).ok_or(LoadError::Key)?;
        image.scopes.push((text(scope)?, decode(&value)?));
    }
    let mut objects = Vec::new();
    for row in rows(OBJECT) {
        let (key, value) = row?;
        let [resource, namespace, name] = split(&key[prefix..])?;
        let key = Key { resource: text(resource)?, namespace: text(namespace)?, name: text(name)? };
        objects.push((key, Arc::new(decode::<Object>(&value)?)));
    }
    let mut undo = Vec::new();
    for row in rows(UNDO) {
        undo.push(decode::<Undo>(&row?.1)?);
    }
    let resources = resources.into_values().collect();
    let image = Image { revision: applied.revision, now_ms: applied.now_ms, resources, objects, undo };
    Ok((State::restore(image, limits)?, applied))
}

fn split<const N: usize>(bytes: &[u8]) -> Result<[&[u8]; N], LoadError> {
    let parts: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
    parts.try_into().map_err(|_| LoadError::Key)
}
