//! A real NATS server on a free loopback port, and a small apiserver in memory behind it.
#![allow(dead_code, clippy::unwrap_used)]

pub mod apiserver;

use kubus_client::{Bus, Credentials};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything here may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A NATS server, stopped when dropped.
pub struct Nats {
    child: Child,
    pub port: u16,
    arguments: Vec<String>,
}

impl Nats {
    /// Starts one without encryption and keys. `None`, with a word, where there is no `nats-server` to start.
    pub fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// Starts one with more arguments.
    pub fn start_with(arguments: &[String]) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = spawn(port, arguments)?;
        let nats = Self { child, port, arguments: arguments.to_vec() };
        nats.wait_listening();
        Some(nats)
    }

    /// Kills it and starts it again on the same port.
    pub fn restart(&mut self) {
        self.kill();
        self.child = spawn(self.port, &self.arguments).unwrap();
        self.wait_listening();
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn wait_listening(&self) {
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "nats-server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn credentials(&self, identity: &str) -> Credentials {
        Credentials {
            identity: identity.to_owned(),
            servers: vec![format!("nats://127.0.0.1:{}", self.port)],
            certificate_authority: String::new(),
            seed: String::new(),
        }
    }

    pub async fn connect(&self, identity: &str) -> Bus {
        Bus::connect(&self.credentials(identity)).await.unwrap()
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(port: u16, arguments: &[String]) -> Option<Child> {
    let child = Command::new("nats-server")
        .args(["-a", "127.0.0.1", "-p", &port.to_string()])
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match child {
        Ok(child) => Some(child),
        Err(error) => {
            eprintln!("skipped: nats-server cannot be started: {error}");
            None
        }
    }
}

/// Waits until `condition` holds.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Gives up on what hangs.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("hangs: {what}"),
    }
}

/// Returns when the server has taken everything that was said on this connection before, subscriptions above all:
/// it answers that nobody listens here.
pub async fn settled(nats: &async_nats::Client) {
    nats.request("nobody.listens.here", "".into()).await.unwrap_err();
}
