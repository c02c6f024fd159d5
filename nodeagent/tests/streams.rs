//! The agent's side of streams over a real NATS server: thousands of them, in every way they can end, leave nothing
//! behind; what one client does not read does not disturb another. Without a `nats-server`, every test says that it is
//! skipped.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use bytes::Bytes;
use futures::future::join_all;
use kubus_client::stream::{Connection, Received, StreamError, StreamReceiver, StreamSender, connect};
use kubus_client::{Bus, Credentials};
use kubus_nodeagent::agent::{Agent, AgentConfig};
use kubus_nodeagent::runtime::sim::{SimConfig, SimRuntime};
use kubus_nodeagent::streams;
use kubus_proto::stream::{OpenStream, Operation, StreamTicket, WINDOW_FRAMES, channel};
use kubus_proto::{codec, subject};
use serde_json::json;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use support::{FakeCluster, PATIENCE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const NODE: &str = "n1";

/// A bus server that is stopped when dropped.
struct Nats {
    child: Child,
    port: u16,
}

impl Nats {
    fn start() -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = server else {
            eprintln!("skipped: nats-server cannot be started");
            return None;
        };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Some(Self { child, port })
    }

    async fn connect(&self, identity: &str) -> Bus {
        let credentials = Credentials {
            identity: identity.to_owned(),
            servers: vec![format!("nats://127.0.0.1:{}", self.port)],
            certificate_authority: String::new(),
            seed: String::new(),
        };
        Bus::connect(&credentials).await.unwrap()
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A node with one pod, and a client of its streams.
struct Bench {
    client: Bus,
    runtime: SimRuntime,
    uid: String,
    _agent: Agent,
    _nats: Nats,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Option<Self> {
        let nats = Nats::start()?;
        let (cluster, folder) = (FakeCluster::new(), tempfile::tempdir().unwrap());
        let runtime = SimRuntime::new(SimConfig { cpus: 8, memory_bytes: 32 << 30, ..SimConfig::default() });
        let config = AgentConfig {
            node: NODE.to_owned(),
            node_ip: "10.0.0.1".to_owned(),
            max_pods: 110,
            data_dir: folder.path().to_owned(),
            ..AgentConfig::default()
        };
        let agent = Agent::start(config, Arc::new(runtime.clone()), cluster.node(NODE)).await.unwrap();
        cluster.create_pod(NODE, "p", json!({"containers": [{"name": "c", "image": "nginx:1"}]}));
        let pod = cluster.running("p").await;
        let bus = nats.connect(&subject::node_identity(NODE)).await;
        tokio::spawn(streams::serve(bus, NODE.to_owned(), agent.pods().clone(), Arc::new(runtime.clone())));
        let client = nats.connect("admin").await;
        let uid = pod["metadata"]["uid"].as_str().unwrap().to_owned();
        let bench = Self { client, runtime, uid, _agent: agent, _nats: nats, _folder: folder };
        // The agent listens once it answers.
        while bench.open("first", exec(&["true"])).await.is_err() {}
        Some(bench)
    }

    /// Opens a stream as an apiserver would, for the client.
    async fn open(&self, session: &str, operation: Operation) -> Result<(StreamSender, StreamReceiver), StreamError> {
        let session = format!("{session}-{}", rand::random::<u64>());
        let ticket = StreamTicket { node: NODE.into(), identity: "admin".into(), session };
        let open = OpenStream {
            ticket: ticket.clone(),
            namespace: "default".into(),
            pod: "p".into(),
            uid: self.uid.clone(),
            operation,
        };
        let message: Bytes = codec::encode(&open).unwrap().into();
        // An apiserver that repeats a request must not start a second process.
        for _ in 0..2 {
            self.client.nats().publish(subject::open_stream(NODE), message.clone()).await.unwrap();
        }
        connect(&self.client, &ticket).await
    }
}

fn exec(command: &[&str]) -> Operation {
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    Operation::Exec { container: "c".into(), command, stdin: true, stdout: true, stderr: true, tty: false }
}

async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn input_output_and_exit_codes_go_through() {
    let Some(bench) = Bench::new().await else { return };
    let (mut sender, mut receiver) = bench.open("cat", exec(&["cat"])).await.unwrap();
    sender.send(channel::STDIN, Bytes::from_static(b"typed")).await.unwrap();
    let said = Received::Data { channel: channel::STDOUT, data: Bytes::from_static(b"typed") };
    assert_eq!(receiver.next().await.unwrap(), said);
    sender.close(channel::STDIN).await.unwrap();
    assert_eq!(receiver.next().await.unwrap(), Received::End { exit_code: Some(0) });
    let (_sender, mut receiver) = bench.open("exit", exec(&["sh", "-c", "exit 7"])).await.unwrap();
    assert_eq!(receiver.next().await.unwrap(), Received::End { exit_code: Some(7) });
    // Started once each, though asked for twice.
    eventually("no process is left", || bench.runtime.sessions() == 0).await;

    let (sender, receiver) = bench.open("port", Operation::PortForward { port: 80 }).await.unwrap();
    let mut connection = Connection::new(sender, receiver);
    connection.write_all(b"hello").await.unwrap();
    connection.shutdown().await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "hello");

    let unknown = Operation::Exec {
        container: "x".into(),
        command: vec!["ls".into()],
        stdin: false,
        stdout: true,
        stderr: false,
        tty: false,
    };
    let error = bench.open("unknown", unknown).await.err().unwrap();
    assert_eq!(error.to_string(), "container x is not valid for pod p");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_reads_nothing_stops_its_process_alone_and_is_missed() {
    let Some(bench) = Bench::new().await else { return };
    let (sender, mut receiver) = bench.open("yes", exec(&["yes"])).await.unwrap();
    // A program that never ends, and nobody who reads: others are served all the while.
    for _ in 0..50 {
        let (_sender, mut other) = bench.open("echo", exec(&["echo", "hello"])).await.unwrap();
        let said = Received::Data { channel: channel::STDOUT, data: Bytes::from_static(b"hello\n") };
        assert_eq!(other.next().await.unwrap(), said);
    }
    for _ in 0..3 * WINDOW_FRAMES {
        assert!(matches!(receiver.next().await.unwrap(), Received::Data { .. }), "it goes on where it is read");
    }
    assert!(bench.runtime.sessions() > 0);
    drop((sender, receiver));
    eventually("the process is ended", || bench.runtime.sessions() == 0).await;
}

/// Ten thousand streams, a hundred at a time: processes that end, clients that leave, connections that are half closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_streams_leave_nothing_on_the_node() {
    const ROUNDS: usize = 100;
    const AT_ONCE: usize = 100;
    let Some(bench) = Bench::new().await else { return };
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    eventually("nothing is left of the beginning", || bench.runtime.sessions() == 0).await;
    let (tasks_before, files_before) = (tasks(), files());
    for _ in 0..ROUNDS {
        let one = |i: usize| {
            let bench = &bench;
            async move {
                match i % 4 {
                    0 => {
                        let (_sender, mut receiver) = bench.open("exit", exec(&["exit", "3"])).await.unwrap();
                        assert_eq!(receiver.next().await.unwrap(), Received::End { exit_code: Some(3) });
                    }
                    1 => drop(bench.open("cat", exec(&["cat"])).await.unwrap()),
                    2 => drop(bench.open("yes", exec(&["yes"])).await.unwrap()),
                    _ => {
                        let (sender, receiver) = bench.open("port", Operation::PortForward { port: 80 }).await.unwrap();
                        let mut connection = Connection::new(sender, receiver);
                        connection.write_all(b"x").await.unwrap();
                        connection.shutdown().await.unwrap();
                        let mut answer = Vec::new();
                        connection.read_to_end(&mut answer).await.unwrap();
                        assert_eq!(answer, b"x");
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, join_all((0..AT_ONCE).map(one))).await.expect("a round");
    }
    eventually("every process is ended", || bench.runtime.sessions() == 0).await;
    eventually("every task has ended", || tasks() <= tasks_before).await;
    assert!(files() <= files_before, "{} files, {files_before} before", files());
}
