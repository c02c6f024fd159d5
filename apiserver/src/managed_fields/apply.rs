//! Server-side apply: an object with what its applier wants, without what it no longer wants, and who owns what afterwards.
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/>

use super::Writer;
use super::compare::compare;
use super::conflict::{Conflict, Conflicts};
use super::describe::{check, describe};
use super::entry::{self, Entry, Operation};
use super::last_applied;
use super::merge::{merge, remove};
use super::scope::Scope;
use super::set::FieldSet;
use super::types::{Type, Types};
use serde_json::Value;

/// The manager of what was there before anyone applied.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Why something cannot be applied.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum ApplyError {
    /// `metadata.managedFields` is the server's.
    #[error("metadata.managedFields must be nil")]
    ManagedFields,
    /// It is not what its type says.
    #[error("{}", told(.0))]
    Misfit(Vec<String>),
    /// Others own some of it.
    #[error("{0}")]
    Conflicts(Conflicts),
}

/// One problem by itself, several as a list.
fn told(problems: &[String]) -> String {
    match problems {
        [one] => one.clone(),
        many => format!("errors:\n  {}", many.join("\n  ")),
    }
}

/// What was applied.
#[derive(Debug)]
pub struct Applied {
    /// The object, without managed fields.
    pub object: Value,
    /// Its managed fields.
    pub managed: Option<Value>,
}

/// Applies `config` to `live` (an empty map for an object that is not there yet), whose managed fields are in `stored` and
/// not in `live`.
pub(super) fn applied(
    types: &Types,
    scope: Scope,
    (live, stored): (&Value, &Value),
    config: &Value,
    force: bool,
    writer: &Writer<'_>,
) -> Result<Applied, ApplyError> {
    if !config["metadata"]["managedFields"].is_null() {
        return Err(ApplyError::ManagedFields);
    }
    let root = types.root();
    let misfits = check(root, config);
    if !misfits.is_empty() {
        return Err(ApplyError::Misfit(misfits));
    }
    let mut before = entry::trusted(stored.clone());
    if before.is_empty() && live.as_object().is_some_and(|fields| !fields.is_empty()) {
        before.extend(unowned(root, scope, live, writer));
    }
    let attempt = Attempt { root, scope, live, config, before: &before, writer };
    let (object, mut entries) = match attempt.run(force) {
        Err(conflicts) => {
            // What kubectl applied on its client's side it may take over.
            let own = last_applied::owned(root, scope, live, writer.manager);
            let left = conflicts.without(&own);
            if !left.is_empty() {
                return Err(ApplyError::Conflicts(left));
            }
            attempt.run(true).map_err(ApplyError::Conflicts)?
        }
        Ok(done) => done,
    };
    // Only something that changed has a new time.
    let same_sets = entries.len() == before.len()
        && entries.iter().all(|e| before.iter().any(|b| is_same_manager(e, b) && e.fields == b.fields));
    let mut object = object;
    if object != *live || !same_sets {
        entries.iter_mut().filter(|entry| is_writer(entry, writer)).for_each(|e| e.time = writer.time.to_owned());
    }
    last_applied::renew(&mut object, config, writer.manager);
    Ok(Applied { object, managed: (!entries.is_empty()).then(|| entry::write(entries)) })
}

/// The entry of an object that nobody owned so far.
fn unowned(root: Type<'_>, scope: Scope, live: &Value, writer: &Writer<'_>) -> Option<Entry> {
    let fields = super::compare::everything(root, scope, live);
    (!fields.is_empty()).then(|| Entry {
        manager: BEFORE_FIRST_APPLY.to_owned(),
        operation: Operation::Update,
        api_version: writer.api_version.to_owned(),
        subresource: writer.subresource.to_owned(),
        time: writer.time.to_owned(),
        fields,
    })
}

fn is_same_manager(a: &Entry, b: &Entry) -> bool {
    let versioned = a.operation == Operation::Update;
    a.operation == b.operation
        && a.manager == b.manager
        && a.subresource == b.subresource
        && (!versioned || a.api_version == b.api_version)
}

/// An applier is the same whatever version it speaks.
fn is_writer(entry: &Entry, writer: &Writer<'_>) -> bool {
    entry.operation == Operation::Apply && entry.manager == writer.manager && entry.subresource == writer.subresource
}

struct Attempt<'a> {
    root: Type<'a>,
    scope: Scope,
    live: &'a Value,
    config: &'a Value,
    before: &'a [Entry],
    writer: &'a Writer<'a>,
}

impl Attempt<'_> {
    fn run(&self, force: bool) -> Result<(Value, Vec<Entry>), Conflicts> {
        let Attempt { root, scope, live, config, before, writer } = *self;
        let mut entries: Vec<Entry> = before.to_vec();
        // A type that has come to be owned as a whole since is owned so by whoever owned a part.
        entries.iter_mut().for_each(|entry| entry.fields.fit(root));
        let at = entries.iter().position(|entry| is_writer(entry, writer));
        let last = at.map(|at| entries.remove(at));
        let mine = Entry {
            manager: writer.manager.to_owned(),
            operation: Operation::Apply,
            api_version: writer.api_version.to_owned(),
            subresource: writer.subresource.to_owned(),
            time: last.as_ref().map(|last| last.time.clone()).unwrap_or_default(),
            fields: describe(root, scope, config),
        };
        let mut object = merge(root, live, config);
        if let Some(last) = last.filter(|last| !last.fields.is_empty()) {
            object = self.prune(object, &entries, &mine, last.fields);
        }
        let difference = compare(root, scope, live, &object);
        let mut conflicts = Vec::new();
        for entry in &mut entries {
            let lost = entry.fields.intersection(&difference.changed);
            if !lost.is_empty() {
                conflicts.push(Conflict::of(entry, &lost));
                entry.fields.subtract(&lost);
            }
            entry.fields.subtract(&difference.removed);
        }
        if !force && !conflicts.is_empty() {
            return Err(Conflicts(conflicts));
        }
        entries.push(mine);
        entries.retain(|entry| !entry.fields.is_empty());
        Ok((object, entries))
    }

    /// `merged` without what the writer applied last time, does not apply now, and nobody else owns.
    fn prune(&self, merged: Value, others: &[Entry], mine: &Entry, last: FieldSet) -> Value {
        let (root, scope) = (self.root, self.scope);
        let said = |object: &Value| describe(root, scope, object).with_named(root);
        let last = last.with_named(root);
        let mut owned = mine.fields.clone();
        others.iter().for_each(|entry| owned.unite(&entry.fields));
        let owned = owned.with_named(root);
        let all = said(&merged);
        let stripped = remove(root, &merged, last.tree());
        // Back comes what others own, or the writer still does.
        let mut unwanted = all.clone();
        unwanted.subtract(&said(&stripped));
        unwanted.subtract(&owned);
        let kept = remove(root, &merged, unwanted.tree());
        // And what hung on what was taken away without ever being the writer's.
        let mut gone = all;
        gone.subtract(&said(&kept));
        remove(root, &merged, gone.intersection(&last).tree())
    }
}
