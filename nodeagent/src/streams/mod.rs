//! Logs, exec and attach for clients far away, over the bus. A client that does not read makes the writer wait.

use crate::pod::view::View;
use crate::runtime::Runtime;
use crate::sync::Pods;
use futures::StreamExt;
use kubus_client::Bus;
use kubus_client::stream::{self, StreamReceiver, StreamSender};
use kubus_proto::stream::{OpenStream, Operation};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

mod logs;
mod process;

/// Streams of one node at the same time.
const STREAMS_LIMIT: usize = 256;
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
    let slots = Arc::new(Semaphore::new(STREAMS_LIMIT));
    loop {
        match stream::listen(&bus, &node).await {
            Ok(mut requests) => {
                while let Some(open) = requests.next().await {
                    let Ok(slot) = slots.clone().try_acquire_owned() else {
                        tracing::warn!("too many streams, one is refused");
                        continue;
                    };
                    let (bus, pods, runtime) = (bus.clone(), pods.clone(), runtime.clone());
                    tokio::spawn(async move {
                        session(&bus, open, &pods, runtime).await;
                        drop(slot);
                    });
                }
            }
            Err(error) => tracing::warn!(%error, "cannot listen for streams"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn session(bus: &Bus, open: OpenStream, pods: &Pods, runtime: Arc<dyn Runtime>) {
    let (mut sender, mut receiver) = match stream::accept(bus, &open).await {
        Ok(ends) => ends,
        Err(error) => {
            tracing::debug!(%error, pod = %open.pod, "a stream was not taken up by its client");
            return;
        }
    };
    let view = pods.get(&open.uid).map(|handle| handle.view.borrow().clone());
    let result = match view {
        Some(view) => run(&view, open.operation, runtime.as_ref(), &mut sender, &mut receiver).await,
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
        Operation::PortForward { .. } => Err(StreamFailure("port-forward is not supported by this node".to_owned())),
    }
}
