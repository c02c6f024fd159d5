//! Logs, exec, attach and port-forward for clients far away, over the bus. A client that does not read makes the writer wait.

use crate::pod::view::View;
use crate::runtime::Runtime;
use crate::sync::Pods;
use futures::StreamExt;
use kubus_client::Bus;
use kubus_client::stream::{self, StreamReceiver, StreamSender};
use kubus_proto::stream::{OpenStream, Operation};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

mod logs;
mod port;
mod process;

/// Streams of one node at the same time: some for each of its pods, and connections of port-forwards.
const STREAMS_LIMIT: usize = 2_048;
/// Streams that wait for their client or are being refused, at the same time.
const OPENING_LIMIT: usize = 512;
/// Pause before the bus is listened to again.
const RETRY: Duration = Duration::from_secs(1);

/// A stream ends with this text on the client's side.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StreamFailure(pub String);

impl StreamFailure {
    fn of(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Serves the streams of `node` for ever.
pub async fn serve(bus: Bus, node: String, pods: Pods, runtime: Arc<dyn Runtime>) {
    let server = Server {
        bus,
        pods,
        runtime,
        slots: Arc::new(Semaphore::new(STREAMS_LIMIT)),
        opening: Arc::new(Semaphore::new(OPENING_LIMIT)),
        sessions: Arc::default(),
    };
    loop {
        match stream::listen(&server.bus, &node).await {
            Ok(mut requests) => {
                while let Some(open) = requests.next().await {
                    server.take(open);
                }
            }
            Err(error) => tracing::warn!(%error, "cannot listen for streams"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

#[derive(Clone)]
struct Server {
    bus: Bus,
    pods: Pods,
    runtime: Arc<dyn Runtime>,
    slots: Arc<Semaphore>,
    opening: Arc<Semaphore>,
    /// Sessions that live. A request that an apiserver repeats asks for one of them again.
    sessions: Arc<Mutex<HashSet<String>>>,
}

impl Server {
    /// Hands a request to a task of its own.
    fn take(&self, open: OpenStream) {
        let Ok(opening) = self.opening.clone().try_acquire_owned() else {
            tracing::warn!("too many streams are being opened, one is not heard");
            return;
        };
        let session = open.ticket.session.clone();
        if !self.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(session.clone()) {
            return;
        }
        let server = self.clone();
        tokio::spawn(async move {
            match stream::accept(&server.bus, &open).await {
                Ok(halves) => {
                    let slot = server.slots.clone().try_acquire_owned().ok();
                    drop(opening);
                    server.session(open, halves, slot.is_some()).await;
                }
                Err(error) => tracing::debug!(%error, pod = %open.pod, "a stream was not taken up by its client"),
            }
            server.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&session);
        });
    }

    async fn session(&self, open: OpenStream, halves: (StreamSender, StreamReceiver), has_slot: bool) {
        let (mut sender, mut receiver) = halves;
        let view = self.pods.get(&open.uid).map(|handle| handle.view.borrow().clone());
        let result = match view {
            _ if !has_slot => Err(StreamFailure(format!("node {:?} has too many streams", open.ticket.node))),
            Some(view) => run(&view, open.operation, self.runtime.as_ref(), &mut sender, &mut receiver).await,
            None => Err(StreamFailure(format!("pod {:?} is not on this node", open.pod))),
        };
        let (code, error) = match result {
            Ok(code) => (code, String::new()),
            Err(error) => (None, error.to_string()),
        };
        if let Err(error) = sender.end(code, &error).await {
            tracing::debug!(%error, "a stream's client is gone");
        }
    }
}

async fn run(
    view: &View,
    operation: Operation,
    runtime: &dyn Runtime,
    sender: &mut StreamSender,
    receiver: &mut StreamReceiver,
) -> Result<Option<i32>, StreamFailure> {
    match operation {
        Operation::Logs { .. } => logs::run(view, operation, runtime, sender, receiver).await.map(|()| None),
        Operation::Exec { .. } | Operation::Attach { .. } => {
            process::run(view, operation, runtime, sender, receiver).await
        }
        Operation::PortForward { port } => port::run(view, port, runtime, sender, receiver).await.map(|()| None),
    }
}
