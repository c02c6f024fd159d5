//! One stream of a SPDY connection: what its client says and what it is told. A connection holds a bounded number of
//! bytes for readers that do not read; then it reads no more itself.

use super::frame::{Frame, PIECE_BYTES, status};
use super::headers::Headers;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

/// The stream or its connection is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream is closed")]
pub struct StreamClosed;

/// Data that waits for its reader, and the room that it takes in the connection's budget.
pub(super) struct Piece {
    pub(super) data: Bytes,
    pub(super) _room: OwnedSemaphorePermit,
}

/// What the connection knows of a stream.
pub(super) struct Entry {
    /// Where its data goes; none once the client has said everything.
    pub(super) pieces: Option<mpsc::UnboundedSender<Piece>>,
    /// Cancelled when the stream is reset or the connection ends.
    closed: CancellationToken,
    /// This side has said everything.
    finished: bool,
}

/// The open streams of a connection.
pub(super) struct Table {
    entries: Mutex<HashMap<u32, Entry>>,
    /// Frames to be sent; bounded, so that whoever writes waits for the client to read.
    frames: mpsc::Sender<Frame>,
    /// Streams to be reset; not bounded by itself, but each stream stays in the table until its reset is sent.
    resets: mpsc::UnboundedSender<(u32, u32)>,
}

impl Table {
    pub(super) fn new(frames: mpsc::Sender<Frame>, resets: mpsc::UnboundedSender<(u32, u32)>) -> Self {
        Self { entries: Mutex::default(), frames, resets }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Takes a stream in that the client has opened.
    pub(super) fn open(self: &Arc<Self>, id: u32, fin: bool, headers: Headers) -> Stream {
        let (sender, pieces) = mpsc::unbounded_channel();
        let closed = CancellationToken::new();
        let entry = Entry { pieces: (!fin).then_some(sender), closed: closed.clone(), finished: false };
        self.lock().insert(id, entry);
        let held = Arc::new(Held { id, table: self.clone() });
        let reader = StreamReader { pieces, closed: closed.clone(), _held: held.clone() };
        Stream { headers, reader, writer: StreamWriter { held, closed } }
    }

    /// Where a stream's data goes.
    pub(super) fn sink(&self, id: u32) -> Option<mpsc::UnboundedSender<Piece>> {
        self.lock().get(&id).and_then(|entry| entry.pieces.clone())
    }

    /// The client has said everything on a stream.
    pub(super) fn client_finished(&self, id: u32) {
        self.update(id, |entry| entry.pieces = None);
    }

    fn update(&self, id: u32, change: impl FnOnce(&mut Entry)) {
        let mut entries = self.lock();
        if let Some(entry) = entries.get_mut(&id) {
            change(entry);
            if entry.finished && entry.pieces.is_none() {
                entries.remove(&id);
            }
        }
    }

    /// A stream is no more.
    pub(super) fn remove(&self, id: u32) {
        if let Some(entry) = self.lock().remove(&id) {
            entry.closed.cancel();
        }
    }

    /// No stream is any more.
    pub(super) fn clear(&self) {
        for (_, entry) in self.lock().drain() {
            entry.closed.cancel();
        }
    }

    async fn send(&self, frame: Frame, closed: &CancellationToken) -> Result<(), StreamClosed> {
        tokio::select! {
            // What is closed takes nothing more, although there were room for it.
            biased;
            () = closed.cancelled() => Err(StreamClosed),
            sent = self.frames.send(frame) => sent.map_err(|_| StreamClosed),
        }
    }
}

/// Resets the stream when nobody holds either half, unless both sides have said everything.
struct Held {
    id: u32,
    table: Arc<Table>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.table.lock().contains_key(&self.id) {
            // A connection that is gone needs no word.
            let _ = self.table.resets.send((self.id, status::CANCEL));
        }
    }
}

/// A stream that the client has opened and that waits for an answer.
pub struct Stream {
    /// What it is for.
    pub headers: Headers,
    /// What the client says.
    pub reader: StreamReader,
    /// What it is told.
    pub writer: StreamWriter,
}

impl Stream {
    /// Its number.
    pub fn id(&self) -> u32 {
        self.writer.held.id
    }

    /// Takes part in it. One that is dropped without this is reset.
    pub async fn accept(&self) -> Result<(), StreamClosed> {
        let reply = Frame::SynReply { stream: self.id(), fin: false, headers: Headers::default() };
        self.writer.held.table.send(reply, &self.writer.closed).await
    }
}

/// What the client says on a stream.
pub struct StreamReader {
    pieces: mpsc::UnboundedReceiver<Piece>,
    closed: CancellationToken,
    _held: Arc<Held>,
}

impl StreamReader {
    /// The next data; `None` when the client has said everything, an error when the stream was reset.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StreamClosed> {
        tokio::select! {
            // What is closed takes nothing more, although there were room for it.
            biased;
            piece = self.pieces.recv() => match piece {
                Some(piece) => Ok(Some(piece.data)),
                None if self.closed.is_cancelled() => Err(StreamClosed),
                None => Ok(None),
            },
            () = self.closed.cancelled() => Err(StreamClosed),
        }
    }
}

/// What the client is told on a stream.
pub struct StreamWriter {
    held: Arc<Held>,
    closed: CancellationToken,
}

impl StreamWriter {
    /// Sends data; waits as long as the client does not read.
    pub async fn send(&mut self, mut data: Bytes) -> Result<(), StreamClosed> {
        while !data.is_empty() {
            let piece = data.split_to(data.len().min(PIECE_BYTES));
            self.put(piece, false).await?;
        }
        Ok(())
    }

    /// Says that this was everything.
    pub async fn finish(&mut self) -> Result<(), StreamClosed> {
        self.put(Bytes::new(), true).await?;
        self.held.table.update(self.held.id, |entry| entry.finished = true);
        Ok(())
    }

    /// Ready when the stream was reset or its connection has ended.
    pub fn closed(&self) -> CancellationToken {
        self.closed.clone()
    }

    async fn put(&mut self, data: Bytes, fin: bool) -> Result<(), StreamClosed> {
        self.held.table.send(Frame::Data { stream: self.held.id, fin, data }, &self.closed).await
    }
}
