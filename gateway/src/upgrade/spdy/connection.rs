//! A SPDY connection at work: one task reads, one writes.

use super::frame::{Decoder, Encoder, Frame, status};
use super::streams::{Piece, Stream, Table};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Most streams of one connection at a time; a forwarded connection takes two.
const STREAMS_LIMIT: usize = 1_024;
/// Streams that may wait to be taken up.
const BACKLOG_LIMIT: usize = 64;
/// Bytes that may wait for readers that do not read; beyond them the connection is not read.
const BUFFER_LIMIT_BYTES: usize = 2 * 1024 * 1024;
/// What a waiting piece of data costs at least, in bytes of that budget.
const PIECE_COST_BYTES: usize = 256;
/// Pieces smaller than this are copied, in bytes.
const COPY_BYTES: usize = 8 * 1024;
/// Frames that may wait to be written.
const FRAMES_LIMIT: usize = 32;
/// Bytes that are written at once.
const WRITE_BYTES: usize = 64 * 1024;
/// What is read at once, in bytes.
const READ_BYTES: usize = 32 * 1024;
/// How often the client is asked whether it is there, in milliseconds.
const PING_MS: u64 = 5_000;
/// A client that says nothing for so long, asked a dozen times, is gone, in milliseconds.
const SILENCE_MS: u64 = 60_000;
/// How long the client may take to hear what is left to say when the connection is closed, in milliseconds.
const CLOSE_MS: u64 = 5_000;

/// The server's side of a connection. Dropping it cuts it off; [`Connection::close`] lets the client hear the end.
pub struct Connection {
    streams: mpsc::Receiver<Stream>,
    /// Lets the writer end after what is queued.
    closing: CancellationToken,
    writer: JoinHandle<()>,
    _cut: DropGuard,
}

impl Connection {
    /// Serves a connection whose protocol was changed to SPDY.
    pub fn new(io: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        let (read, write) = tokio::io::split(io);
        let (frames, queue) = mpsc::channel(FRAMES_LIMIT);
        let (resets, reset_queue) = mpsc::unbounded_channel();
        let (opened, streams) = mpsc::channel(BACKLOG_LIMIT);
        let (cut, closing) = (CancellationToken::new(), CancellationToken::new());
        let table = Arc::new(Table::new(frames.clone(), resets));
        let reader = Reader {
            read,
            table: table.clone(),
            frames,
            opened,
            room: Arc::new(Semaphore::new(BUFFER_LIMIT_BYTES)),
            last: 0,
        };
        let writer = Writer {
            write,
            table: table.clone(),
            queue,
            resets: reset_queue,
            encoder: Encoder::default(),
            buffer: BytesMut::new(),
        };
        let (reading, writing) = (cut.clone(), cut.clone());
        let ended = closing.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = reader.run() => {}
                () = reading.cancelled() => {}
            }
            table.clear();
            ended.cancel();
        });
        let asked = closing.clone();
        let writer = tokio::spawn(async move {
            let written = tokio::select! {
                written = writer.run(asked) => written,
                () = writing.cancelled() => false,
            };
            if !written {
                // A client that cannot be written to is gone, though a reader that waits for room does not see it.
                writing.cancel();
            }
        });
        Self { streams, closing, writer, _cut: cut.drop_guard() }
    }

    /// The next stream that the client opens; `None` when the connection has ended.
    pub async fn next(&mut self) -> Option<Stream> {
        self.streams.recv().await
    }

    /// Says goodbye, and waits a while until everything is written and the client has gone.
    pub async fn close(mut self) {
        self.closing.cancel();
        let ending = async {
            let _ = (&mut self.writer).await;
            // What the client still says is read and forgotten: a socket closed with something unread in it may take
            // the last words with it.
            while self.streams.recv().await.is_some() {}
        };
        let _ = tokio::time::timeout(Duration::from_millis(CLOSE_MS), ending).await;
    }
}

struct Reader<S> {
    read: ReadHalf<S>,
    table: Arc<Table>,
    frames: mpsc::Sender<Frame>,
    opened: mpsc::Sender<Stream>,
    room: Arc<Semaphore>,
    /// Number of the last stream.
    last: u32,
}

