//! A connection that is cut off when its other end takes nothing for too long.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How long a connection may have bytes to send that nobody takes, in milliseconds.
pub const STALL_MS: u64 = 30_000;

/// Switches the limit off for a connection that carries a stream: a user may read a log as slowly as they like, and its
/// writer waits for them.
#[derive(Clone, Debug, Default)]
pub struct Paced(Arc<AtomicBool>);

impl Paced {
    /// From now on the connection is waited for.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Passes bytes on, and fails once a write has waited for `limit`.
pub struct Patient<T> {
    inner: T,
    limit: Duration,
    paced: Paced,
    /// Set while a write waits.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<T> Patient<T> {
    /// Waits for `limit` at most, unless it is `paced`.
    pub fn new(inner: T, limit: Duration, paced: Paced) -> Self {
        Self { inner, limit, paced, timer: None }
    }

    /// Lets a finished write pass and counts the time of one that waits.
    fn judge<R>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.timer = None;
            return written;
        }
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + limit)));
        match timer.as_mut().poll(context) {
            Poll::Ready(()) if self.paced.0.load(Ordering::Relaxed) => {
                self.timer = None;
                Poll::Pending
            }
            Poll::Ready(()) => {
                let text = format!("the other end has taken nothing for {} ms", limit.as_millis());
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Patient<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Patient<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.judge(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, parts);
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn a_write_that_nobody_takes_fails_and_a_slow_reader_is_waited_for() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut near = Patient::new(near, Duration::from_millis(100), Paced::default());
        let reading = tokio::spawn(async move {
            let mut taken = 0;
            while taken < 500 {
                tokio::time::sleep(Duration::from_millis(60)).await;
                taken += far.read(&mut [0; 64]).await.expect("bytes");
            }
            (taken, far)
        });
        near.write_all(&[7; 500]).await.expect("slow but steady");
        let (_, _far) = reading.await.expect("reader");
        near.paced.set();
        let waited = tokio::time::timeout(Duration::from_secs(9), near.write_all(&[7; 500])).await;
        assert!(waited.is_err(), "still waiting");
        near.paced = Paced::default();
        let error = near.write_all(&[7; 500]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
