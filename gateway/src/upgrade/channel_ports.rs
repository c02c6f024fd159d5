//! port-forward as other clients than kubectl know it: the ports are in the query, and each has two channels of one
//! WebSocket, for its bytes and for what went wrong.

use super::Opener;
use super::channels::{PROTOCOLS as CHANNELS, Protocol, Said};
use super::web_socket::{self, Incoming, Messages, Socket};
use bytes::Bytes;
use futures::future::join_all;
use kubus_client::stream::{Received, StreamReceiver, StreamSender};
use kubus_proto::path::query_pairs;
use kubus_proto::stream::channel;
use kubus_proto::{ApiError, Reason};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Most ports of one WebSocket: channels have numbers of one byte.
const PORTS_LIMIT: usize = 64;
/// Messages of one port that may wait to be sent to the node; then the socket is not read.
const MESSAGES_LIMIT: usize = 16;

/// Versions that are spoken; the first with clients that name none. None of them closes channels.
pub static PROTOCOLS: [&Protocol; 4] = [&CHANNELS[4], &CHANNELS[5], &CHANNELS[0], &CHANNELS[1]];

/// Reads the ports of a query: `ports=80&ports=443` or `ports=80,443`.
pub fn ports(query: &str) -> Result<Vec<u16>, ApiError> {
    let bad = |message: String| ApiError::new(Reason::BadRequest, message);
    let mut all = Vec::new();
    for (_, value) in query_pairs(query).into_iter().filter(|(key, _)| key == "ports" || key == "port") {
        for text in value.split(',') {
            let port = text.trim().parse().ok().filter(|port: &u16| *port > 0);
            all.push(port.ok_or_else(|| bad(format!("{text:?} is not a valid port number")))?);
        }
    }
    match all.len() {
        0 => Err(bad("query parameter \"port\" is required".to_owned())),
        count if count > PORTS_LIMIT => Err(bad(format!("{count} ports are too many: at most {PORTS_LIMIT}"))),
        _ => Ok(all),
    }
}

/// Serves a socket until the client goes.
pub async fn serve(socket: Socket, protocol: &'static Protocol, ports: Vec<u16>, opener: Arc<Opener>) {
    web_socket::serve(socket, |incoming, messages| talk(protocol, ports, opener, incoming, messages)).await;
}

async fn talk(
    protocol: &'static Protocol,
    ports: Vec<u16>,
    opener: Arc<Opener>,
    mut incoming: Incoming,
    messages: Messages,
) -> Incoming {
    // Each channel begins with the number of its port, so that the client knows which it is.
    for (channel, port) in (0u8..).step_by(2).zip(&ports) {
        for channel in [channel, channel + 1] {
            if messages.send(protocol.encode(channel, &port.to_le_bytes())).await.is_err() {
                return incoming;
            }
        }
    }
    let (mut queues, mut forwards) = (Vec::new(), Vec::new());
    for (channel, port) in (0u8..).step_by(2).zip(&ports) {
        let (queue, said) = mpsc::channel(MESSAGES_LIMIT);
        queues.push(queue);
        forwards.push(forward(protocol, channel, *port, &opener, said, messages.clone()));
    }
    drop(messages);
    let reading = async {
        while let Some(message) = incoming.next().await {
            if let Said::Data { channel, data } = protocol.decode(message)
                && channel % 2 == 0
                && let Some(queue) = queues.get(usize::from(channel / 2))
            {
                // A port that is done takes nothing any more.
                let _ = queue.send(data).await;
            }
        }
    };
    tokio::select! {
        () = reading => {}
        _ = join_all(forwards) => {}
    }
    incoming
}

/// One port: its connection is made at once and ends with either side.
async fn forward(
    protocol: &'static Protocol,
    channel: u8,
    port: u16,
    opener: &Opener,
    mut said: mpsc::Receiver<Bytes>,
    messages: Messages,
) {
    let (mut sender, mut receiver): (StreamSender, StreamReceiver) = match opener.port(port).await {
        Ok(bus) => bus,
        Err(failure) => {
            let text = format!("error forwarding port {port} to pod {}, uid : {failure}", opener.pod());
            let _ = messages.send(protocol.encode(channel + 1, text.as_bytes())).await;
            return;
        }
    };
    let up = async {
        while let Some(data) = said.recv().await {
            if sender.send(channel::STDIN, data).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let down = async {
        loop {
            match receiver.next().await {
                Ok(Received::Data { data, .. }) => {
                    if messages.send(protocol.encode(channel, &data)).await.is_err() {
                        return;
                    }
                }
                // The pod has said everything. These clients know no other end than that of the socket.
                Ok(Received::Close { .. } | Received::End { .. }) | Err(_) => return,
            }
        }
    };
    tokio::select! {
        () = down => {}
        () = up => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_from_the_query() {
        for (query, expected) in [
            ("ports=80", Ok(vec![80])),
            ("ports=80&ports=443", Ok(vec![80, 443])),
            ("ports=80,443", Ok(vec![80, 443])),
            ("", Err("query parameter \"port\" is required")),
            ("ports=0", Err("\"0\" is not a valid port number")),
            ("ports=http", Err("\"http\" is not a valid port number")),
        ] {
            let got = ports(query);
            assert_eq!(
                got.as_ref().map_err(|error| error.message.as_str()),
                expected.as_ref().map_err(|e| *e),
                "{query}"
            );
        }
        let many: Vec<String> = (1..=PORTS_LIMIT + 1).map(|port| port.to_string()).collect();
        assert!(ports(&format!("ports={}", many.join(","))).is_err());
    }
}