impl<S: AsyncRead + AsyncWrite> Reader<S> {
    /// Reads until the client ends, breaks the rules or is silent for too long.
    async fn run(mut self) {
        let (mut decoder, mut buffer) = (Decoder::default(), BytesMut::new());
        loop {
            loop {
                match decoder.decode(&mut buffer) {
                    Ok(Some(frame)) => {
                        if !self.take(frame).await {
                            return;
                        }
                    }
                    Ok(None) => break,
                    Err(error) => {
                        tracing::debug!(%error, "a SPDY connection cannot go on");
                        let farewell = Frame::GoAway { last_stream: self.last, status: status::PROTOCOL_ERROR };
                        // A client that does not read hears nothing.
                        let _ = self.frames.try_send(farewell);
                        return;
                    }
                }
            }
            buffer.reserve(READ_BYTES);
            let reading = self.read.read_buf(&mut buffer);
            match tokio::time::timeout(Duration::from_millis(SILENCE_MS), reading).await {
                Ok(Ok(read)) if read > 0 => {}
                _ => return,
            }
        }
    }

    /// Takes one frame; `false` where the connection cannot go on.
    async fn take(&mut self, frame: Frame) -> bool {
        match frame {
            Frame::SynStream { stream, fin, headers, .. } => return self.open(stream, fin, headers).await,
            Frame::Data { stream, fin, data } => {
                if let Some(sink) = self.table.sink(stream)
                    && !data.is_empty()
                {
                    // A piece is far smaller than the budget. A small one is copied, since it would hold all of what was
                    // read with it.
                    let wanted = u32::try_from(data.len().max(PIECE_COST_BYTES)).unwrap_or(u32::MAX);
                    let data = if data.len() < COPY_BYTES { Bytes::copy_from_slice(&data) } else { data };
                    let Ok(room) = self.room.clone().acquire_many_owned(wanted).await else { return false };
                    // A reader that is gone wants nothing; its stream is being reset.
                    let _ = sink.send(Piece { data, _room: room });
                }
                if fin {
                    self.table.client_finished(stream);
                }
            }
            Frame::Headers { stream, fin: true, .. } => self.table.client_finished(stream),
            Frame::RstStream { stream, .. } => self.table.remove(stream),
            // Even numbers are answers to our own.
            Frame::Ping(number) if number % 2 == 1 => return self.frames.send(Frame::Ping(number)).await.is_ok(),
            Frame::Ping(_)
            | Frame::Headers { .. }
            | Frame::SynReply { .. }
            | Frame::Settings(_)
            | Frame::GoAway { .. }
            | Frame::WindowUpdate { .. } => {}
        }
        true
    }

    async fn open(&mut self, id: u32, fin: bool, headers: super::Headers) -> bool {
        if id.is_multiple_of(2) || id <= self.last {
            let farewell = Frame::GoAway { last_stream: self.last, status: status::PROTOCOL_ERROR };
            let _ = self.frames.send(farewell).await;
            return false;
        }
        self.last = id;
        if self.table.len() >= STREAMS_LIMIT {
            let refusal = Frame::RstStream { stream: id, status: status::REFUSED_STREAM };
            return self.frames.send(refusal).await.is_ok();
        }
        let stream = self.table.open(id, fin, headers);
        // Whoever serves the connection may have stopped taking streams; dropping this one resets it.
        let _ = self.opened.send(stream).await;
        true
    }
}

struct Writer<S> {
    write: WriteHalf<S>,
    table: Arc<Table>,
    queue: mpsc::Receiver<Frame>,
    resets: mpsc::UnboundedReceiver<(u32, u32)>,
    encoder: Encoder,
    buffer: BytesMut,
}

impl<S: AsyncRead + AsyncWrite> Writer<S> {
    /// Writes until the connection is closed, and then what is queued; `false` where the client is gone.
    async fn run(mut self, closing: CancellationToken) -> bool {
        let mut pings = tokio::time::interval(Duration::from_millis(PING_MS));
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pings.tick().await;
        let mut number: u32 = 0;
        loop {
            tokio::select! {
                biased;
                Some(reset) = self.resets.recv() => self.reset(reset),
                Some(frame) = self.queue.recv() => self.add(&frame),
                _ = pings.tick() => {
                    number = number.wrapping_add(2);
                    self.add(&Frame::Ping(number));
                }
                () = closing.cancelled() => break,
            }
            if !self.flush().await {
                return false;
            }
        }
        self.add(&Frame::GoAway { last_stream: 0, status: 0 });
        self.flush().await && self.write.shutdown().await.is_ok()
    }

