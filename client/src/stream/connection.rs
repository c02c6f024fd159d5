//! A stream as one connection of bytes, for whoever speaks a protocol of its own through it (HTTP to a pod's port).

use super::{Received, StreamReceiver, StreamSender};
use bytes::BytesMut;
use kubus_proto::stream::{FRAME_BYTES, channel};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Bytes that may wait on each side of the connection, beside the stream's own window.
const BUFFER_BYTES: usize = 2 * FRAME_BYTES;

/// Both directions of a port's stream. Shutting it down is end of file for the other side, which may go on sending;
/// dropping it ends the stream.
pub struct Connection {
    near: DuplexStream,
    failure: Arc<OnceLock<String>>,
    _held: DropGuard,
}

impl Connection {
    /// Carries what is written here to the node and the other way round.
    pub fn new(sender: StreamSender, receiver: StreamReceiver) -> Self {
        let (near, far) = tokio::io::duplex(BUFFER_BYTES);
        let (failure, dropped) = (Arc::new(OnceLock::new()), CancellationToken::new());
        let (told, gone) = (failure.clone(), dropped.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = carry(far, sender, receiver, &told) => {}
                () = gone.cancelled() => {}
            }
        });
        Self { near, failure, _held: dropped.drop_guard() }
    }
}

/// Carries until the node says that everything is said, or something breaks.
async fn carry(far: DuplexStream, mut sender: StreamSender, mut receiver: StreamReceiver, failure: &OnceLock<String>) {
    let (mut read, mut write) = tokio::io::split(far);
    let up = async {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(FRAME_BYTES);
            let sent = match read.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => sender.close(channel::STDIN).await.is_ok_and(|()| false),
                Ok(_) => sender.send(channel::STDIN, buffer.split().freeze()).await.is_ok(),
            };
            if !sent {
                // How the stream ended is told by the other direction.
                return std::future::pending::<()>().await;
            }
        }
    };
    let down = async {
        loop {
            let carried = match receiver.next().await {
                Ok(Received::Data { data, .. }) => write.write_all(&data).await,
                Ok(Received::Close { .. }) => write.shutdown().await,
                Ok(Received::End { .. }) => return,
                Err(error) => {
                    // Nobody else sets it.
                    let _ = failure.set(error.to_string());
                    return;
                }
            };
            if carried.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = down => {}
        () = up => {}
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.near).poll_read(context, into);
        match (&read, self.failure.get()) {
            // What broke must not look like what ended.
            (Poll::Ready(Ok(())), Some(failure)) if into.filled().len() == before && into.remaining() > 0 => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, failure.clone())))
            }
            _ => read,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.near).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.near).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.near).poll_shutdown(context)
    }
}
