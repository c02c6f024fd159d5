//! A process in a container joined to this terminal: exec, attach, and whatever else runs something there.

use crate::context::Context;
use crate::error::{CliError, Result};
use crate::server::{Duplex, StreamReader, StreamWriter};
use bytes::Bytes;
use crossterm::terminal;
use kubus_client::stream::Received;
use kubus_proto::stream::{FRAME_BYTES, STREAM_ACCEPT, StreamTicket, channel};
use kubus_proto::{ApiRequest, codec};
use serde_json::json;
use std::io::{IsTerminal, Read};
use std::time::Duration;
use tokio::sync::mpsc;

/// Pieces of input that wait to be sent.
const INPUT_QUEUE: usize = 16;
/// Exit code of a command that the user interrupted.
const INTERRUPTED: i32 = 130;
/// How long saying goodbye may take, in milliseconds.
const GOODBYE_MS: u64 = 1_000;

/// Asks for a stream and enters it.
pub async fn open(mut request: ApiRequest, context: &Context) -> Result<Duplex> {
    request.accept = STREAM_ACCEPT.to_owned();
    let answer = context.send(request).await?;
    let ticket: StreamTicket = codec::decode(&answer.body)
        .map_err(|error| CliError::message(format!("the apiserver gave no stream: {error}")))?;
    context.server.stream(ticket).await
}

/// Whether a terminal can be had where one is wanted; says so where it cannot.
pub fn terminal_wanted(tty: bool, stdin: bool, context: &Context) -> bool {
    let real = tty && stdin && std::io::stdin().is_terminal();
    if tty && !real {
        context.console.error_line("Unable to use a TTY - input is not a terminal or the right kind of file");
    }
    real
}

/// Carries input and output between this terminal and a process until it ends; gives its exit code.
pub async fn run(stdin: bool, tty: bool, (writer, reader): Duplex, context: &Context) -> Result<i32> {
    let _raw = if tty { Some(RawTerminal::enter()?) } else { None };
    converse(stdin, tty, writer, reader, context).await
}

/// Raw mode of the terminal for as long as it lives, so that it is left on every way out.
struct RawTerminal;

impl RawTerminal {
    fn enter() -> Result<Self> {
        terminal::enable_raw_mode()?;
        Ok(Self)
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _ = terminal::disable_raw_mode();
    }
}

/// What goes to the container.
enum Outgoing {
    Input(Bytes),
    InputEnd,
    Resize,
}

/// Carries input and output until the process ends or the user has enough; gives the exit code.
async fn converse(
    stdin: bool,
    tty: bool,
    mut writer: Box<dyn StreamWriter>,
    mut reader: Box<dyn StreamReader>,
    context: &Context,
) -> Result<i32> {
    let (outgoing, mut queue) = mpsc::channel(INPUT_QUEUE);
    if stdin {
        read_input(outgoing.clone());
    }
    if tty {
        send_size(&mut *writer).await?;
        watch_size(outgoing)?;
    }
    let sending = async {
        while let Some(message) = queue.recv().await {
            let sent = match message {
                Outgoing::Input(data) => writer.send(channel::STDIN, data).await,
                Outgoing::InputEnd => writer.close(channel::STDIN).await,
                Outgoing::Resize => send_size(&mut *writer).await,
            };
            if sent.is_err() {
                // Why it cannot be sent is told by the other direction.
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let receiving = async {
        loop {
            match reader.next().await? {
                Received::Data { channel: channel::STDERR, data } => context.console.write_error(&data),
                Received::Data { data, .. } => context.console.write(&data),
                Received::Close { .. } => {}
                Received::End { exit_code } => return Ok(exit_code.unwrap_or(0)),
            }
        }
    };
    let ended = tokio::select! {
        result = receiving => return result,
        () = sending => Ok(0),
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| INTERRUPTED).map_err(CliError::from),
    };
    // A cluster that cannot be told finds out by itself.
    let _ = tokio::time::timeout(Duration::from_millis(GOODBYE_MS), writer.end()).await;
    ended
}

/// Reads stdin in a thread of its own: a read of a terminal cannot be given up.
fn read_input(outgoing: mpsc::Sender<Outgoing>) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; FRAME_BYTES];
        loop {
            let message = match std::io::stdin().read(&mut buffer) {
                Ok(0) | Err(_) => Outgoing::InputEnd,
                Ok(length) => Outgoing::Input(Bytes::copy_from_slice(&buffer[..length])),
            };
            let is_end = matches!(message, Outgoing::InputEnd);
            if outgoing.blocking_send(message).is_err() || is_end {
                return;
            }
        }
    });
}

fn watch_size(outgoing: mpsc::Sender<Outgoing>) -> Result<()> {
    let mut signals = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change())?;
    tokio::spawn(async move {
        while signals.recv().await.is_some() {
            if outgoing.send(Outgoing::Resize).await.is_err() {
                return;
            }
        }
    });
    Ok(())
}

async fn send_size(writer: &mut dyn StreamWriter) -> Result<()> {
    // A terminal that does not know its size keeps the default.
    let Ok((width, height)) = terminal::size() else { return Ok(()) };
    let size = json!({"Width": width, "Height": height}).to_string();
    writer.send(channel::RESIZE, Bytes::from(size)).await
}
