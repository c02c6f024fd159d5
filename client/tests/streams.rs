//! Both ends of a stream over a real NATS server.
#![allow(clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use futures::StreamExt;
use kubus_client::stream::{Received, StreamError, StreamReceiver, StreamSender, accept, connect, listen};
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
    let ours = connect(&client, &open.ticket).await.unwrap();
    let open = soon("the request", requests.next()).await.unwrap();
    let theirs = soon("the session", accept(&node, &open)).await.unwrap();
    (client, ours, theirs)
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
    eventually("the window is full", || written.load(Ordering::SeqCst) == WINDOW_FRAMES as usize).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(written.load(Ordering::SeqCst), WINDOW_FRAMES as usize, "nobody reads, nobody writes");
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
    // What the node sent as number 1 never came; this is its number 2.
    let frame = Frame::Data { sequence: 2, channel: channel::STDOUT, data: Bytes::from_static(b"2") };
    let payload = codec::encode(&frame).unwrap();
    bus.nats().publish(subject::stream_down("n1", "admin", "s1"), payload.into()).await.unwrap();
    let error = soon("the loss", receiver.next()).await.unwrap_err();
    assert!(matches!(error, StreamError::Lost { expected: 1, got: 2 }), "{error}");
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
