//! Logs, exec, attach and port-forward between a client and a node: opened through the apiserver, carried by the bus,
//! paced by the reader's credit.
//!
//! 1. The client asks the apiserver (`GET …/pods/p/log?…`, `POST …/pods/p/exec?…`) with [`STREAM_ACCEPT`]. The apiserver
//!    authorizes, finds the node, publishes [`OpenStream`] on `kubus.node.<node>.open` and answers with [`StreamTicket`].
//! 2. The client subscribes to `down` and publishes [`Frame::Credit`] on `up`, again and again until it hears from the
//!    node; the node sends nothing before that.
//! 3. The node begins what was asked for and says [`Frame::Ready`], or ends with the reason why it cannot.
//! 4. `Ready`, `Data` and `Close` frames are numbered per direction. A missing number ends the stream with an error.
//!    Credit is a total and keep-alives repeat it and name the next number, so that neither a lost credit nor a lost
//!    tail hangs the stream.
//! 5. Either side ends with [`Frame::End`].

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// `accept` of a request that wants a [`StreamTicket`].
pub const STREAM_ACCEPT: &str = "application/vnd.kubus.stream";
/// Frames a sender may have in flight before the reader gives more credit.
pub const WINDOW_FRAMES: u32 = 64;
/// Largest data of one frame in bytes.
pub const FRAME_BYTES: usize = 32 * 1024;
/// How long an opened stream waits for its client's first credit, in milliseconds.
pub const OPEN_TIMEOUT_MS: u64 = 10_000;
/// How often each side says that it is there, in milliseconds; silence of three times that ends the stream.
pub const KEEPALIVE_MS: u64 = 5_000;

/// Channels of exec and attach, numbered as in Kubernetes' channel protocol.
pub mod channel {
    /// Client to container.
    pub const STDIN: u8 = 0;
    /// Container to client; log text too.
    pub const STDOUT: u8 = 1;
    /// Container to client.
    pub const STDERR: u8 = 2;
    /// Client to container: JSON `{"Width":80,"Height":24}`.
    pub const RESIZE: u8 = 4;
}

/// Where the client finds its stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StreamTicket {
    /// Node that serves it.
    pub node: String,
    /// Identity it is for.
    pub identity: String,
    /// Unguessable; empty where a request only asked whether it may (a port-forward that names no port yet).
    pub session: String,
}

/// From the apiserver to the node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OpenStream {
    /// Names both subjects of the session.
    pub ticket: StreamTicket,
    /// Pod's namespace.
    pub namespace: String,
    /// Pod's name.
    pub pod: String,
    /// Pod's uid, so that a namesake is not taken for it.
    pub uid: String,
    /// What is wanted.
    pub operation: Operation,
}

/// What a stream does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Operation {
    /// Text of a container's output.
    Logs {
        /// Container's name; empty for the only one.
        container: String,
        /// Keep sending what is written later.
        follow: bool,
        /// Of the container before the last restart.
        previous: bool,
        /// Only the last lines.
        tail_lines: Option<i64>,
        /// Only what is younger, in seconds.
        since_seconds: Option<i64>,
        /// RFC 3339 time, only what is younger.
        since_time: Option<String>,
        /// Put an RFC 3339 time before each line.
        timestamps: bool,
        /// Stop after as many bytes.
        limit_bytes: Option<i64>,
    },
    /// A new process in a container.
    Exec {
        /// Container's name; empty for the first one.
        container: String,
        /// Program and arguments.
        command: Vec<String>,
        /// Client sends input.
        stdin: bool,
        /// Client reads output.
        stdout: bool,
        /// Client reads errors.
        stderr: bool,
        /// Through a terminal.
        tty: bool,
    },
    /// A container's main process.
    Attach {
        /// Container's name; empty for the first one.
        container: String,
        /// Client sends input.
        stdin: bool,
        /// Client reads output.
        stdout: bool,
        /// Client reads errors.
        stderr: bool,
        /// Through a terminal.
        tty: bool,
    },
    /// One TCP connection into the pod's network.
    PortForward {
        /// Port in the pod.
        port: u16,
    },
}

/// One message of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Frame {
    /// From the node, its first: the process runs, the log is open, the connection stands.
    Ready {
        /// As in `Data`.
        sequence: u64,
    },
    /// Payload.
    Data {
        /// Counts up from 0 in each direction, over `Ready`, `Data` and `Close`.
        sequence: u64,
        /// See [`channel`].
        channel: u8,
        /// At most [`FRAME_BYTES`].
        data: Bytes,
    },
    /// One channel is at its end (stdin).
    Close {
        /// As in `Data`.
        sequence: u64,
        /// See [`channel`].
        channel: u8,
    },
    /// The receiver of this may send frames with numbers below `up_to`; never less than said before.
    Credit {
        /// First number that must not be sent yet.
        up_to: u64,
    },
    /// Still there.
    KeepAlive {
        /// Number the sender's next frame will have.
        sequence: u64,
        /// As in `Credit`.
        up_to: u64,
    },
    /// Everything is said.
    End {
        /// Number the next frame would have had: everything below was sent.
        sequence: u64,
        /// Exit code of the process, where there was one.
        exit_code: Option<i32>,
        /// What went wrong, empty if nothing.
        error: String,
    },
}