    fn add(&mut self, frame: &Frame) {
        if let Err(error) = self.encoder.encode(frame, &mut self.buffer) {
            tracing::warn!(%error, "a SPDY frame cannot be written");
        }
    }

    fn reset(&mut self, (stream, status): (u32, u32)) {
        self.add(&Frame::RstStream { stream, status });
        self.table.remove(stream);
    }

    /// Writes what there is, and whatever else is ready to be written with it.
    async fn flush(&mut self) -> bool {
        loop {
            while self.buffer.len() < WRITE_BYTES {
                if let Ok(reset) = self.resets.try_recv() {
                    self.reset(reset);
                } else if let Ok(frame) = self.queue.try_recv() {
                    self.add(&frame);
                } else {
                    break;
                }
            }
            if self.buffer.is_empty() {
                return self.write.flush().await.is_ok();
            }
            let data = self.buffer.split();
            if self.write.write_all(&data).await.is_err() {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upgrade::spdy::{Headers, StreamClosed};
    use tokio::io::DuplexStream;

    /// The other side of a connection, frame by frame.
    struct Client {
        io: DuplexStream,
        encoder: Encoder,
        decoder: Decoder,
        buffer: BytesMut,
    }

    impl Client {
        fn new(pipe: usize) -> (Self, Connection) {
            let (io, server) = tokio::io::duplex(pipe);
            let client = Self { io, encoder: Encoder::default(), decoder: Decoder::default(), buffer: BytesMut::new() };
            (client, Connection::new(server))
        }

        async fn send(&mut self, frame: Frame) {
            let mut bytes = BytesMut::new();
            self.encoder.encode(&frame, &mut bytes).expect("encoded");
            self.io.write_all(&bytes).await.expect("written");
        }

        async fn open(&mut self, stream: u32) {
            let headers = Headers::new(&[("streamType", "data")]);
            self.send(Frame::SynStream { stream, fin: false, unidirectional: false, headers }).await;
        }

        async fn data(&mut self, stream: u32, data: &'static [u8], fin: bool) {
            self.send(Frame::Data { stream, fin, data: Bytes::from_static(data) }).await;
        }

        /// The next frame; `None` at the end.
        async fn next(&mut self) -> Option<Frame> {
            loop {
                if let Some(frame) = self.decoder.decode(&mut self.buffer).expect("a frame") {
                    return Some(frame);
                }
                let read = self.io.read_buf(&mut self.buffer);
                let read = tokio::time::timeout(Duration::from_secs(60), read).await.expect("hangs");
                if read.expect("read") == 0 {
                    return None;
                }
            }
        }
    }

    #[tokio::test]
    async fn streams_are_opened_answered_and_half_closed() {
        let (mut client, mut connection) = Client::new(64 * 1024);
        client.open(1).await;
        client.data(1, b"ping", true).await;
        let mut stream = connection.next().await.expect("a stream");
        assert_eq!((stream.id(), stream.headers.get("streamtype")), (1, "data"));
        stream.accept().await.expect("accepted");
        assert_eq!(stream.reader.next().await, Ok(Some(Bytes::from_static(b"ping"))));
        assert_eq!(stream.reader.next().await, Ok(None));
        stream.writer.send(Bytes::from_static(b"pong")).await.expect("sent");
        stream.writer.finish().await.expect("finished");
        drop(stream);
        assert!(matches!(client.next().await, Some(Frame::SynReply { stream: 1, fin: false, .. })));
        let data = |data: &'static [u8], fin| Frame::Data { stream: 1, fin, data: Bytes::from_static(data) };
        assert_eq!(client.next().await, Some(data(b"pong", false)));
        assert_eq!(client.next().await, Some(data(b"", true)));
        client.send(Frame::Ping(5)).await;
        assert_eq!(client.next().await, Some(Frame::Ping(5)));
        let closing = tokio::spawn(connection.close());
        assert_eq!(client.next().await, Some(Frame::GoAway { last_stream: 0, status: 0 }));
        assert_eq!(client.next().await, None);
        drop(client);
        closing.await.expect("closed");
    }

    #[tokio::test]
    async fn resets_reach_the_other_side() {
        let (mut client, mut connection) = Client::new(64 * 1024);
        for id in [1, 3] {
            client.open(id).await;
        }
        let mut first = connection.next().await.expect("a stream");
        drop(connection.next().await.expect("another"));
        // One that nobody wants.
        assert_eq!(client.next().await, Some(Frame::RstStream { stream: 3, status: status::CANCEL }));
        client.send(Frame::RstStream { stream: 1, status: status::CANCEL }).await;
        assert_eq!(first.reader.next().await, Err(StreamClosed));
        assert_eq!(first.writer.send(Bytes::from_static(b"x")).await, Err(StreamClosed));
        drop(client);
        assert!(connection.next().await.is_none());
    }

    #[tokio::test]
    async fn a_slow_reader_stops_the_client_and_others_read_on_until_the_budget_is_full() {
        let (mut client, mut connection) = Client::new(16 * 1024);
        client.open(1).await;
        client.open(3).await;
        let (mut slow, mut fast) =
            (connection.next().await.expect("a stream"), connection.next().await.expect("another"));
        const PART: usize = 16 * 1024;
        static BYTES: [u8; PART] = [7; PART];
        let total = 2 * BUFFER_LIMIT_BYTES / PART;
        let sent = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let count = sent.clone();
        let sending = tokio::spawn(async move {
            client.data(3, b"at once", false).await;
            for _ in 0..total {
                client.data(1, &BYTES, false).await;
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            }
            client.data(1, b"", true).await;
            client
        });
        assert_eq!(fast.reader.next().await, Ok(Some(Bytes::from_static(b"at once"))));
        let full = BUFFER_LIMIT_BYTES / PART;
        while sent.load(std::sync::atomic::Ordering::SeqCst) < full {
            tokio::task::yield_now().await;
        }
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        // What is in the pipe, and in the hands of the reader, comes on top.
        assert!(sent.load(std::sync::atomic::Ordering::SeqCst) <= full + 6);
        let mut got = 0;
        while let Some(data) = slow.reader.next().await.expect("data") {
            got += data.len();
        }
        assert_eq!(got, total * PART);
        drop(sending.await.expect("sent"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_goes_while_it_is_not_read_is_noticed() {
        let (mut client, mut connection) = Client::new(16 * 1024);
        client.open(1).await;
        let mut stream = connection.next().await.expect("a stream");
        static BYTES: [u8; 16 * 1024] = [7; 16 * 1024];
        // More than the connection takes: it reads no more.
        let flooding = async {
            loop {
                client.data(1, &BYTES, false).await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(1), flooding).await.is_err());
        drop(client);
        assert!(connection.next().await.is_none());
        while let Ok(data) = stream.reader.next().await {
            assert!(data.is_some(), "what broke off does not look whole");
        }
    }

    #[tokio::test]
    async fn rules_that_are_broken_end_the_connection() {
        for (what, bytes) in [("an even number", None), ("no frames", Some(&b"\x80\x02\0\x01\0\0\0\0"[..]))] {
            let (mut client, mut connection) = Client::new(64 * 1024);
            match bytes {
                Some(bytes) => client.io.write_all(bytes).await.expect("written"),
                None => client.open(2).await,
            }
            let farewell = Frame::GoAway { last_stream: 0, status: status::PROTOCOL_ERROR };
            assert_eq!(client.next().await, Some(farewell), "{what}");
            assert!(connection.next().await.is_none(), "{what}");
        }
        let (mut client, mut connection) = Client::new(1024 * 1024);
        let mut held = Vec::new();
        for id in 0..=STREAMS_LIMIT as u32 {
            client.open(2 * id + 1).await;
            if id < STREAMS_LIMIT as u32 {
                held.push(connection.next().await.expect("a stream"));
            }
        }
        let stream = 2 * STREAMS_LIMIT as u32 + 1;
        assert_eq!(client.next().await, Some(Frame::RstStream { stream, status: status::REFUSED_STREAM }));
        // What is closed makes room.
        held.clear();
        for _ in 0..STREAMS_LIMIT {
            assert!(matches!(client.next().await, Some(Frame::RstStream { .. })));
        }
        client.open(stream + 2).await;
        assert_eq!(connection.next().await.map(|stream| stream.id()), Some(stream + 2));
    }
}
