//! Sockets, handshakes and connections, each with its limit: whoever is slow or silent costs little and not for long.

use crate::Gateway;
use crate::caller::Peer;
use crate::patience::{Paced, Patient, STALL_MS};
use crate::tls::Tls;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use nix::sys::socket::{setsockopt, sockopt};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// Most connections at a time; the next one waits in the socket's queue.
const CONNECTION_LIMIT: usize = 8_192;
/// How long a handshake may take, in milliseconds.
const HANDSHAKE_MS: u64 = 10_000;
/// How long the head of an HTTP/1.1 request may take, and how long a connection may idle before it, in milliseconds.
const HEAD_MS: u64 = 90_000;
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
    let graceful = Arc::new(GracefulShutdown::new());
    let permits = Arc::new(Semaphore::new(CONNECTION_LIMIT));
    let mut accepting = tokio::task::JoinSet::new();
    for socket in sockets {
        accepting.spawn(accept(socket, tls.clone(), gateway.clone(), graceful.clone(), permits.clone()));
    }
    while accepting.join_next().await.is_some() {}
    drop(accepting);
    let Ok(graceful) = Arc::try_unwrap(graceful).map_err(|_| ()) else { return };
    if tokio::time::timeout(Duration::from_millis(DRAIN_MS), graceful.shutdown()).await.is_err() {
        tracing::warn!("stopping with connections in work");
    }
}

async fn accept(
    socket: TcpListener,
    tls: Tls,
    gateway: Gateway,
    graceful: Arc<GracefulShutdown>,
    permits: Arc<Semaphore>,
) {
    let acceptor = TlsAcceptor::from(tls.server.clone());
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = gateway.stopping().cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
                continue;
            }
        };
        let (acceptor, clients, gateway) = (acceptor.clone(), tls.clients.clone(), gateway.clone());
        let watcher = graceful.watcher();
        tokio::spawn(async move {
            let _permit = permit;
            tune(&stream);
            let paced = Paced::default();
            let stream = Patient::new(stream, Duration::from_millis(STALL_MS), paced.clone());
            let shaking = tokio::time::timeout(Duration::from_millis(HANDSHAKE_MS), acceptor.accept(stream));
            let stream = match shaking.await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return tracing::debug!(%address, %error, "a handshake failed"),
                Err(_) => return tracing::debug!(%address, "a handshake took too long"),
            };
            let shown = clients.judge(stream.get_ref().1.peer_certificates());
            let peer = Arc::new(Peer { address, shown, paced });
            let service = service_fn(move |request| {
                let (gateway, peer) = (gateway.clone(), peer.clone());
                async move { Ok::<_, std::convert::Infallible>(gateway.handle(&peer, request).await) }
            });
            let builder = builder();
            let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(%address, error = %*error, "a connection ended");
            }
        });
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
