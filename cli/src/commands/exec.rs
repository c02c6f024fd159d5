//! `kubus exec`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_exec/>.

use super::pod_of;
use crate::context::{Context, Query};
use crate::error::{CliError, Result};
use crate::fail;
use crate::server::{StreamReader, StreamWriter};
use bytes::Bytes;
use clap::Args;
use crossterm::terminal;
use kubus_client::stream::Received;
use kubus_proto::kinds::pod;
use kubus_proto::path::ResourcePath;
use kubus_proto::request::Method;
use kubus_proto::stream::{FRAME_BYTES, STREAM_ACCEPT, StreamTicket, channel};
use kubus_proto::{ApiRequest, codec};
use serde_json::json;
use std::io::{IsTerminal, Read};
use tokio::sync::mpsc;

/// Pieces of input that wait to be sent.
const INPUT_QUEUE: usize = 16;

/// Execute a command in a container
#[derive(Args, Clone, Debug)]
pub struct ExecArgs {
    /// POD or TYPE/NAME
    #[arg(value_name = "POD | TYPE/NAME")]
    pod: String,
    /// The command where it needs no --
    #[arg(value_name = "COMMAND", hide = true)]
    words: Vec<String>,
    /// The command and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
    /// The container
    #[arg(short = 'c', long, value_name = "CONTAINER")]
    container: Option<String>,
    /// Pass stdin to the container
    #[arg(short = 'i', long)]
    stdin: bool,
    /// stdin is a terminal
    #[arg(short = 't', long)]
    tty: bool,
}

/// Runs the command.
pub async fn run(args: ExecArgs, context: &Context) -> Result<()> {
    let command: Vec<&String> = args.words.iter().chain(&args.command).collect();
    if command.is_empty() {
        fail!("you must specify at least one command for the container");
    }
    let target = pod_of::one(&args.pod, context).await?;
    let phase = target["status"]["phase"].as_str().unwrap_or_default();
    if matches!(phase, "Succeeded" | "Failed") {
        fail!("cannot exec into a container in a completed pod; current phase is {phase}");
    }
    let container = pod_of::container(&target, args.container.as_deref(), context)?;
    let tty = args.tty && args.stdin && std::io::stdin().is_terminal();
    if args.tty && !tty {
        context.console.error_line("Unable to use a TTY - input is not a terminal or the right kind of file");
    }
    let flag = |on: bool| if on { "true" } else { "" };
    let mut query = Query::new()
        .with("container", &container)
        .with("stdin", flag(args.stdin))
        .with("stdout", "true")
        // A terminal has one output only.
        .with("stderr", flag(!tty))
        .with("tty", flag(tty));
    for word in command {
        query = query.with("command", word);
    }
    let path = ResourcePath::of(&pod::ROW, context.namespace(), pod_of::name_of(&target), "exec");
    let mut request = ApiRequest::new(Method::Post, path);
    request.query = query.into_string();
    request.accept = STREAM_ACCEPT.to_owned();
    let answer = context.send(request).await?;
    let ticket: StreamTicket = codec::decode(&answer.body)
        .map_err(|error| CliError::message(format!("the apiserver gave no stream: {error}")))?;
    let (writer, reader) = context.server.stream(ticket).await?;
    let code = {
        let _raw = if tty { Some(RawTerminal::enter()?) } else { None };
        converse(args.stdin, tty, writer, reader, context).await?
    };
    if code != 0 {
        context.console.error_line(&format!("command terminated with exit code {code}"));
        return Err(CliError::Exit(code));
    }
    Ok(())
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

/// Carries input and output until the process ends; gives its exit code.
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
    tokio::select! {
        result = receiving => result,
        () = sending => Ok(0),
    }
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
