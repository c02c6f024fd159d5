//! One watch at work: subscriptions, questions to the apiserver, and the events in their order. Decides nothing that
//! `tracker` and `selection` decide.

use super::hub::{self, News, Shared};
use super::plan::{Plan, Start};
use super::tracker::{Step, Tracker};
use super::{EventType, Raw, WatchError, initial, selection};
use crate::bus::Link;
use crate::{Bus, BusError, metrics};
use bytes::Bytes;
use futures::StreamExt;
use kubus_proto::event::{Bookmark, Change, Changes, ScopeBookmark};
use kubus_proto::{Reason, codec, subject};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often a watcher that wants bookmarks is told how far it is, in milliseconds.
const BOOKMARK_INTERVAL_MS: u64 = 10_000;
/// How often a watcher of one scope asks although it hears of no gap, in milliseconds: bookmarks of a quiet scope get
/// rare, and its revision must not grow older than the change log.
const SCOPE_REFRESH_MS: u64 = 60_000;
/// Pause before asking again one who is behind or cannot answer, in milliseconds.
const ASK_PAUSE_MS: u64 = 100;
/// Annotation of the bookmark after the initial events.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

pub(super) struct Session {
    bus: Bus,
    plan: Plan,
    tracker: Tracker,
    changes: hub::Receiver,
    scope_bookmarks: Option<async_nats::Subscriber>,
    bookmarks: watch::Receiver<Option<Arc<Bookmark>>>,
    link: watch::Receiver<Link>,
    resource: String,
    ready: VecDeque<Raw>,
    failure: Option<WatchError>,
    ended: bool,
    deadline: Option<Instant>,
    refresh_at: Instant,
    bookmarked_at: Instant,
    told: u64,
}

impl Session {
    /// Subscribes, lists where the watch begins with a list, and catches up once, so that a refusal is known here.
    /// A revision that is too old is not a refusal: it comes as the first event, as Kubernetes sends it.
    pub(super) async fn open(bus: &Bus, plan: Plan) -> Result<Self, WatchError> {
        let row = plan.row;
        let link = bus.link();
        let mut bookmarks = bus.bookmarks().await?.receiver();
        bookmarks.mark_changed();
        let subject = subject::events_of(row.group, row.plural, plan.scope.as_deref());
        let changes = bus.hubs().subscribe(bus, subject, plan.scope.is_some()).await?;
        let scope_bookmarks = match &plan.scope {
            Some(scope) => Some(bus.subscribe(subject::scope_bookmark(row.group, row.plural, scope)).await?),
            None => None,
        };
        let (ready, known) = match plan.start {
            Start::After(revision) => (Vec::new(), revision),
            Start::Everything { .. } => initial::everything(bus, &plan).await?,
            Start::Now => (Vec::new(), initial::now(bus, &plan).await?),
        };
        let now = Instant::now();
        let mut session = Self {
            bus: bus.clone(),
            tracker: Tracker::new(known),
            changes,
            scope_bookmarks,
            bookmarks,
            link,
            resource: row.resource_key(),
            ready: ready.into(),
            failure: None,
            ended: false,
            deadline: plan.timeout.map(|timeout| now + timeout),
            refresh_at: now + Duration::from_millis(SCOPE_REFRESH_MS),
            bookmarked_at: now,
            told: known,
            plan,
        };
        if session.plan.start == (Start::Everything { marked: true }) {
            let end = session.bookmark_event(true)?;
            session.ready.push_back(end);
        }
        match session.ask().await {
            Err(WatchError::Expired(error)) => session.failure = Some(WatchError::Expired(error)),
            other => other?,
        }
        Ok(session)
    }

