//! Events: the leader publishes one message a change, and bookmarks that let watchers notice what they missed.
//! Applying never waits for it; what is dropped, or lost with an old leader, the next bookmark reveals.

use crate::raft::Shown;
use crate::state::{Entry, State};
use kubus_proto::codec;
use kubus_proto::event::{Bookmark, ScopeBookmark};
use kubus_proto::subject;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Most applied batches that wait to be published; what comes beyond them is dropped.
const QUEUE_COUNT: usize = 1_024;
/// How often all resources' bookmarks are published.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(1);
/// Bookmarks of a scope follow its last change after 1, 2, 4 … seconds, this many times.
const SCOPE_BOOKMARKS: u32 = 6;
/// How often it is looked whether a scope's bookmark is due.
const SCOPE_INTERVAL: Duration = Duration::from_millis(250);
/// Changes of a new leader's past whose scopes get bookmarks again, in milliseconds: the old leader may have died before
/// it published them.
const RECENT_MS: i64 = 64_000;
/// What a message takes beside its payload, in bytes.
const MESSAGE_BYTES: usize = 1_024;

/// Where applied changes are put. It takes them only while this replica leads.
#[derive(Clone)]
pub struct Outbox {
    queue: mpsc::Sender<Vec<Arc<Entry>>>,
    leading: Arc<AtomicBool>,
    dropped: Arc<AtomicBool>,
}

/// The other end of an [`Outbox`].
pub struct Inbox {
    queue: mpsc::Receiver<Vec<Arc<Entry>>>,
    dropped: Arc<AtomicBool>,
}

/// An outbox and its other end; `leading` says whether this replica leads.
pub fn outbox(leading: Arc<AtomicBool>) -> (Outbox, Inbox) {
    let (sender, queue) = mpsc::channel(QUEUE_COUNT);
    let dropped = Arc::new(AtomicBool::new(false));
    (Outbox { queue: sender, leading, dropped: dropped.clone() }, Inbox { queue, dropped })
}

impl Outbox {
    /// Takes changes to be published; never waits.
    pub fn push(&self, entries: &[Arc<Entry>]) {
        if entries.is_empty() || !self.leading.load(Ordering::Relaxed) {
            return;
        }
        if self.queue.try_send(entries.to_vec()).is_err() {
            self.dropped.store(true, Ordering::Relaxed);
        }
    }
}

/// A scope whose last change was not long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Recent {
    /// Revision of its last change.
    last: u64,
    at: Instant,
    /// How many bookmarks followed it.
    sent: u32,
}

impl Recent {
    fn due(&self) -> Instant {
        self.at + Duration::from_secs(1 << self.sent.min(SCOPE_BOOKMARKS))
    }
}

/// Scopes with bookmarks yet to be sent, by resource and scope.
#[derive(Debug, Default)]
struct Scopes {
    recent: HashMap<(Arc<str>, String), Recent>,
}

impl Scopes {
    fn changed(&mut self, entry: &Entry, at: Instant) {
        let scope = entry.scope();
        if !scope.is_empty() {
            let recent = Recent { last: entry.revision, at, sent: 0 };
            self.recent.insert((entry.resource.clone(), scope.to_owned()), recent);
        }
    }

    /// Every scope that changed recently, as a new leader knows from the log.
    fn changed_recently(&mut self, state: &State, now_ms: i64, at: Instant) {
        let newest_first = (1..=state.revision()).rev().map_while(|revision| state.entry(revision));
        let mut known = Scopes::default();
        for entry in newest_first.take_while(|entry| entry.at_ms >= now_ms - RECENT_MS) {
            let key = (entry.resource.clone(), entry.scope().to_owned());
            if !known.recent.contains_key(&key) {
                known.changed(entry, at);
            }
        }
        self.recent.extend(known.recent);
    }

    /// Resource, scope and last revision of those whose bookmark is due.
    fn due(&mut self, now: Instant) -> Vec<(Arc<str>, String, u64)> {
        let mut due = Vec::new();
        self.recent.retain(|(resource, scope), recent| {
            if recent.due() <= now {
                recent.sent += 1;
                due.push((resource.clone(), scope.clone(), recent.last));
            }
            recent.sent < SCOPE_BOOKMARKS
        });
        due
    }
}

/// Publishes what one replica applies while it leads.
pub struct Publisher {
    /// The bus.
    pub nats: async_nats::Client,
    /// What readers see; bookmarks are about it.
    pub shown: Arc<Shown>,
    /// Whether this replica leads.
    pub leadership: watch::Receiver<bool>,
    /// Its term.
    pub term: Arc<AtomicU64>,
    /// The leader's clock in milliseconds since 1970.
    pub clock: fn() -> i64,
}

