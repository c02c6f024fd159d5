//! Applies a command: pure and deterministic, so that every replica that applied the same log has the same state.

use super::log::Entry;
use super::{Action, Command, Conflict, Name, Object, Op, Outcome, RequestId, Require, State, Transaction};
use std::sync::Arc;

/// What a command did.
#[derive(Debug, Default)]
pub struct Applied {
    /// One for each transaction, in their order.
    pub outcomes: Vec<Outcome>,
    /// Every change, oldest first.
    pub entries: Vec<Arc<Entry>>,
}

impl State {
    /// Applies `command`. Each transaction is decided alone; one that fails changes nothing.
    pub fn apply(&mut self, command: Command) -> Applied {
        // A new leader's clock may be behind the old one's; the log's age must not run backwards.
        self.now_ms = self.now_ms.max(command.now_ms);
        let mut applied = Applied::default();
        for transaction in command.transactions {
            let outcome = self.transact(transaction, &mut applied.entries);
            applied.outcomes.push(outcome);
        }
        self.log.trim(&self.limits, self.now_ms);
        applied
    }

    fn transact(&mut self, transaction: Transaction, entries: &mut Vec<Arc<Entry>>) -> Outcome {
        if let Some(answer) = self.log.answer(&transaction.id) {
            let mut changes = answer.map(|entry| entry.revision);
            let revision = |op: &Op| match op.action {
                Action::Check => 0,
                Action::Put(_) | Action::Delete => changes.next().unwrap_or_default(),
            };
            return Outcome::Repeated { revisions: transaction.ops.iter().map(revision).collect() };
        }
        // Where only the last operation changes something, all requirements are known to hold before it does.
        let earlier = transaction.ops.split_last().map_or(&[][..], |(_, earlier)| earlier);
        let undo = earlier.iter().any(|op| op.action != Action::Check).then(|| (self.clone(), entries.len()));
        let mut revisions = Vec::with_capacity(transaction.ops.len());
        for (op, operation) in transaction.ops.into_iter().enumerate() {
            match self.operate(operation, transaction.id, entries) {
                Ok(revision) => revisions.push(revision),
                Err(conflict) => {
                    if let Some((state, length)) = undo {
                        *self = state;
                        entries.truncate(length);
                    }
                    return Outcome::Failed { op, conflict };
                }
            }
        }
        Outcome::Done { revisions }
    }

    fn operate(&mut self, op: Op, request: RequestId, entries: &mut Vec<Arc<Entry>>) -> Result<u64, Conflict> {
        let current = self.get(&op.key).cloned();
        check(&op.require, current.as_deref())?;
        let revision = self.revision + 1;
        let after = match op.action {
            Action::Check => return Ok(current.map_or(0, |object| object.revision)),
            Action::Delete if current.is_none() => return Err(Conflict::Missing),
            Action::Delete => None,
            Action::Put(draft) => match self.taken(&op.key, &draft.claims) {
                Some(claim) => return Err(Conflict::Claimed { claim: claim.to_owned() }),
                None => Some(Arc::new(draft.complete(revision))),
            },
        };
        let claims = |object: &Option<Arc<Object>>| object.as_ref().map(|o| o.claims.clone()).unwrap_or_default();
        let (held, claimed) = (claims(&current), claims(&after));
        if !held.is_empty() || !claimed.is_empty() {
            self.hold(&op.key, &held, &claimed);
        }
        let resource: Arc<str> = match self.resources.get_key_value(op.key.resource.as_str()) {
            Some((resource, _)) => resource.clone(),
            None => op.key.resource.into(),
        };
        let name = Arc::new(Name { namespace: op.key.namespace.into(), name: op.key.name.into() });
        let rows = self.resources.entry(resource.clone()).or_default();
        let name = rows.objects.get_key_value(&name).map_or(name, |(stored, _)| stored.clone());
        let scope = after.as_ref().or(current.as_ref()).map_or("", |object| &object.scope);
        let previous_in_scope = match rows.scopes.get_mut(scope) {
            Some(last) => std::mem::replace(last, revision),
            None => {
                rows.scopes.insert(scope.into(), revision);
                0
            }
        };
        let previous = std::mem::replace(&mut rows.last, revision);
        match &after {
            Some(object) => rows.objects.insert(name.clone(), object.clone()),
            None => rows.objects.remove(&name),
        };
        let at_ms = self.now_ms;
        let entry =
            Entry { revision, previous, previous_in_scope, request, at_ms, resource, name, before: current, after };
        let entry = Arc::new(entry);
        self.revision = revision;
        self.log.push(entry.clone());
        entries.push(entry);
        Ok(revision)
    }
}

fn check(require: &Require, current: Option<&Object>) -> Result<(), Conflict> {
    let Some(object) = current else {
        let wanted = require.revision.is_some() || require.uid.is_some();
        return if wanted { Err(Conflict::Missing) } else { Ok(()) };
    };
    if require.absent {
        return Err(Conflict::Exists);
    }
    // A namesake is said before a newer state: the caller then knows that its object is gone.
    if require.uid.as_ref().is_some_and(|uid| *uid != object.uid) {
        return Err(Conflict::Uid { actual: object.uid.clone() });
    }
    match require.revision {
        Some(revision) if revision != object.revision => Err(Conflict::Revision { actual: object.revision }),
        _ => Ok(()),
    }
}
