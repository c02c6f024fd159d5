//! Processes and connections that are only pretended, with input and output that are real: `cat`, `echo`, `yes`, and
//! programs that end by themselves.

use super::super::{Connection, ExecSpec, Output, RuntimeError, Session, SessionId};
use super::Program;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio_util::io::ReaderStream;

/// Bytes that may wait in a pretended pipe.
const PIPE_BYTES: usize = 64 * 1024;
/// What `yes` says at once.
const YES: &[u8] = &[b'y'; 4 * 1024];

/// A pretended process and the exit code it will have.
pub(super) fn exec(id: String, spec: &ExecSpec) -> (Session, i32) {
    let (reader, writer) = tokio::io::simplex(PIPE_BYTES);
    let words: Vec<&str> = spec.command.iter().map(String::as_str).collect();
    let (output, code): (BoxStream<'static, _>, i32) = match words.as_slice() {
        ["cat", ..] => (echo(reader), 0),
        ["yes", ..] => (stream::repeat_with(|| Ok(Output::Stdout(Bytes::from_static(YES)))).boxed(), 0),
        ["echo", rest @ ..] => (once(format!("{}\n", rest.join(" "))), 0),
        _ => match Program::of(&spec.command, &[]) {
            Program::Runs => (stream::pending().boxed(), 0),
            Program::Ends { after, code } => {
                (stream::once(tokio::time::sleep(after)).filter_map(|()| std::future::ready(None)).boxed(), code)
            }
        },
    };
    (Session { id: SessionId::Exec(id), output, input: Box::pin(writer) }, code)
}

/// A container's main process, which says what it is told.
pub(super) fn attach(id: &str) -> Session {
    let (reader, writer) = tokio::io::simplex(PIPE_BYTES);
    Session { id: SessionId::Attach(id.to_owned()), output: echo(reader), input: Box::pin(writer) }
}

/// A connection that says what it is told.
pub(super) fn dial() -> Box<dyn Connection> {
    let (reader, writer) = tokio::io::simplex(PIPE_BYTES);
    Box::new(tokio::io::join(reader, writer))
}

fn echo(reader: impl tokio::io::AsyncRead + Send + 'static) -> BoxStream<'static, Result<Output, RuntimeError>> {
    let said = ReaderStream::new(reader);
    said.map(|data| data.map(Output::Stdout).map_err(|error| RuntimeError::Refused(error.to_string()))).boxed()
}

fn once(text: String) -> BoxStream<'static, Result<Output, RuntimeError>> {
    stream::once(std::future::ready(Ok(Output::Stdout(text.into())))).boxed()
}