impl Publisher {
    /// Publishes until the replica ends.
    pub async fn run(mut self, mut inbox: Inbox) {
        let mut scopes = Scopes::default();
        let mut bookmarks = tokio::time::interval(BOOKMARK_INTERVAL);
        let mut scope_bookmarks = tokio::time::interval(SCOPE_INTERVAL);
        loop {
            tokio::select! {
                entries = inbox.queue.recv() => match entries {
                    Some(entries) => self.publish(&entries, &mut scopes).await,
                    None => return,
                },
                changed = self.leadership.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    scopes = Scopes::default();
                    if self.leads() {
                        scopes.changed_recently(&self.shown.state.load(), (self.clock)(), Instant::now());
                        bookmarks.reset_immediately();
                    }
                }
                _ = bookmarks.tick() => self.bookmark(&mut inbox, &mut scopes).await,
                _ = scope_bookmarks.tick() => self.scope_bookmarks(&mut inbox, &mut scopes).await,
            }
        }
    }

    fn leads(&self) -> bool {
        *self.leadership.borrow()
    }

    async fn send<T: serde::Serialize>(&self, subject: String, message: &T) -> bool {
        let message = match codec::encode(message) {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(%error, subject, "cannot encode an event");
                return false;
            }
        };
        if message.len() + MESSAGE_BYTES > self.nats.max_payload() {
            return false;
        }
        match self.nats.publish(subject, message.into()).await {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(%error, "cannot publish an event");
                false
            }
        }
    }

    async fn publish(&self, entries: &[Arc<Entry>], scopes: &mut Scopes) {
        let now = Instant::now();
        for entry in entries {
            scopes.changed(entry, now);
            let (group, plural) = entry.resource.split_once('/').unwrap_or(("", &entry.resource));
            let subject = subject::event(group, plural, &entry.name.namespace, entry.scope(), &entry.name.name);
            if !self.send(subject, &entry.to_change()).await {
                // Too large for one message: watchers read it from the log, as soon as they know that there is something.
                self.bookmark_of(&self.shown.state.load()).await;
            }
        }
    }

    /// Publishes everything that was applied before this call, so that no bookmark is ahead of events that are on their
    /// way. Gives the state they lead to.
    async fn drain(&self, inbox: &mut Inbox, scopes: &mut Scopes) -> Arc<State> {
        let state = self.shown.state.load_full();
        while let Ok(entries) = inbox.queue.try_recv() {
            self.publish(&entries, scopes).await;
        }
        if inbox.dropped.swap(false, Ordering::Relaxed) {
            tracing::warn!("events were dropped; watchers will ask for them");
            scopes.changed_recently(&state, (self.clock)(), Instant::now());
        }
        state
    }

    async fn bookmark(&self, inbox: &mut Inbox, scopes: &mut Scopes) {
        if self.leads() {
            let state = self.drain(inbox, scopes).await;
            self.bookmark_of(&state).await;
        }
    }

    async fn bookmark_of(&self, state: &State) {
        let term = self.term.load(Ordering::Relaxed);
        let bookmark = Bookmark { term, revision: state.revision(), resources: state.resource_revisions() };
        self.send(subject::BOOKMARKS.to_owned(), &bookmark).await;
    }

    async fn scope_bookmarks(&self, inbox: &mut Inbox, scopes: &mut Scopes) {
        if !self.leads() {
            return;
        }
        let state = self.drain(inbox, scopes).await;
        let term = self.term.load(Ordering::Relaxed);
        for (resource, scope, last) in scopes.due(Instant::now()) {
            let (group, plural) = resource.split_once('/').unwrap_or(("", &resource));
            let bookmark = ScopeBookmark { term, revision: state.revision(), last };
            self.send(subject::scope_bookmark(group, plural, &scope), &bookmark).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_bookmarks_follow_a_change_ever_more_slowly_and_end() {
        let mut scopes = Scopes::default();
        let start = Instant::now();
        let key: (Arc<str>, String) = ("/pods".into(), "n1".to_owned());
        scopes.recent.insert(key, Recent { last: 7, at: start, sent: 0 });
        let mut sent_at = Vec::new();
        for quarter in 0..400u64 {
            let due = scopes.due(start + Duration::from_millis(quarter * 250));
            sent_at.extend(due.iter().map(|(_, scope, last)| (quarter / 4, scope.clone(), *last)));
        }
        assert_eq!(sent_at, [1, 2, 4, 8, 16, 32].map(|second| (second, "n1".to_owned(), 7)));
        assert!(scopes.recent.is_empty());
    }
}
