//! Raft's way to its peers: requests over NATS on `kubus.raft.<id>.<rpc>`.

use super::types::{SnapshotMeta, TypeConfig, Vote};
use super::wire::{self, rpc};
use crate::state::{Image, State};
use async_nats::client::RequestErrorKind;
use bytes::Bytes;
use futures::FutureExt;
use kubus_proto::subject;
use openraft::OptionalSend;
use openraft::alias::SnapshotOf;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};

use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// How long a follower may take to sync what it was sent. Heartbeats have their own, shorter time.
const APPEND_TIMEOUT: Duration = Duration::from_millis(2_000);
/// How long a follower may take to install a snapshot.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(60);

/// A peer did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Nobody listens there.
    #[error("apiserver {0} is not on the bus")]
    Absent(u64),
    /// No answer in time.
    #[error("apiserver {0} did not answer in time")]
    Timeout(u64),
    /// The bus failed.
    #[error("cannot ask apiserver {0}: {1}")]
    Bus(u64, String),
    /// It answered that it cannot.
    #[error("apiserver {0} refused: {1}")]
    Refused(u64, String),
}

/// Calls the members of the group. Cheap to clone.
#[derive(Clone)]
pub struct Peers {
    nats: async_nats::Client,
}

impl Peers {
    /// Over this connection.
    pub fn new(nats: async_nats::Client) -> Self {
        Self { nats }
    }

    /// Asks `target` and waits for its answer, at most `timeout` for each frame and for the answer.
    pub async fn call<Q: Serialize, A: DeserializeOwned>(
        &self,
        target: u64,
        rpc: &str,
        question: &Q,
        timeout: Duration,
    ) -> Result<A, CallError> {
        let refused = |error: wire::WireError| CallError::Refused(target, error.to_string());
        let subject = subject::raft(target, rpc);
        let mut answer = Bytes::new();
        for frame in wire::frames(rand::random(), question).map_err(refused)? {
            let request = async_nats::Request::new().payload(frame).timeout(Some(timeout));
            answer = self
                .nats
                .send_request(subject.clone(), request)
                .await
                .map_err(|error| match error.kind() {
                    RequestErrorKind::NoResponders => CallError::Absent(target),
                    RequestErrorKind::TimedOut => CallError::Timeout(target),
                    _ => CallError::Bus(target, error.to_string()),
                })?
                .payload;
        }
        let answer: Result<A, String> = wire::decode(&answer).map_err(refused)?;
        answer.map_err(|error| CallError::Refused(target, error))
    }

    fn peer(&self, target: u64) -> Peer {
        Peer { target, peers: self.clone() }
    }
}

impl RaftNetworkFactory<TypeConfig> for Peers {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, _: &openraft::EmptyNode) -> Peer {
        self.peer(target)
    }
}

/// One member, as openraft calls it.
pub struct Peer {
    target: u64,
    peers: Peers,
}

fn rpc_error(error: CallError) -> RPCError<TypeConfig> {
    match error {
        // openraft waits a little before it tries again.
        CallError::Absent(_) | CallError::Refused(..) => Unreachable::new(&error).into(),
        CallError::Timeout(_) | CallError::Bus(..) => NetworkError::new(&error).into(),
    }
}

/// A snapshot on the wire.
#[derive(Serialize, Deserialize)]
pub(super) struct SnapshotMessage {
    pub vote: Vote,
    pub meta: SnapshotMeta,
    pub image: Image,
}

impl Peer {
    async fn call<Q: Serialize, A: DeserializeOwned>(
        &self,
        rpc: &str,
        question: &Q,
        timeout: Duration,
    ) -> Result<A, RPCError<TypeConfig>> {
        self.peers.call(self.target, rpc, question, timeout).await.map_err(rpc_error)
    }
}

impl RaftNetworkV2<TypeConfig> for Peer {
    type SnapshotData = Arc<State>;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        let timeout = if request.entries.is_empty() { option.hard_ttl() } else { APPEND_TIMEOUT };
        self.call(rpc::APPEND, &request, timeout).await
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.call(rpc::VOTE, &request, option.hard_ttl()).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.call(rpc::PRE_VOTE, &request, option.hard_ttl()).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<TypeConfig, Arc<State>>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let message = SnapshotMessage { vote, meta: snapshot.meta, image: snapshot.snapshot.image() };
        tracing::info!(target = self.target, objects = message.image.objects.len(), "sending a snapshot");
        let (peers, target) = (self.peers.clone(), self.target);
        let send = async move { peers.call(target, rpc::SNAPSHOT, &message, INSTALL_TIMEOUT).await };
        let cancel = std::pin::pin!(cancel.fuse());
        let send = std::pin::pin!(send.fuse());
        match futures::future::select(cancel, send).await {
            futures::future::Either::Left((closed, _)) => Err(closed.into()),
            futures::future::Either::Right((answer, _)) => Ok(answer.map_err(rpc_error)?),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.call(rpc::TRANSFER, &request, option.hard_ttl()).await
    }
}
