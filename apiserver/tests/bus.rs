//! The server on a real bus. Skips, and says so, where there is no `nats-server` in PATH.

mod common;

use common::{CONFIG_MAPS, Opened};
use futures::StreamExt;
use kubus_apiserver::bootstrap;
use kubus_apiserver::pipeline::Api;
use kubus_apiserver::server::Server;
use kubus_apiserver::store::Local;
use kubus_proto::chunk::Joiner;
use kubus_proto::request::{ATTEMPT_TIMEOUT_MS, CHUNK_BYTES, Method};
use kubus_proto::subject::{self, Route};
use kubus_proto::{ApiRequest, ApiResponse, codec};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long anything may take, in milliseconds.
const PATIENCE_MS: u64 = 10_000;

/// A bus server that ends with the test.
struct Bus(Child);

impl Drop for Bus {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn bus() -> Option<(Bus, async_nats::Client)> {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    let server = Command::new("nats-server")
        .args(["-a", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(server) = server else {
        eprintln!("skipped: there is no nats-server in PATH");
        return None;
    };
    let server = Bus(server);
    let options = async_nats::ConnectOptions::new().retry_on_initial_connect();
    let client = options.connect(format!("127.0.0.1:{port}")).await.expect("a client");
    tokio::time::timeout(Duration::from_millis(PATIENCE_MS), client.flush())
        .await
        .expect("in time")
        .expect("connected");
    Some((server, client))
}

/// Sends a request, again where it is lost as clients do, and joins its answer; `None` where nobody takes it.
async fn ask(nats: &async_nats::Client, identity: &str, route: Route, request: &ApiRequest) -> Option<ApiResponse> {
    let attempts = async {
        loop {
            let attempt = attempt(nats, identity, route, request);
            if let Ok(answer) = tokio::time::timeout(Duration::from_millis(ATTEMPT_TIMEOUT_MS), attempt).await {
                return answer;
            }
        }
    };
    tokio::time::timeout(Duration::from_millis(PATIENCE_MS), attempts).await.expect("an answer in time")
}

async fn attempt(nats: &async_nats::Client, identity: &str, route: Route, request: &ApiRequest) -> Option<ApiResponse> {
    let inbox = nats.new_inbox();
    let mut answers = nats.subscribe(inbox.clone()).await.expect("inbox");
    let payload = codec::encode(request).expect("encode");
    nats.publish_with_reply(subject::api(identity, route), inbox, payload.into()).await.expect("published");
    let mut joiner = Joiner::default();
    loop {
        let answer = answers.next().await.expect("an answer");
        if answer.status.is_some() {
            return None;
        }
        if let Some(payload) = joiner.push(&answer.payload).expect("a chunk") {
            return Some(ApiResponse::decode(&payload).expect("an answer"));
        }
    }
}

fn create(name: &str, size: usize) -> ApiRequest {
    let mut request = ApiRequest::new(Method::Post, CONFIG_MAPS);
    let body = json!({"metadata": {"name": name}, "data": {"k": "x".repeat(size)}});
    request.body = codec::encode(&body).expect("encode").into();
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_are_always_taken_and_writes_only_by_the_leader() {
    let Some((_bus, nats)) = bus().await else { return };
    let api = Api::new(Arc::new(Local::default()), Arc::new(Opened::default()));
    assert!(bootstrap::ensure(&api).await);
    let (leads, leadership) = watch::channel(false);
    let stop = CancellationToken::new();
    let server = Server::new(nats.clone(), api, &mut kubus_client::metrics::Registry::default());
    let serving = tokio::spawn({
        let stop = stop.clone();
        async move { server.serve(leadership, stop).await }
    });
    let list = ApiRequest::new(Method::Get, CONFIG_MAPS);
    // Until the subscription stands there is nobody who answers.
    while ask(&nats, "admin", Route::Read, &list).await.is_none() {
        tokio::task::yield_now().await;
    }
    assert!(ask(&nats, "admin", Route::Write, &create("a", 1)).await.is_none(), "no leader, no responder");
    leads.send_replace(true);
    let large = create("a", CHUNK_BYTES);
    let made = loop {
        if let Some(made) = ask(&nats, "admin", Route::Write, &large).await {
            break made;
        }
    };
    assert_eq!(made.code, 201);
    assert_eq!(ask(&nats, "admin", Route::Write, &create("b", CHUNK_BYTES)).await.expect("answer").code, 201);
    let both = ask(&nats, "admin", Route::Read, &list).await.expect("answer");
    assert!(both.body.len() > 2 * CHUNK_BYTES, "in several chunks");
    let both: Value = codec::decode(&both.body).expect("list");
    assert_eq!(both["items"].as_array().map(Vec::len), Some(2));

    let refused = ask(&nats, "node:n1", Route::Read, &list).await.expect("answer");
    assert_eq!(refused.code, 403, "the identity is the subject's");
    let misrouted = ask(&nats, "admin", Route::Read, &create("c", 1)).await.expect("answer");
    assert_eq!(misrouted.code, 400);

    leads.send_replace(false);
    while ask(&nats, "admin", Route::Write, &large).await.is_some() {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    serving.await.expect("served");
    assert!(ask(&nats, "admin", Route::Read, &list).await.is_none(), "stopped");
}
