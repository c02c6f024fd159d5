//! Who owns what after an object was written by anything but server-side apply: the writer owns what it changed, and nobody
//! owns what is gone.

use super::compare::{compare, everything};
use super::entry::{self, Entry, Operation};
use super::scope::Scope;
use super::set::FieldSet;
use super::types::Types;
use super::{Managed, Writer};
use serde_json::Value;
use std::collections::BTreeMap;

/// Most entries of managers that do not apply; the oldest are put together beyond it.
const UPDATERS_LIMIT: usize = 10;
/// The manager under whose name they are.
const ANCIENT: &str = "ancient-changes";

/// The managed fields of a new object, which is not in `metadata` yet; `sent` is what the client sent as such.
pub(super) fn created(types: &Types, scope: Scope, object: &Value, sent: &Value, writer: &Writer<'_>) -> Option<Value> {
    let mut entries = if entry::is_reset(sent) { Vec::new() } else { entry::read(sent).unwrap_or_default() };
    let mine = everything(types.root(), scope, object);
    take_over(&mut entries, &mine, &FieldSet::default());
    add(&mut entries, mine, writer);
    (!entries.is_empty()).then(|| finish(entries))
}

/// The managed fields of a changed object. Neither `old` nor `new` hold any; `stored` are those of the old object, `sent`
/// are those that came with the new one, none where the client may not write them.
pub(super) fn updated(
    types: &Types,
    scope: Scope,
    (old, new): (&Value, &Value),
    stored: Value,
    sent: Option<Value>,
    writer: &Writer<'_>,
) -> Managed {
    let rewritten = match sent.filter(|sent| *sent != stored) {
        Some(sent) if entry::is_reset(&sent) => Some(Vec::new()),
        // Who does not understand managed fields does not lose them.
        Some(sent) => entry::read(&sent).ok().filter(|entries| !entries.is_empty()),
        None => None,
    };
    let is_rewritten = rewritten.is_some();
    // What nobody ever owned goes on like that, until it is applied.
    let tracked =
        rewritten.as_ref().map_or_else(|| stored.as_array().is_some_and(|s| !s.is_empty()), |e| !e.is_empty());
    let difference = if tracked { compare(types.root(), scope, old, new) } else { Default::default() };
    if difference.is_empty() && !is_rewritten {
        return Managed { fields: Some(stored).filter(|stored| !stored.is_null()), changed: false };
    }
    let mut entries = rewritten.unwrap_or_else(|| entry::trusted(stored));
    take_over(&mut entries, &difference.changed, &difference.removed);
    add(&mut entries, difference.changed, writer);
    Managed { fields: (!entries.is_empty()).then(|| finish(entries)), changed: true }
}

/// Takes from everybody what was changed or is gone.
fn take_over(entries: &mut Vec<Entry>, changed: &FieldSet, removed: &FieldSet) {
    entries.retain_mut(|entry| {
        entry.fields.subtract(changed);
        entry.fields.subtract(removed);
        !entry.fields.is_empty()
    });
}

/// Gives the writer what it changed, with the time of it.
fn add(entries: &mut Vec<Entry>, changed: FieldSet, writer: &Writer<'_>) {
    if changed.is_empty() {
        return;
    }
    let is_writer = |entry: &&mut Entry| {
        entry.operation == Operation::Update
            && entry.manager == writer.manager
            && entry.api_version == writer.api_version
            && entry.subresource == writer.subresource
    };
    match entries.iter_mut().find(is_writer) {
        Some(entry) => {
            entry.fields.unite(&changed);
            entry.time = writer.time.to_owned();
        }
        None => entries.push(Entry {
            manager: writer.manager.to_owned(),
            operation: Operation::Update,
            api_version: writer.api_version.to_owned(),
            subresource: writer.subresource.to_owned(),
            time: writer.time.to_owned(),
            fields: changed,
        }),
    }
}

fn finish(mut entries: Vec<Entry>) -> Value {
    put_together(&mut entries);
    entry::write(entries)
}

/// Puts the oldest updaters together, those of each version under one name, until there are few enough.
fn put_together(entries: &mut Vec<Entry>) {
    let updaters = |entries: &[Entry]| entries.iter().filter(|e| e.operation == Operation::Update).count();
    let mut surplus = updaters(entries).saturating_sub(UPDATERS_LIMIT);
    if surplus == 0 {
        return;
    }
    entries.sort_by(|a, b| (&a.time, &a.manager).cmp(&(&b.time, &b.manager)));
    let mut buckets: BTreeMap<String, Entry> = BTreeMap::new();
    let mut kept = Vec::with_capacity(entries.len());
    for entry in entries.drain(..) {
        if entry.operation == Operation::Apply || (surplus == 0 && !buckets.contains_key(&entry.api_version)) {
            kept.push(entry);
            continue;
        }
        match buckets.get_mut(&entry.api_version) {
            Some(bucket) if surplus > 0 => {
                bucket.fields.unite(&entry.fields);
                bucket.manager = ANCIENT.to_owned();
                bucket.subresource = String::new();
                bucket.time = entry.time;
                surplus -= 1;
            }
            Some(_) => kept.push(entry),
            // The first of its version alone is no gain; it waits for a second.
            None => {
                buckets.insert(entry.api_version.clone(), entry);
            }
        }
    }
    kept.extend(buckets.into_values());
    *entries = kept;
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_oldest_updaters_are_put_together() {
        let entry = |i: usize, version: &str| Entry {
            manager: format!("m{i:02}"),
            operation: Operation::Update,
            api_version: version.to_owned(),
            subresource: String::new(),
            time: format!("2024-01-01T00:00:{i:02}Z"),
            fields: FieldSet::trusted(json!({"f:data": {format!("f:{i}"): {}}})),
        };
        let mut few: Vec<Entry> = (0..UPDATERS_LIMIT).map(|i| entry(i, "v1")).collect();
        put_together(&mut few);
        assert_eq!(few.len(), UPDATERS_LIMIT);
        let mut many: Vec<Entry> = (0..13).map(|i| entry(i, if i == 1 { "v1beta1" } else { "v1" })).collect();
        put_together(&mut many);
        assert_eq!(many.len(), UPDATERS_LIMIT);
        let ancient = many.iter().find(|e| e.manager == ANCIENT).expect("a bucket");
        assert_eq!(
            ancient.fields.clone().into_value(),
            json!({"f:data": {"f:0": {}, "f:2": {}, "f:3": {}, "f:4": {}}})
        );
        assert_eq!((ancient.time.as_str(), ancient.api_version.as_str()), ("2024-01-01T00:00:04Z", "v1"));
        assert!(many.iter().any(|e| e.manager == "m01"), "alone of its version");
    }
}
