//! A WebSocket at work: messages in and out, signs of life, and a goodbye that is heard.

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, Stream, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message};

/// Largest message of a client in bytes.
const MESSAGE_LIMIT_BYTES: usize = 4 * 1024 * 1024;
/// Messages that may wait to be written.
const MESSAGES_LIMIT: usize = 8;
/// How often the client is asked whether it is there, in milliseconds.
const PING_MS: u64 = 5_000;
/// A client that says nothing for so long, asked a dozen times, is gone, in milliseconds.
const SILENCE_MS: u64 = 60_000;
/// How long the client may take to hear what is left to say when the socket is closed, in milliseconds.
const CLOSE_MS: u64 = 5_000;

/// What both halves come from.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// The server's side of a WebSocket over a connection whose protocol was changed.
pub async fn socket(upgraded: Upgraded) -> Socket {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_LIMIT_BYTES))
        .max_frame_size(Some(MESSAGE_LIMIT_BYTES));
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await
}

/// Where messages go; waits while the client does not read.
pub type Messages = mpsc::Sender<Message>;

/// Serves a socket: `work` gets what the client says, which ends with the client, and where to send what it is told.
/// When the work is done, the client hears what was sent before the socket is closed.
pub async fn serve<F, Work>(socket: Socket, work: F)
where
    F: FnOnce(Incoming, Messages) -> Work,
    Work: Future<Output = Incoming>,
{
    let (sink, stream) = socket.split();
    let (messages, queue) = mpsc::channel(MESSAGES_LIMIT);
    let mut writing = std::pin::pin!(write(sink, queue));
    let mut incoming = tokio::select! {
        // The client has gone.
        () = &mut writing => return,
        incoming = work(Incoming { stream }, messages) => incoming,
    };
    let ending = async {
        writing.await;
        // What the client still says is read and forgotten: a socket closed with something unread in it may take the
        // last words with it.
        while incoming.next().await.is_some() {}
    };
    let _ = tokio::time::timeout(Duration::from_millis(CLOSE_MS), ending).await;
}

/// What the client says.
pub struct Incoming {
    stream: SplitStream<Socket>,
}

impl Incoming {
    /// The next message; `None` when the client has gone or is silent.
    pub async fn next(&mut self) -> Option<Message> {
        match tokio::time::timeout(Duration::from_millis(SILENCE_MS), self.stream.next()).await {
            Ok(Some(Ok(Message::Close(_)))) | Ok(Some(Err(_)) | None) | Err(_) => None,
            Ok(Some(Ok(message))) => Some(message),
        }
    }

    /// The messages as a stream that borrows them.
    pub fn messages(&mut self) -> impl Stream<Item = Message> + Send {
        futures::stream::unfold(
            self,
            |incoming| async move { incoming.next().await.map(|message| (message, incoming)) },
        )
    }
}

/// Writes until nobody has anything to say any more, or the client has gone.
async fn write(mut sink: SplitSink<Socket, Message>, mut queue: mpsc::Receiver<Message>) {
    let mut pings = tokio::time::interval(Duration::from_millis(PING_MS));
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings.tick().await;
    loop {
        let sent = tokio::select! {
            message = queue.recv() => match message {
                Some(message) => sink.send(message).await,
                None => break,
            },
            _ = pings.tick() => {
                // A client whose own pings are not read, because the container does not read its input, must not take
                // us for gone: a pong that nobody asked for says that we are there.
                let both = [Message::Ping(Bytes::new()), Message::Pong(Bytes::new())];
                sink.send_all(&mut futures::stream::iter(both.map(Ok))).await
            }
        };
        if sent.is_err() {
            return;
        }
    }
    let goodbye = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    // A client that has gone needs none.
    let _ = sink.send(Message::Close(Some(goodbye))).await;
}
