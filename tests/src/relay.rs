//! A bad bus: a second bus server whose clients see a cluster's events lost, repeated and delayed, by a seed.
//!
//! Requests pass unharmed (request/reply has retries of its own); events and bookmarks do not.

use async_nats::{Client, Subscriber};
use futures::StreamExt;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How badly events are treated, in percent.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// Never arrive.
    pub lost: u32,
    /// Arrive twice.
    pub repeated: u32,
    /// Arrive later than those after them.
    pub delayed: u32,
}

/// The longest an event is held back, in milliseconds.
const DELAY_MS: u64 = 300;

/// The bad bus; its server ends with it.
pub struct Relay {
    server: Child,
    url: String,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Relay {
    /// Starts a server on a free port and copies `upstream`'s events to it, harmed by `faults` in the order of `seed`.
    pub async fn start(upstream: Client, faults: Faults, seed: u64) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let server = Command::new("nats-server")
            .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server runs");
        let url = format!("nats://127.0.0.1:{port}");
        let options = async_nats::ConnectOptions::new().retry_on_initial_connect();
        let local = options.connect(&url).await.expect("the relay's server answers");
        local.flush().await.expect("connected");
        let mut tasks = Vec::new();
        for subject in ["kubus.ev.>", "kubus.bm", "kubus.bm.>"] {
            let events = upstream.subscribe(subject).await.expect("the cluster lets its admin listen");
            let random = StdRng::seed_from_u64(seed);
            tasks.push(tokio::spawn(copy_events(events, local.clone(), faults, random)));
        }
        let requests = local.subscribe("kubus.api.>").await.expect("own server");
        tasks.push(tokio::spawn(copy_requests(requests, upstream, local)));
        Self { server, url, tasks }
    }

    /// Where its clients connect.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Drops every connection: the server is killed and started again on its port.
    pub fn bounce(&mut self) {
        let port = self.url.rsplit(':').next().expect("a port").to_owned();
        let _ = self.server.kill();
        let _ = self.server.wait();
        self.server = Command::new("nats-server")
            .args(["--addr", "127.0.0.1", "--port", &port])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server runs again");
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

async fn copy_events(mut events: Subscriber, local: Client, faults: Faults, mut random: StdRng) {
    while let Some(message) = events.next().await {
        let fate = random.random_range(0..100);
        let publish = |local: Client| async move {
            let _ = local.publish(message.subject.clone(), message.payload.clone()).await;
            message
        };
        if fate < faults.lost {
            continue;
        }
        let fate = fate - faults.lost;
        if fate < faults.repeated {
            let message = publish(local.clone()).await;
            let _ = local.publish(message.subject, message.payload).await;
        } else if fate < faults.repeated + faults.delayed {
            let delay = Duration::from_millis(random.random_range(1..DELAY_MS));
            let local = local.clone();
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                publish(local).await;
            });
        } else {
            publish(local.clone()).await;
        }
    }
}

async fn copy_requests(mut requests: Subscriber, upstream: Client, local: Client) {
    while let Some(message) = requests.next().await {
        let (upstream, local) = (upstream.clone(), local.clone());
        tokio::spawn(async move {
            let Some(reply) = message.reply else { return };
            // Answers may come in several messages; an inbox of its own gets them all.
            let inbox = upstream.new_inbox();
            let Ok(mut answers) = upstream.subscribe(inbox.clone()).await else { return };
            let sent = upstream.publish_with_reply(message.subject, inbox, message.payload).await;
            if sent.is_err() {
                return;
            }
            while let Ok(Some(answer)) = tokio::time::timeout(Duration::from_secs(5), answers.next()).await {
                if answer.status.is_some() {
                    // Nobody answers upstream: silence here too, so that the client asks again.
                    return;
                }
                let _ = local.publish(reply.clone(), answer.payload).await;
            }
        });
    }
}
