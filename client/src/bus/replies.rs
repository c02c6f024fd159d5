//! Answers on their way back: one inbox for all requests of a connection, and who waits for which answer.

use bytes::Bytes;
use futures::StreamExt;
use kubus_proto::chunk::Joiner;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// What became of an attempt.
pub(super) enum Answer {
    /// All chunks are here.
    Payload(Bytes),
    /// Nobody listens on the subject: no leader, or no apiserver.
    NoResponders,
    /// The connection was replaced; the answer will not come.
    Interrupted,
}

/// Requests that wait, by key.
pub(super) struct Replies {
    prefix: String,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, Waiting>>,
}

struct Waiting {
    attempt: u32,
    sender: Option<oneshot::Sender<Answer>>,
    /// Chunks of each attempt; a late answer to an earlier attempt is as good as one to the last.
    joiners: Vec<(u32, Joiner)>,
}

impl Replies {
    /// Answers come on `prefix` and two more tokens.
    pub(super) fn new(prefix: String) -> Arc<Self> {
        Arc::new(Self { prefix, next: AtomicU64::new(0), waiting: Mutex::default() })
    }

    /// The subject of all answers.
    pub(super) fn subject(&self) -> String {
        format!("{}.>", self.prefix)
    }

    /// A place for the answers to one request, given up when dropped.
    pub(super) fn register(self: &Arc<Self>) -> Place {
        Place { replies: self.clone(), key: self.next.fetch_add(1, Ordering::Relaxed) }
    }

    /// Tells every waiting request to ask again.
    pub(super) fn interrupt(&self) {
        for waiting in self.lock().values_mut() {
            waiting.joiners.clear();
            waiting.give(Answer::Interrupted);
        }
    }

    /// Hands answers to those who wait, for as long as the connection lives.
    pub(super) async fn dispatch(self: Arc<Self>, mut inbox: async_nats::Subscriber) {
        while let Some(message) = inbox.next().await {
            self.take(&message);
        }
    }

    fn take(&self, message: &async_nats::Message) {
        let Some((key, attempt)) = self.address(&message.subject) else { return };
        let mut all = self.lock();
        let Some(waiting) = all.get_mut(&key) else { return };
        if message.status == Some(async_nats::StatusCode::NO_RESPONDERS) {
            if attempt == waiting.attempt {
                waiting.give(Answer::NoResponders);
            }
            return;
        }
        let at = waiting.joiners.iter().position(|(of, _)| *of == attempt).unwrap_or_else(|| {
            waiting.joiners.push((attempt, Joiner::default()));
            waiting.joiners.len() - 1
        });
        match waiting.joiners[at].1.push(&message.payload) {
            Ok(Some(payload)) => waiting.give(Answer::Payload(payload)),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, subject = %message.subject, "an answer is damaged"),
        }
    }

    fn address(&self, subject: &str) -> Option<(u64, u32)> {
        let (key, attempt) = subject.strip_prefix(&self.prefix)?.strip_prefix('.')?.split_once('.')?;
        Some((key.parse().ok()?, attempt.parse().ok()?))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Waiting>> {
        // Nothing panics while it is held halfway through a change.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn give(&mut self, answer: Answer) {
        if let Some(sender) = self.sender.take() {
            // The request may have given up at this moment; then nobody misses the answer.
            let _ = sender.send(answer);
        }
    }
}

/// Where one request waits.
pub(super) struct Place {
    replies: Arc<Replies>,
    key: u64,
}

impl Place {
    /// Waits for attempt `attempt`: the reply subject to ask with, and the answer.
    pub(super) fn attempt(&self, attempt: u32) -> (String, oneshot::Receiver<Answer>) {
        let (sender, receiver) = oneshot::channel();
        let mut all = self.replies.lock();
        let waiting = all.entry(self.key).or_insert_with(|| Waiting { attempt, sender: None, joiners: Vec::new() });
        waiting.attempt = attempt;
        waiting.sender = Some(sender);
        (format!("{}.{}.{attempt}", self.replies.prefix, self.key), receiver)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.replies.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubus_proto::codec::encode;
    use kubus_proto::request::Chunk;

    fn message(subject: &str, index: u32, count: u32, status: Option<async_nats::StatusCode>) -> async_nats::Message {
        let data = Bytes::from(vec![index as u8]);
        let payload: Bytes = encode(&Chunk { index, count, data }).expect("encode").into();
        let length = payload.len();
        async_nats::Message {
            subject: subject.into(),
            reply: None,
            payload,
            headers: None,
            status,
            description: None,
            length,
        }
    }

    fn got(receiver: &mut oneshot::Receiver<Answer>) -> Option<Vec<u8>> {
        match receiver.try_recv().ok()? {
            Answer::Payload(payload) => Some(payload.to_vec()),
            Answer::NoResponders => Some(b"none".to_vec()),
            Answer::Interrupted => Some(b"interrupted".to_vec()),
        }
    }

    #[test]
    fn answers_find_their_requests() {
        let replies = Replies::new("_INBOX.a.x".to_owned());
        let (one, two) = (replies.register(), replies.register());
        let (subject, mut first) = one.attempt(0);
        let (other, mut second) = two.attempt(0);
        replies.take(&message(&other, 0, 2, None));
        replies.take(&message(&subject, 0, 1, None));
        assert_eq!(got(&mut first), Some(vec![0]));
        assert_eq!(got(&mut second), None);
        replies.take(&message(&other, 1, 2, None));
        assert_eq!(got(&mut second), Some(vec![0, 1]));
        for subject in ["_INBOX.a.x", "_INBOX.a.x.7", "_INBOX.a.x.7.y", "_INBOX.a.xy.0.0", "other"] {
            replies.take(&message(subject, 0, 1, None));
        }
        drop((one, two));
        assert!(replies.lock().is_empty());
    }

    #[test]
    fn a_late_answer_counts_and_a_late_refusal_does_not() {
        let replies = Replies::new("i".to_owned());
        let place = replies.register();
        let (old, _) = place.attempt(0);
        let (new, mut receiver) = place.attempt(1);
        replies.take(&message(&old, 0, 2, None));
        replies.take(&message(&old, 0, 1, Some(async_nats::StatusCode::NO_RESPONDERS)));
        replies.take(&message(&new, 0, 2, None));
        assert_eq!(got(&mut receiver), None);
        replies.take(&message(&old, 1, 2, None));
        assert_eq!(got(&mut receiver), Some(vec![0, 1]));
        let (_, mut receiver) = place.attempt(2);
        replies.interrupt();
        assert_eq!(got(&mut receiver), Some(b"interrupted".to_vec()));
    }
}
