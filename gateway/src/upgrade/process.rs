//! exec and attach: a process' ends on a node joined to a client's, whichever protocol the client speaks.

use super::channels::{self, PROTOCOLS, Protocol, Said};
use super::handshake::{self, Wanted};
use super::web_socket::{self, Incoming, Messages};
use super::{Opener, failure, spawn, spdy_process};
use crate::Gateway;
use crate::answer::Body;
use crate::gateway::asked;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{Request, Response};
use hyper::body::Incoming as RequestBody;
use kubus_client::stream::{Received, StreamReceiver, StreamSender};
use kubus_proto::ApiError;
use kubus_proto::path::query_pairs;
use kubus_proto::stream::channel;
use kubus_proto::user::OnBehalf;
use serde_json::{Value, json};

/// What the client says to the process.
#[derive(Debug)]
pub enum FromClient {
    /// Input.
    Input(Bytes),
    /// There is no more input.
    InputEnd,
    /// The terminal's size, in JSON.
    Resize(Bytes),
}

/// The client takes nothing any more.
#[derive(Clone, Copy, Debug)]
pub struct Gone;

/// Where the client hears of the process.
pub trait ToClient {
    /// Output of a channel; waits while the client does not read.
    fn output(&mut self, channel: u8, data: Bytes) -> impl Future<Output = Result<(), Gone>> + Send;
    /// How the process ended, as a `Status`. The last thing to be said.
    fn finish(self, status: &Value) -> impl Future<Output = Result<(), Gone>> + Send;
}

/// Which ends the client wants, from its query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Input.
    pub stdin: bool,
    /// Output.
    pub stdout: bool,
    /// Errors; a terminal has none of its own.
    pub stderr: bool,
    /// A terminal.
    pub tty: bool,
}

impl Ends {
    fn of(query: &str) -> (Self, Vec<String>) {
        let (mut ends, mut command) = (Self::default(), Vec::new());
        for (key, value) in query_pairs(query) {
            let flag = !matches!(value.as_str(), "false" | "0");
            match key.as_str() {
                "stdin" => ends.stdin = flag,
                "stdout" => ends.stdout = flag,
                "stderr" => ends.stderr = flag,
                "tty" => ends.tty = flag,
                "command" => command.push(value),
                _ => {}
            }
        }
        ends.stderr &= !ends.tty;
        (ends, command)
    }
}

/// Answers a request for exec or attach.
pub async fn answer(
    gateway: &Gateway,
    on_behalf: OnBehalf,
    mut request: Request<RequestBody>,
) -> Result<Response<Body>, ApiError> {
    let wanted = handshake::required(&request)?;
    let slot = super::slot()?;
    let (ends, command) = Ends::of(request.uri().query().unwrap_or_default());
    let opener = Opener::new(gateway, asked(on_behalf, &request)?)?;
    match wanted {
        Wanted::WebSocket { key, offered } => {
            let protocol = handshake::choose(&offered, &PROTOCOLS, |protocol| protocol.name)?;
            let bus = match opener.open().await {
                Ok(bus) => bus,
                Err(error) => return failure(error),
            };
            let upgrade = hyper::upgrade::on(&mut request);
            spawn(gateway, slot, async move {
                let Ok(upgraded) = upgrade.await else { return };
                let socket = web_socket::socket(upgraded).await;
                web_socket::serve(socket, |incoming, messages| talk(bus, ends, protocol, incoming, messages, &command))
                    .await;
            });
            Ok(handshake::web_socket(&key, Some(protocol.name).filter(|_| !offered.is_empty())))
        }
        Wanted::Spdy { offered } => {
            let protocol = handshake::choose(&offered, &spdy_process::PROTOCOLS, |protocol| protocol.name)?;
            let bus = match opener.open().await {
                Ok(bus) => bus,
                Err(error) => return failure(error),
            };
            let upgrade = hyper::upgrade::on(&mut request);
            spawn(gateway, slot, async move {
                let Ok(upgraded) = upgrade.await else { return };
                spdy_process::serve(upgraded, bus, ends, protocol, &command).await;
            });
            Ok(handshake::spdy(Some(protocol.name).filter(|_| !offered.is_empty())))
        }
    }
}

/// Joins a process and a WebSocket.
async fn talk(
    bus: (StreamSender, StreamReceiver),
    ends: Ends,
    protocol: &'static Protocol,
    mut incoming: Incoming,
    messages: Messages,
    command: &[String],
) -> Incoming {
    let first = if ends.stdout {
        channel::STDOUT
    } else if ends.stderr {
        channel::STDERR
    } else {
        channels::ERROR
    };
    // An empty message tells the client that the connection is there.
    if messages.send(protocol.encode(first, b"")).await.is_err() {
        return incoming;
    }
    let input = incoming.messages().filter_map(|message| {
        std::future::ready(match protocol.decode(message) {
            Said::Data { channel: channel::STDIN, data } if ends.stdin && !data.is_empty() => {
                Some(FromClient::Input(data))
            }
            Said::Close { channel: channel::STDIN } if ends.stdin => Some(FromClient::InputEnd),
            Said::Data { channel: channel::RESIZE, data } if ends.tty => Some(FromClient::Resize(data)),
            Said::Data { .. } | Said::Close { .. } | Said::Nothing => None,
        })
    });
    join(bus, input, SocketOutput { protocol, messages }, command).await;
    incoming
}

