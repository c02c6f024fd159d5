//! exec and attach: a process' ends joined to a client's.

use super::StreamFailure;
use crate::pod::view::View;
use crate::runtime::{ExecSpec, Output, Runtime, Session, SessionId};
use futures::StreamExt;
use kubus_client::stream::{Received, StreamReceiver, StreamSender};
use kubus_proto::stream::{Operation, channel};
use serde::Deserialize;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Size of a terminal as clients send it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Size {
    width: u16,
    height: u16,
}

/// Runs or attaches until the process or the client is done; the exit code of a process that was run.
pub(super) async fn run(
    view: &View,
    operation: Operation,
    runtime: &dyn Runtime,
    sender: &mut StreamSender,
    receiver: &mut StreamReceiver,
) -> Result<Option<i32>, StreamFailure> {
    let Session { id, mut output, input } = open(view, operation, runtime).await?;
    let mut client = sender.watcher();
    let send = async {
        sender.ready().await.map_err(StreamFailure::of)?;
        while let Some(item) = output.next().await {
            let (channel, data) = match item.map_err(StreamFailure::of)? {
                Output::Stdout(data) => (channel::STDOUT, data),
                Output::Stderr(data) => (channel::STDERR, data),
            };
            sender.send(channel, data).await.map_err(StreamFailure::of)?;
        }
        match &id {
            SessionId::Exec(_) => runtime.exit_code(&id).await.map_err(StreamFailure::of),
            // What becomes of the container's own process is told by the pod's status.
            SessionId::Attach(_) => Ok(None),
        }
    };
    let sent = tokio::select! {
        sent = send => sent,
        // A client that ends or is lost while it neither reads nor is read from.
        () = client.over() => Err(StreamFailure("the client has gone away".to_owned())),
        () = receive(receiver, input, &id, runtime) => Err(StreamFailure("the client has gone away".to_owned())),
    };
    if sent.is_err()
        && let Err(error) = runtime.abandon(&id).await
    {
        // Output that cannot be had or sent is as good as a client that has left.
        tracing::debug!(%error, "cannot end a process whose client has left");
    }
    sent
}

async fn open(view: &View, operation: Operation, runtime: &dyn Runtime) -> Result<Session, StreamFailure> {
    let (container, mut spec, attach) = match operation {
        Operation::Exec { container, command, stdin, stdout, stderr, tty } => {
            (container, ExecSpec { command, stdin, stdout, stderr, tty }, false)
        }
        Operation::Attach { container, stdin, stdout, stderr, tty } => {
            (container, ExecSpec { command: Vec::new(), stdin, stdout, stderr, tty }, true)
        }
        Operation::Logs { .. } | Operation::PortForward { .. } => {
            return Err(StreamFailure("not a request for a process".to_owned()));
        }
    };
    let found = view.container(&container).map_err(StreamFailure::of)?;
    let id = found.id.as_deref().filter(|_| found.running);
    let id = id.ok_or_else(|| StreamFailure(format!("container not found ({:?})", found.name)))?;
    if !attach {
        return runtime.exec(id, &spec).await.map_err(StreamFailure::of);
    }
    // Whether the process is on a terminal was settled when it was started.
    spec.tty = found.tty;
    runtime.attach(id, &spec).await.map_err(StreamFailure::of)
}

/// Passes on what the client sends; ready when the client is gone.
async fn receive(
    receiver: &mut StreamReceiver,
    mut input: std::pin::Pin<Box<dyn AsyncWrite + Send>>,
    id: &SessionId,
    runtime: &dyn Runtime,
) {
    let mut open = true;
    loop {
        match receiver.next().await {
            Ok(Received::Data { channel: channel::STDIN, data }) if open => {
                // A process that closed its input ends by itself; the client goes on reading.
                open = input.write_all(&data).await.is_ok() && input.flush().await.is_ok();
            }
            Ok(Received::Data { channel: channel::RESIZE, data }) => {
                if let Ok(size) = serde_json::from_slice::<Size>(&data)
                    && let Err(error) = runtime.resize(id, size.width, size.height).await
                {
                    tracing::debug!(%error, "cannot resize a terminal");
                }
            }
            Ok(Received::Close { channel: channel::STDIN }) => {
                // An input that is closed already is what was asked for.
                let _ = input.shutdown().await;
                open = false;
            }
            Ok(Received::Data { .. } | Received::Close { .. }) => {}
            Ok(Received::End { .. }) | Err(_) => return,
        }
    }
}
