//! Sockets, handshakes and connections, each with its limit: whoever is slow or silent costs little and not for long.

use crate::activity::Activity;
use crate::caller::Peer;
use crate::patience::{Paced, Patient, STALL_MS};
use crate::tls::Tls;
use crate::{Gateway, answer};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use nix::sys::socket::{setsockopt, sockopt};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

/// Most connections at a time; the next one waits in the socket's queue.
const CONNECTION_LIMIT: usize = 8_192;
/// How long a handshake may take, in milliseconds.
const HANDSHAKE_MS: u64 = 10_000;
/// How long a connection may stand with no request in work, in milliseconds, as in Kubernetes.
const IDLE_MS: u64 = 90_000;
/// How long the head of an HTTP/1.1 request may take, in milliseconds. The time before it counts too, so it is longer
/// than a connection may idle.
const HEAD_MS: u64 = IDLE_MS + 5_000;
/// How often an HTTP/2 connection is asked whether anyone is there, in milliseconds.
const PING_MS: u64 = 30_000;
/// How long the answer to that may take, in milliseconds.
const PONG_MS: u64 = 15_000;
/// Largest head of a request in bytes.
const HEAD_BYTES: u32 = 64 * 1024;
/// Buffer of an HTTP/1.1 connection in bytes; a head must fit into it.
const BUFFER_BYTES: usize = 128 * 1024;
/// Most requests of one HTTP/2 connection in work at a time: a client with a watch on every kind needs some hundreds.
const STREAM_LIMIT: u32 = 1_000;
/// Bytes that one HTTP/2 stream may have waiting for its reader.
const STREAM_BUFFER_BYTES: usize = 256 * 1024;
/// Silence after which a client's host is asked whether it is there, and time between questions, in seconds.
const KEEPALIVE_S: u32 = 30;
/// Questions without an answer after which it counts as gone.
const KEEPALIVE_COUNT: u32 = 3;
/// How long to wait before a socket that failed is tried again, in milliseconds.
const ACCEPT_RETRY_MS: u64 = 50;
/// How long requests in work may take to end when the gateway stops, in milliseconds.
const DRAIN_MS: u64 = 3_000;

/// Takes an address.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until the gateway stops, and then until the requests in work have ended.
pub async fn serve(sockets: Vec<TcpListener>, tls: Tls, gateway: Gateway) {
    let connections = TaskTracker::new();
    let permits = Arc::new(Semaphore::new(CONNECTION_LIMIT));
    let mut accepting = tokio::task::JoinSet::new();
    for socket in sockets {
        accepting.spawn(accept(socket, tls.clone(), gateway.clone(), connections.clone(), permits.clone()));
    }
    while accepting.join_next().await.is_some() {}
    connections.close();
    if tokio::time::timeout(Duration::from_millis(DRAIN_MS), connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "stopping with connections in work");
    }
}

async fn accept(socket: TcpListener, tls: Tls, gateway: Gateway, connections: TaskTracker, permits: Arc<Semaphore>) {
    loop {
        let permit = tokio::select! {
            () = gateway.stopping().cancelled() => return,
            permit = permits.clone().acquire_owned() => match permit {
                Ok(permit) => permit,
                Err(_) => return,
            },
        };
        let accepted = tokio::select! {
            () = gateway.stopping().cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                let (tls, gateway) = (tls.clone(), gateway.clone());
                connections.spawn(async move {
                    connection(stream, address, &tls, gateway).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
            }
        }
    }
}

/// One connection from its handshake to its end.
async fn connection(stream: TcpStream, address: SocketAddr, tls: &Tls, gateway: Gateway) {
    tune(&stream);
    let paced = Paced::default();
    let stream = Patient::new(stream, Duration::from_millis(STALL_MS), paced.clone());
    let acceptor = TlsAcceptor::from(tls.server.clone());
    let shaking = tokio::time::timeout(Duration::from_millis(HANDSHAKE_MS), acceptor.accept(stream));
    let metrics = gateway.metrics();
    let stream = match shaking.await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            metrics.shook_hands("failed");
            return tracing::debug!(%address, %error, "a handshake failed");
        }
        Err(_) => {
            metrics.shook_hands("timeout");
            return tracing::debug!(%address, "a handshake took too long");
        }
    };
    metrics.shook_hands("ok");
    let standing = metrics.stands();
    let shown = tls.clients.judge(stream.get_ref().1.peer_certificates());
    let peer = Arc::new(Peer { address, shown, paced });
    let activity = Arc::new(Activity::new());
    let service = service_fn({
        let (gateway, activity) = (gateway.clone(), activity.clone());
        move |request| {
            let (gateway, peer, busy) = (gateway.clone(), peer.clone(), activity.begin());
            async move {
                let answer = gateway.handle(&peer, request).await;
                Ok::<_, std::convert::Infallible>(answer::counted(answer, busy))
            }
        }
    });
    let builder = builder();
    let mut serving = std::pin::pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let mut ending = false;
    let ended = loop {
        tokio::select! {
            ended = serving.as_mut() => break ended,
            () = gateway.stopping().cancelled(), if !ending => {}
            () = activity.idle(Duration::from_millis(IDLE_MS)), if !ending => {}
        }
        ending = true;
        serving.as_mut().graceful_shutdown();
    };
    drop(standing);
    if let Err(error) = ended {
        tracing::debug!(%address, error = %*error, "a connection ended");
    }
}

/// Sends small answers at once, and notices a client that has vanished without a word though nothing is sent to it. A
/// socket that refuses this works all the same.
fn tune(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = setsockopt(stream, sockopt::KeepAlive, &true);
    let _ = setsockopt(stream, sockopt::TcpKeepIdle, &KEEPALIVE_S);
    let _ = setsockopt(stream, sockopt::TcpKeepInterval, &KEEPALIVE_S);
    let _ = setsockopt(stream, sockopt::TcpKeepCount, &KEEPALIVE_COUNT);
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(HEAD_MS))
        .max_buf_size(BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_millis(PING_MS))
        .keep_alive_timeout(Duration::from_millis(PONG_MS))
        .max_header_list_size(HEAD_BYTES)
        .max_concurrent_streams(STREAM_LIMIT)
        .max_send_buf_size(STREAM_BUFFER_BYTES);
    builder
}
