//! SPDY/3.1, which older kubectls speak for exec and attach, and all of them for port-forward: many streams of bytes, each
//! with headers, in one connection. Only what a server of Kubernetes needs: clients open streams, nobody pushes, and
//! windows are not used (Kubernetes' clients never widen them; the connection itself is what paces).
//! <https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/>

pub mod connection;
mod dictionary;
pub mod frame;
pub mod headers;
mod streams;

pub use connection::Connection;
pub use frame::{Decoder, Encoder, Frame, FrameError};
pub use headers::Headers;
pub use streams::{Stream, StreamClosed, StreamReader, StreamWriter};
