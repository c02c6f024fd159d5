//! Answers what the other members ask of this one.

use super::barrier;
use super::network::SnapshotMessage;
use super::types::Raft;
use super::wire::{self, Assembly, rpc};
use crate::state::{Limits, State};
use crate::store::disk::Disk;
use async_nats::Message;
use bytes::Bytes;
use futures::StreamExt;
use kubus_proto::subject;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse};
use openraft::storage::Snapshot;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// Most questions answered at once; more wait in the subscription.
const CONCURRENT: usize = 256;

/// Serves one member.
pub struct Server {
    raft: Raft,
    nats: async_nats::Client,
    disk: Arc<dyn Disk>,
    /// When a leader last spoke.
    heard: watch::Sender<Instant>,
    /// Until when no vote is given.
    silent_until: Instant,
}

impl Server {
    /// A server for `raft`.
    ///
    /// `silence`: how long it gives no vote. A replica that was told a leader's word, died and came back does not know
    /// of that leader's lease, and a vote for another would let the old one answer reads that are no longer true.
    pub fn new(
        raft: Raft,
        nats: async_nats::Client,
        disk: Arc<dyn Disk>,
        heard: watch::Sender<Instant>,
        silence: Duration,
    ) -> Self {
        Self { raft, nats, disk, heard, silent_until: Instant::now() + silence }
    }

    /// Answers until the subscription ends, which it does when the connection is closed for good.
    pub async fn run(self, mut questions: async_nats::Subscriber) {
        let server = Arc::new(self);
        let permits = Arc::new(Semaphore::new(CONCURRENT));
        let mut assembly = Assembly::default();
        while let Some(question) = questions.next().await {
            let Some(reply) = question.reply.clone() else { continue };
            let message = match assembly.push(&question.payload) {
                Ok(Some(message)) => message,
                // The sender waits for a sign before it sends the next frame.
                Ok(None) => {
                    server.answer(reply, Bytes::new()).await;
                    continue;
                }
                Err(error) => {
                    server.answer(reply, encode::<()>(Err(error.to_string()))).await;
                    continue;
                }
            };
            let Ok(permit) = permits.clone().acquire_owned().await else { return };
            let server = server.clone();
            tokio::spawn(async move {
                let answer = server.handle(&question, message).await;
                server.answer(reply, answer).await;
                drop(permit);
            });
        }
    }

    async fn answer(&self, reply: async_nats::Subject, answer: Bytes) {
        if let Err(error) = self.nats.publish(reply, answer).await {
            tracing::debug!(%error, "cannot answer a Raft message");
        }
    }

    async fn handle(&self, question: &Message, message: Bytes) -> Bytes {
        let rpc = question.subject.rsplit('.').next().unwrap_or_default();
        match rpc {
            rpc::VOTE | rpc::PRE_VOTE if Instant::now() < self.silent_until => {
                encode::<()>(Err("this replica came back a moment ago and gives no vote yet".to_owned()))
            }
            rpc::APPEND => encode(self.append(&message).await),
            rpc::VOTE => match wire::decode(&message) {
                Ok(request) => encode(self.raft.vote(request).await.map_err(text)),
                Err(error) => encode::<()>(Err(text(error))),
            },
            rpc::PRE_VOTE => match wire::decode(&message) {
                Ok(request) => encode(self.raft.pre_vote(request).await.map_err(text)),
                Err(error) => encode::<()>(Err(text(error))),
            },
            rpc::TRANSFER => match wire::decode(&message) {
                Ok(request) => encode(self.raft.handle_transfer_leader(request).await.map_err(text)),
                Err(error) => encode::<()>(Err(text(error))),
            },
            rpc::SNAPSHOT => encode(self.install(&message).await),
            rpc::READ => encode(barrier::read_index(&self.raft).await.map_err(text)),
            other => encode::<()>(Err(format!("unknown request {other}"))),
        }
    }

    async fn append(&self, message: &Bytes) -> Result<AppendEntriesResponse<super::TypeConfig>, String> {
        let request: AppendEntriesRequest<super::TypeConfig> = wire::decode(message).map_err(text)?;
        // A write the system refuses would end this replica; refusing it here only makes it lag until there is space.
        if !request.entries.is_empty()
            && let Some(reason) = self.disk.full()
        {
            return Err(reason);
        }
        let answer = self.raft.append_entries(request).await.map_err(text)?;
        // One whose term is over does not count as a leader.
        if !matches!(answer, AppendEntriesResponse::HigherVote(_)) {
            self.heard.send_replace(Instant::now());
        }
        Ok(answer)
    }

    async fn install(&self, message: &Bytes) -> Result<SnapshotResponse<super::TypeConfig>, String> {
        if let Some(reason) = self.disk.full() {
            return Err(reason);
        }
        let SnapshotMessage { vote, meta, image } = wire::decode(message).map_err(text)?;
        tracing::info!(objects = image.objects.len(), revision = image.revision, "installing a snapshot");
        let state = State::restore(image, Limits::default()).map_err(text)?;
        self.raft.install_full_snapshot(vote, Snapshot { meta, snapshot: Arc::new(state) }).await.map_err(text)
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn encode<T: Serialize>(answer: Result<T, String>) -> Bytes {
    // Answers are small types of openraft's and ours; an empty answer is an error to the one who asked.
    rmp_serde::to_vec(&answer).unwrap_or_default().into()
}

/// Subscribes to everything that is asked of member `id`.
pub async fn subscribe(
    nats: &async_nats::Client,
    id: u64,
) -> Result<async_nats::Subscriber, async_nats::SubscribeError> {
    nats.subscribe(subject::raft(id, "*")).await
}
