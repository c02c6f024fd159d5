//! Both ends of a stream over a real NATS server.
#![allow(clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use futures::StreamExt;
use kubus_client::stream::{Connection, Received, StreamError, StreamReceiver, StreamSender, accept, connect, listen};
use kubus_client::{Bus, heartbeat};
use kubus_proto::heartbeat::Heartbeat;
use kubus_proto::stream::{FRAME_BYTES, Frame, OpenStream, Operation, StreamTicket, WINDOW_FRAMES, channel};
use kubus_proto::{codec, subject};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{Nats, eventually, settled, soon};

type Halves = (StreamSender, StreamReceiver);

fn open_stream() -> OpenStream {
    OpenStream {
        ticket: StreamTicket { node: "n1".into(), identity: "admin".into(), session: "s1".into() },
        namespace: "default".into(),
        pod: "p".into(),
        uid: "u".into(),
        operation: Operation::PortForward { port: 80 },
    }
}

/// A client's and a node's end of one stream; the node hears of it as it would from an apiserver.
async fn pair(nats: &Nats) -> (Bus, Halves, Halves) {
    let (client, node) = (nats.connect("admin").await, nats.connect("node:n1").await);
    let mut requests = listen(&node, "n1").await.unwrap();
    settled(node.nats()).await;
    let open = open_stream();
    let payload = codec::encode(&open).unwrap();
    client.nats().publish(subject::open_stream("n1"), payload.into()).await.unwrap();
    let open = soon("the request", requests.next()).await.unwrap();
    let (ours, theirs) = soon("the session", sides(&client, &node, &open)).await;
    (client, ours, theirs)
}