struct SocketOutput {
    protocol: &'static Protocol,
    messages: Messages,
}

impl ToClient for SocketOutput {
    async fn output(&mut self, channel: u8, data: Bytes) -> Result<(), Gone> {
        self.messages.send(self.protocol.encode(channel, &data)).await.map_err(|_| Gone)
    }

    async fn finish(self, status: &Value) -> Result<(), Gone> {
        match told(status, self.protocol.status) {
            Some(text) => {
                self.messages.send(self.protocol.encode(channels::ERROR, text.as_bytes())).await.map_err(|_| Gone)
            }
            None => Ok(()),
        }
    }
}

/// A process' end as the client's version of the protocol has it: a `Status`, or a text where it failed.
pub fn told(status: &Value, as_status: bool) -> Option<String> {
    if as_status {
        return Some(status.to_string());
    }
    (status["status"] != "Success").then(|| status["message"].as_str().unwrap_or_default().to_owned())
}

/// Carries input and output until the process has ended or the client has gone, which `input` ends with.
pub async fn join(
    (mut sender, mut receiver): (StreamSender, StreamReceiver),
    input: impl Stream<Item = FromClient>,
    mut output: impl ToClient,
    command: &[String],
) {
    let up = async {
        let mut input = std::pin::pin!(input);
        let mut open = true;
        while let Some(said) = input.next().await {
            if !open {
                // Read on only to see when the client goes.
                continue;
            }
            let sent = match said {
                FromClient::Input(data) => sender.send(channel::STDIN, data).await,
                FromClient::InputEnd => sender.close(channel::STDIN).await,
                FromClient::Resize(data) => sender.send(channel::RESIZE, data).await,
            };
            open = sent.is_ok();
        }
    };
    let down = async {
        loop {
            match receiver.next().await {
                Ok(Received::Data { channel, data }) => {
                    if output.output(channel, data).await.is_err() {
                        return;
                    }
                }
                Ok(Received::Close { .. }) => {}
                Ok(Received::End { exit_code }) => {
                    // Whether it hears is the client's affair now.
                    let _ = output.finish(&status(exit_code, command)).await;
                    return;
                }
                Err(error) => {
                    let _ = output.finish(&failed(&error.to_string())).await;
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = down => {}
        () = up => {}
    }
}

/// How a process ended, as the kubelet tells it.
fn status(exit_code: Option<i32>, command: &[String]) -> Value {
    match exit_code.unwrap_or(0) {
        0 => json!({"metadata": {}, "status": "Success"}),
        code => json!({
            "metadata": {},
            "status": "Failure",
            "message": format!(
                "command terminated with non-zero exit code: error executing command [{}], exit code {code}",
                command.join(" ")
            ),
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
        }),
    }
}

/// A stream that broke.
fn failed(error: &str) -> Value {
    let error = format!("error executing command in container: {error}");
    json!({
        "metadata": {},
        "status": "Failure",
        "message": format!("Internal error occurred: {error}"),
        "reason": "InternalError",
        "details": {"causes": [{"message": error}]},
        "code": 500,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_read_from_the_query() {
        let (ends, command) = Ends::of("command=sh&command=-c&command=a%20b&stdin=true&stdout=1&stderr=true&tty=false");
        assert_eq!(ends, Ends { stdin: true, stdout: true, stderr: true, tty: false });
        assert_eq!(command, ["sh", "-c", "a b"]);
        let (ends, _) = Ends::of("stdout=true&stderr=true&tty=true");
        assert_eq!(ends, Ends { stdin: false, stdout: true, stderr: false, tty: true });
    }

    #[test]
    fn a_processs_end_is_told_in_both_forms() {
        let command = ["sh".to_owned(), "-c".to_owned(), "exit 7".to_owned()];
        let (good, bad, broken) = (status(Some(0), &command), status(Some(7), &command), failed("lost"));
        assert_eq!(bad["details"]["causes"][0], json!({"reason": "ExitCode", "message": "7"}));
        assert_eq!(bad["reason"], "NonZeroExitCode");
        assert_eq!(status(None, &command), good, "attach has no code");
        assert_eq!(told(&good, true).as_deref(), Some(r#"{"metadata":{},"status":"Success"}"#));
        assert_eq!(told(&good, false), None);
        assert_eq!(
            told(&bad, false).as_deref(),
            Some("command terminated with non-zero exit code: error executing command [sh -c exit 7], exit code 7")
        );
        assert_eq!(
            told(&broken, false).as_deref(),
            Some("Internal error occurred: error executing command in container: lost")
        );
    }
}
