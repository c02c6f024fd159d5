//! Dials the bus: key, trust, timers, and what belongs to one connection.

use super::BusError;
use super::link::{Link, LinkEvents};
use super::replies::Replies;
use crate::Credentials;
use async_nats::{ConnectErrorKind, ConnectOptions, Subject};
use kubus_proto::subject;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often the client asks whether its server is there, in milliseconds; it gives a server up after two pings
/// without an answer. NATS' default of a minute would leave requests on a dead connection for as long.
const PING_INTERVAL_MS: u64 = 250;
/// How long one server may take to accept a connection, in milliseconds.
const SERVER_TIMEOUT_MS: u64 = 2_000;
/// How long [`connect`] tries altogether, in milliseconds.
const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// Longest pause before a reconnect, in milliseconds.
const RECONNECT_PAUSE_MS: u64 = 250;
/// Messages one subscription may have waiting before the newest are dropped: some tens of megabytes of pods.
const SUBSCRIPTION_CAPACITY: usize = 16 * 1024;
/// Messages that may wait to be written.
const SEND_CAPACITY: usize = 4 * 1024;

/// One connection and what its requests share.
pub(crate) struct Connection {
    pub(super) nats: async_nats::Client,
    pub(super) identity: String,
    pub(super) servers: String,
    pub(super) read_subject: Subject,
    pub(super) write_subject: Subject,
    pub(super) replies: Arc<Replies>,
    pub(super) link: watch::Sender<Link>,
    dispatcher: tokio::task::AbortHandle,
    bookmarks: tokio::sync::OnceCell<crate::watch::Bookmarks>,
    pub(super) hubs: crate::watch::Hubs,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The task holds a subscription, and a subscription holds the connection open.
        self.dispatcher.abort();
    }
}

impl Connection {
    pub(super) async fn bookmarks(&self, bus: &super::Bus) -> Result<crate::watch::Bookmarks, BusError> {
        self.bookmarks.get_or_try_init(|| crate::watch::Bookmarks::subscribe(bus)).await.cloned()
    }
}

/// Connects, trying every server for at most [`CONNECT_TIMEOUT_MS`] in all.
pub(super) async fn connect(credentials: &Credentials) -> Result<Connection, BusError> {
    let servers = credentials.servers.join(",");
    let unreachable = |reason: String| BusError::Unreachable { servers: servers.clone(), reason };
    let identity = credentials.identity.clone();
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let replies = Replies::new(format!("{}.{nonce}", subject::inbox(&identity)));
    let (link, _) = watch::channel(Link { connected: true, losses: 0 });
    let events = Arc::new(LinkEvents::new(link.clone(), replies.clone()));
    let options = options(credentials).map_err(&unreachable)?.event_callback(move |event| {
        events.hear(&event);
        std::future::ready(())
    });
    let dial = async {
        let nats = options.connect(credentials.servers.clone()).await.map_err(|error| match error.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                BusError::Refused { identity: identity.clone() }
            }
            _ => unreachable(causes(&error)),
        })?;
        let inbox = nats.subscribe(replies.subject()).await.map_err(|error| unreachable(error.to_string()))?;
        Ok((nats, inbox))
    };
    let (nats, inbox) = tokio::time::timeout(Duration::from_millis(CONNECT_TIMEOUT_MS), dial)
        .await
        .unwrap_or_else(|_| Err(unreachable("no server answered in time".to_owned())))?;
    let dispatcher = tokio::spawn(replies.clone().dispatch(inbox)).abort_handle();
    Ok(Connection {
        nats,
        servers: servers.clone(),
        read_subject: subject::api(&identity, subject::Route::Read).into(),
        write_subject: subject::api(&identity, subject::Route::Write).into(),
        identity,
        replies,
        link,
        dispatcher,
        bookmarks: tokio::sync::OnceCell::new(),
        hubs: crate::watch::Hubs::default(),
    })
}

/// Connects, and tries again for ever where that fails.
pub(super) async fn connect_patiently(credentials: &Credentials) -> Connection {
    let mut said = String::new();
    loop {
        match connect(credentials).await {
            Ok(connection) => return connection,
            Err(error) => {
                let text = error.to_string();
                if text != said {
                    tracing::warn!(identity = %credentials.identity, error = %text, "no bus yet, trying on");
                    said = text;
                }
                tokio::time::sleep(reconnect_pause(2, rand::random())).await;
            }
        }
    }
}

/// The pause before a connection attempt, counted from 1: none before the first.
fn reconnect_pause(attempt: usize, random: f64) -> Duration {
    if attempt <= 1 {
        return Duration::ZERO;
    }
    Duration::from_millis((RECONNECT_PAUSE_MS as f64 * (0.5 + 0.5 * random)) as u64)
}

fn options(credentials: &Credentials) -> Result<ConnectOptions, String> {
    let encrypted = credentials.servers.iter().any(|server| server.starts_with("tls://"));
    let mut options = ConnectOptions::new()
        .name(&credentials.identity)
        .custom_inbox_prefix(subject::inbox(&credentials.identity))
        .ping_interval(Duration::from_millis(PING_INTERVAL_MS))
        .connection_timeout(Duration::from_millis(SERVER_TIMEOUT_MS))
        .reconnect_delay_callback(|attempt| reconnect_pause(attempt, rand::random()))
        .subscription_capacity(SUBSCRIPTION_CAPACITY)
        .client_capacity(SEND_CAPACITY)
        // The list names the nearest server first, and every server there is.
        .retain_servers_order()
        .ignore_discovered_servers()
        .require_tls(encrypted);
    if !credentials.seed.is_empty() {
        options = options.nkey(credentials.seed.trim().to_owned());
    }
    if encrypted {
        options = options.add_root_certificates(super::trust::file(&credentials.certificate_authority)?);
    }
    Ok(options)
}

/// An error with what caused it, since the outermost one only says "IO error".
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reconnects_come_soon_and_spread() {
        assert_eq!(reconnect_pause(1, 0.5), Duration::ZERO);
        assert_eq!(reconnect_pause(2, 0.0).as_millis(), 125);
        assert_eq!(reconnect_pause(90, 1.0).as_millis(), 250);
    }
}
