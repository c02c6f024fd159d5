//! Connections to a pod's ports. They are made from inside the pod's network, so that a server that listens on the
//! pod's loop-back alone is reached too; where the agent may not enter it, they go to the pod's address.

use super::super::{Connection, DialError, SandboxInfo};
use super::process;
use bollard::Docker;
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long a connection may take to be made, in milliseconds.
const DIAL_TIMEOUT_MS: u64 = 10_000;
/// Where a pod's own servers are, in the order in which they are tried.
const LOOPBACKS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Connects to `port` of the pod behind `sandbox`.
pub(super) async fn dial(docker: &Docker, sandbox: &SandboxInfo, port: u16) -> Result<Box<dyn Connection>, DialError> {
    let details = docker.inspect_container(&sandbox.id, None).await.map_err(|e| DialError(e.to_string()))?;
    let process = details.state.and_then(|state| state.pid).unwrap_or_default();
    let stream = match network(process, &sandbox.id) {
        Some(namespace) => inside(namespace, port).await,
        None => Err(Inside::Closed),
    };
    let connected = match stream {
        Ok(stream) => stream.set_nonblocking(true).and_then(|()| tokio::net::TcpStream::from_std(stream)),
        Err(Inside::Refused(error)) => Err(error),
        Err(Inside::Closed) => outside(&sandbox.ip, port).await,
    };
    match connected {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(DialError(format!("failed to connect to localhost:{port} inside the pod: {error}"))),
    }
}

/// The network of a container's main process.
fn network(process: i64, container: &str) -> Option<File> {
    let namespace = File::open(format!("/proc/{process}/ns/net")).ok()?;
    // Asked after it was opened: the process may have ended in the meantime and its number be another's.
    process::is_in_container(process, container).then_some(namespace)
}

/// Why there is no connection from inside.
enum Inside {
    /// The network may not be entered.
    Closed,
    /// Nobody answers.
    Refused(io::Error),
}

/// Connects in a thread of its own that ends with it: a thread that has entered a network stays there.
async fn inside(namespace: File, port: u16) -> Result<TcpStream, Inside> {
    let (answer, answered) = oneshot::channel();
    let enter_and_connect = move || {
        let result = setns(&namespace, CloneFlags::CLONE_NEWNET)
            .map_err(|_| Inside::Closed)
            .and_then(|()| connect_blocking(port).map_err(Inside::Refused));
        // Nobody waits for it any longer where the client has left.
        let _ = answer.send(result);
    };
    let spawned = std::thread::Builder::new().name("dial".to_owned()).spawn(enter_and_connect);
    spawned.map_err(Inside::Refused)?;
    answered.await.unwrap_or(Err(Inside::Closed))
}

fn connect_blocking(port: u16) -> io::Result<TcpStream> {
    let timeout = Duration::from_millis(DIAL_TIMEOUT_MS);
    let mut first = None;
    for address in LOOPBACKS {
        match TcpStream::connect_timeout(&SocketAddr::new(address, port), timeout) {
            Ok(stream) => return Ok(stream),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused)))
}

async fn outside(ip: &str, port: u16) -> io::Result<tokio::net::TcpStream> {
    let address = if ip.is_empty() { LOOPBACKS[0] } else { ip.parse().map_err(io::Error::other)? };
    let connecting = tokio::net::TcpStream::connect((address, port));
    tokio::time::timeout(Duration::from_millis(DIAL_TIMEOUT_MS), connecting).await.map_err(io::Error::other)?
}