    /// The next event; `None` at the end in order, an error at any other, after which nothing comes.
    pub(super) async fn next(&mut self) -> Option<Result<Raw, WatchError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.told = self.told.max(event.revision);
                return Some(Ok(event));
            }
            if self.ended {
                return None;
            }
            if let Some(failure) = self.failure.take() {
                self.ended = true;
                return Some(Err(failure));
            }
            if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                self.ended = true;
                if self.plan.bookmarks && self.tracker.asks().is_none() && self.tracker.known() > self.told {
                    return Some(self.bookmark_event(false));
                }
                continue;
            }
            if self.tracker.asks().is_some() {
                self.ask_until_answered().await;
                continue;
            }
            if let Err(error) = self.wait().await {
                self.failure = Some(error);
            }
        }
    }

    /// Waits for the next thing that happens and takes it.
    async fn wait(&mut self) -> Result<(), WatchError> {
        // While changes flow, none of the timers below need be set.
        if let Some(news) = self.changes.next_now() {
            return self.hear(news);
        }
        let far = Instant::now() + Duration::from_millis(SCOPE_REFRESH_MS);
        let deadline = self.deadline.unwrap_or(far);
        let scoped = self.scope_bookmarks.is_some();
        tokio::select! {
            biased;
            news = self.changes.next() => return self.hear(news),
            changed = self.link.changed() => {
                if changed.is_ok() && self.link.borrow_and_update().connected {
                    self.tracker.interrupted();
                }
            }
            message = next_of(&mut self.scope_bookmarks) => {
                let Some(message) = message else { return Err(self.closed()) };
                match codec::decode::<ScopeBookmark>(&message.payload) {
                    Ok(bookmark) => self.tracker.bookmark(bookmark.term, bookmark.revision, bookmark.last),
                    Err(error) => tracing::warn!(%error, "a bookmark is damaged"),
                }
            }
            changed = self.bookmarks.changed() => {
                if changed.is_err() {
                    return Err(self.closed());
                }
                self.hear_bookmark()?;
            }
            () = tokio::time::sleep_until(deadline) => {}
            () = tokio::time::sleep_until(self.refresh_at), if scoped => self.tracker.interrupted(),
        }
        Ok(())
    }

    fn hear(&mut self, news: News) -> Result<(), WatchError> {
        let shared = match news {
            News::Change(shared) => shared,
            News::Missed => {
                metrics::BUS.gaps.inc();
                self.tracker.interrupted();
                return Ok(());
            }
            News::Closed => return Err(self.closed()),
        };
        let Change { revision, previous, previous_in_scope, .. } = shared.change;
        let previous = if self.plan.scope.is_some() { previous_in_scope } else { previous };
        match self.tracker.change(revision, previous) {
            Step::Emit => self.offer(&shared.change, Some(&shared)),
            Step::Drop => Ok(()),
            Step::Ask => {
                metrics::BUS.gaps.inc();
                tracing::debug!(resource = %self.resource, revision, previous, "a watch missed changes");
                Ok(())
            }
        }
    }

    /// Queues a change that is the watcher's next one, if it is selected.
    fn offer(&mut self, change: &Change, shared: Option<&Arc<Shared>>) -> Result<(), WatchError> {
        if let Some(event) = selection::select(&self.plan, change).map_err(BusError::from)? {
            let (revision, object) = (change.revision, change.object.clone());
            self.ready.push_back(Raw { event, revision, object, shared: shared.cloned() });
        }
        Ok(())
    }

    fn hear_bookmark(&mut self) -> Result<(), WatchError> {
        let Some(bookmark) = self.bookmarks.borrow_and_update().clone() else { return Ok(()) };
        let last = bookmark.resources.get(&self.resource).copied().unwrap_or(0);
        if self.plan.scope.is_some() {
            self.tracker.wider_bookmark(bookmark.term, bookmark.revision, last);
        } else {
            self.tracker.bookmark(bookmark.term, bookmark.revision, last);
        }
        let due = self.bookmarked_at.elapsed() >= Duration::from_millis(BOOKMARK_INTERVAL_MS);
        if self.plan.bookmarks && due && self.tracker.asks().is_none() && self.tracker.known() > self.told {
            let event = self.bookmark_event(false)?;
            self.ready.push_back(event);
        }
        Ok(())
    }

    fn bookmark_event(&mut self, initial_end: bool) -> Result<Raw, WatchError> {
        self.bookmarked_at = Instant::now();
        let revision = self.tracker.known();
        let mut metadata = json!({"resourceVersion": revision.to_string(), "creationTimestamp": Value::Null});
        if initial_end {
            metadata["annotations"] = json!({INITIAL_EVENTS_END: "true"});
        }
        let object =
            json!({"kind": self.plan.row.kind, "apiVersion": self.plan.row.api_version(), "metadata": metadata});
        let object: Bytes = codec::encode(&object).map_err(BusError::from)?.into();
        Ok(Raw { event: EventType::Bookmark, revision, object, shared: None })
    }

    /// Asks once for what happened since the last known revision.
    async fn ask(&mut self) -> Result<(), WatchError> {
        let Some(from) = self.tracker.asks() else { return Ok(()) };
        let request = self.plan.request(self.plan.changes_query(Some(from)));
        let mut changes = Changes::decode(&self.bus.request_ok(request).await?).map_err(BusError::from)?;
        // Asked from revision 0 an apiserver may answer with the objects there are, in an order of its own.
        changes.changes.sort_by_key(|change| change.revision);
        for change in changes.changes {
            if self.tracker.replayed(change.revision) {
                self.offer(&change, None)?;
            }
        }
        let further = self.tracker.caught_up(from, changes.revision, changes.more);
        self.refresh_at = Instant::now() + Duration::from_millis(SCOPE_REFRESH_MS);
        if !further && self.tracker.asks().is_some() {
            tokio::time::sleep(Duration::from_millis(ASK_PAUSE_MS)).await;
        }
        Ok(())
    }

    /// Asks, and leaves the session ready to ask again where nobody could answer: a watch outlives its apiservers.
    async fn ask_until_answered(&mut self) {
        let deadline = self.deadline;
        let asked = match deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, self.ask()).await.unwrap_or(Ok(())),
            None => self.ask().await,
        };
        match asked {
            Ok(()) => {}
            Err(error) if error.may_pass() => {
                tracing::warn!(resource = %self.resource, %error, "a watch waits for an apiserver");
                tokio::time::sleep(Duration::from_millis(ASK_PAUSE_MS)).await;
            }
            Err(error) => self.failure = Some(error),
        }
    }

    fn closed(&self) -> WatchError {
        WatchError::Bus(BusError::Unreachable {
            servers: self.bus.servers().to_owned(),
            reason: "the connection is closed".to_owned(),
        })
    }
}

impl WatchError {
    /// Whether asking again may help.
    fn may_pass(&self) -> bool {
        match self {
            WatchError::Expired(_) => false,
            WatchError::Bus(BusError::Api(error)) => error.reason.retryable(),
            WatchError::Bus(BusError::Unreachable { .. } | BusError::NoLeader { .. }) => true,
            WatchError::Bus(BusError::Refused { .. } | BusError::Codec(_)) => false,
        }
    }
}

impl From<BusError> for WatchError {
    fn from(error: BusError) -> Self {
        match error {
            BusError::Api(error) if matches!(error.reason, Reason::Expired | Reason::Gone) => Self::Expired(error),
            error => Self::Bus(error),
        }
    }
}

async fn next_of(subscriber: &mut Option<async_nats::Subscriber>) -> Option<async_nats::Message> {
    match subscriber {
        Some(subscriber) => subscriber.next().await,
        None => std::future::pending().await,
    }
}