/// Both ends of a session, begun.
async fn sides(client: &Bus, node: &Bus, open: &OpenStream) -> (Halves, Halves) {
    let theirs = async {
        let (mut sender, receiver) = accept(node, open).await.unwrap();
        sender.ready().await.unwrap();
        (sender, receiver)
    };
    let (ours, theirs) = tokio::join!(connect(client, &open.ticket), theirs);
    (ours.unwrap(), theirs)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_goes_both_ways_and_ends_with_a_code() {
    let Some(nats) = Nats::start() else { return };
    let (_bus, (mut sender, mut receiver), (mut node_sender, mut node_receiver)) = pair(&nats).await;
    let input = Bytes::from(vec![7; 3 * FRAME_BYTES + 5]);
    sender.send(channel::STDIN, input.clone()).await.unwrap();
    sender.close(channel::STDIN).await.unwrap();
    let mut got = Vec::new();
    loop {
        match soon("input", node_receiver.next()).await.unwrap() {
            Received::Data { channel: channel::STDIN, data } => got.extend_from_slice(&data),
            Received::Close { channel: channel::STDIN } => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(got, input);
    node_sender.send(channel::STDERR, Bytes::from_static(b"oops")).await.unwrap();
    node_sender.end(Some(3), "").await.unwrap();
    drop(node_receiver);
    let data = Received::Data { channel: channel::STDERR, data: Bytes::from_static(b"oops") };
    assert_eq!(soon("output", receiver.next()).await.unwrap(), data);
    assert_eq!(soon("the end", receiver.next()).await.unwrap(), Received::End { exit_code: Some(3) });
    assert!(soon("nothing more", receiver.next()).await.is_err());
    assert!(soon("nobody reads", sender.send(channel::STDIN, input)).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_stops_the_writer_and_loses_nothing() {
    const FRAMES: usize = 500;
    let Some(nats) = Nats::start() else { return };
    let (_bus, (_sender, mut receiver), (mut node_sender, _node_receiver)) = pair(&nats).await;
    let written = Arc::new(AtomicUsize::new(0));
    let count = written.clone();
    let writing = tokio::spawn(async move {
        for i in 0..FRAMES {
            node_sender.send(channel::STDOUT, i.to_string().into()).await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
        }
        node_sender.end(None, "").await.unwrap();
    });
    // The word that the node has begun is in the window too.
    let window = WINDOW_FRAMES as usize - 1;
    eventually("the window is full", || written.load(Ordering::SeqCst) == window).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(written.load(Ordering::SeqCst), window, "nobody reads, nobody writes");
    for i in 0..FRAMES {
        let expected = Received::Data { channel: channel::STDOUT, data: i.to_string().into() };
        assert_eq!(soon("data", receiver.next()).await.unwrap(), expected);
        assert!(written.load(Ordering::SeqCst) <= i + 2 + WINDOW_FRAMES as usize);
    }
    assert_eq!(soon("the end", receiver.next()).await.unwrap(), Received::End { exit_code: None });
    writing.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_frame_ends_the_stream_on_both_sides() {
    let Some(nats) = Nats::start() else { return };
    let (bus, (_sender, mut receiver), (mut node_sender, mut node_receiver)) = pair(&nats).await;
    node_sender.send(channel::STDOUT, Bytes::from_static(b"0")).await.unwrap();
    assert!(matches!(soon("the first", receiver.next()).await.unwrap(), Received::Data { .. }));
    // What the node sent as number 2 never came; this is its number 3.
    let frame = Frame::Data { sequence: 3, channel: channel::STDOUT, data: Bytes::from_static(b"2") };
    let payload = codec::encode(&frame).unwrap();
    bus.nats().publish(subject::stream_down("n1", "admin", "s1"), payload.into()).await.unwrap();
    let error = soon("the loss", receiver.next()).await.unwrap_err();
    assert!(matches!(error, StreamError::Lost { expected: 2, got: 3 }), "{error}");
    let error = soon("the node is told", node_receiver.next()).await.unwrap_err();
    assert!(matches!(&error, StreamError::Remote(text) if text.contains("lost data")), "{error}");
    soon("the writer is stopped", async {
        while node_sender.send(channel::STDOUT, Bytes::from_static(b"x")).await.is_ok() {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_away_or_fails_says_so() {
    let Some(nats) = Nats::start() else { return };
    let (_bus, ours, (_node_sender, mut node_receiver)) = pair(&nats).await;
    drop(ours);
    let error = soon("the client is gone", node_receiver.next()).await.unwrap_err();
    assert!(matches!(&error, StreamError::Remote(text) if text.contains("gone away")), "{error}");

    let (_bus, (_sender, mut receiver), (node_sender, _node_receiver)) = pair(&nats).await;
    node_sender.end(None, "container not found").await.unwrap();
    let error = soon("the node's error", receiver.next()).await.unwrap_err();
    assert_eq!(error.to_string(), "container not found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_begin_is_an_error_of_opening_it() {
    let Some(nats) = Nats::start() else { return };
    let (client, node) = (nats.connect("admin").await, nats.connect("node:n1").await);
    let open = open_stream();
    let refuse = async {
        let (sender, _receiver) = accept(&node, &open).await.unwrap();
        sender.end(None, "container not found").await.unwrap();
    };
    let (opened, ()) = soon("the refusal", async { tokio::join!(connect(&client, &open.ticket), refuse) }).await;
    assert_eq!(opened.err().map(|error| error.to_string()).as_deref(), Some("container not found"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_half_closed_and_a_broken_one_does_not_look_whole() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let Some(nats) = Nats::start() else { return };
    for (failure, expected) in [("", Ok(9)), ("the pod is gone", Err("the pod is gone"))] {
        let (_bus, (sender, receiver), (mut node_sender, mut node_receiver)) = pair(&nats).await;
        let mut connection = Connection::new(sender, receiver);
        let answering = tokio::spawn(async move {
            let mut length = 0;
            loop {
                match node_receiver.next().await.unwrap() {
                    Received::Data { data, .. } => length += data.len(),
                    // The client has said everything and still listens.
                    Received::Close { .. } => break,
                    other => panic!("{other:?}"),
                }
            }
            node_sender.send(channel::STDOUT, format!("got {length}").into()).await.unwrap();
            node_sender.close(channel::STDOUT).await.unwrap();
            node_sender.end(None, failure).await.unwrap();
        });
        connection.write_all(&[1; 70_000]).await.unwrap();
        connection.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let read = soon("the answer", connection.read_to_end(&mut answer)).await;
        assert_eq!(answer, b"got 70000");
        assert_eq!(read.map_err(|error| error.to_string()), expected.map_err(str::to_owned));
        answering.await.unwrap();
    }
    let (_bus, (sender, receiver), (_node_sender, mut node_receiver)) = pair(&nats).await;
    drop(Connection::new(sender, receiver));
    let error = soon("the client is gone", node_receiver.next()).await.unwrap_err();
    assert!(matches!(&error, StreamError::Remote(text) if text.contains("gone away")), "{error}");
}

/// Ten thousand, a hundred at a time, ended in every way there is: by the node, by the client, by the client's absence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_streams_leave_nothing_behind() {
    const ROUNDS: usize = 100;
    const AT_ONCE: usize = 100;
    let monitor = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let Some(nats) = Nats::start_with(&["-m".into(), monitor.to_string()]) else { return };
    let (client, node) = (nats.connect("admin").await, nats.connect("node:n1").await);
    settled(client.nats()).await;
    settled(node.nats()).await;
    let subscriptions_before = subscriptions(monitor);
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let (tasks_before, files_before) = (tasks(), open_files());
    for round in 0..ROUNDS {
        let one = |i: usize| {
            let (client, node) = (&client, &node);
            async move {
                let mut open = open_stream();
                open.ticket.session = format!("s-{round}-{i}");
                let ((mut sender, mut receiver), (mut node_sender, mut node_receiver)) =
                    sides(client, node, &open).await;
                sender.send(channel::STDIN, Bytes::from_static(b"ping")).await.unwrap();
                assert!(matches!(node_receiver.next().await.unwrap(), Received::Data { .. }));
                node_sender.send(channel::STDOUT, Bytes::from_static(b"pong")).await.unwrap();
                assert!(matches!(receiver.next().await.unwrap(), Received::Data { .. }));
                match i % 3 {
                    0 => {
                        node_sender.end(Some(0), "").await.unwrap();
                        assert_eq!(receiver.next().await.unwrap(), Received::End { exit_code: Some(0) });
                    }
                    1 => {
                        sender.end(None, "").await.unwrap();
                        assert_eq!(node_receiver.next().await.unwrap(), Received::End { exit_code: None });
                    }
                    _ => {
                        drop((sender, receiver));
                        assert!(node_receiver.next().await.is_err());
                    }
                }
            }
        };
        soon("a round", futures::future::join_all((0..AT_ONCE).map(one))).await;
    }
    eventually("every task has ended", || tasks() <= tasks_before).await;
    assert!(open_files() <= files_before, "{} files, {files_before} before", open_files());
    eventually("no subscription is left", || subscriptions(monitor) <= subscriptions_before).await;
}

/// How many subscriptions the server holds, as its monitoring port tells.
fn subscriptions(port: u16) -> u64 {
    use std::io::{Read, Write};
    let mut connection = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection.write_all(b"GET /subsz HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    serde_json::from_str::<serde_json::Value>(body).unwrap()["num_subscriptions"].as_u64().unwrap()
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_are_heard_over_reconnects() {
    let Some(mut nats) = Nats::start() else { return };
    let (node, controllers) = (nats.connect("node:n1").await, nats.connect("controllers-1").await);
    let mut heard = heartbeat::subscribe(&controllers).await.unwrap();
    settled(controllers.nats()).await;
    let beat = |sequence| Heartbeat {
        node: "n1".into(),
        boot_id: uuid::Uuid::nil(),
        sequence,
        ready: true,
        message: String::new(),
        leaving: false,
    };
    heartbeat::publish(&node, &beat(0)).await.unwrap();
    assert_eq!(soon("the first", heard.next()).await, Some(beat(0)));
    nats.restart();
    let beating = tokio::spawn(async move {
        for sequence in 1.. {
            heartbeat::publish(&node, &beat(sequence)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(soon("another", heard.next()).await.unwrap().sequence > 0);
    beating.abort();
}
