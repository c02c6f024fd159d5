//! The peer: a three-member etcd on loopback, driven over gRPC.

use crate::figures::Figure;
use crate::load;
use anyhow::Context;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tonic::transport::Channel;

/// How long etcd may take to elect a leader.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Bytes of a value: as large as the ConfigMaps beside it.
pub const VALUE_BYTES: usize = 700;

/// What etcd did in this run.
pub struct Peer {
    /// Puts of one client.
    pub put_1: Figure,
    /// Puts of 64 clients.
    pub put_64: Figure,
    /// Linearizable gets of 64 clients.
    pub get_64: Figure,
}

/// `etcdserverpb.PutRequest`, as far as it is used.
#[derive(Clone, PartialEq, prost::Message)]
struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `etcdserverpb.RangeRequest`, as far as it is used.
#[derive(Clone, PartialEq, prost::Message)]
struct RangeRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
}

/// Any answer: nothing in it is looked at.
#[derive(Clone, PartialEq, prost::Message)]
struct Answer {}

struct Members {
    children: Vec<Child>,
    _data: tempfile::TempDir,
    endpoints: Vec<String>,
}

impl Drop for Members {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn start() -> anyhow::Result<Members> {
    let data = tempfile::tempdir_in(".")?;
    let free = || Ok::<_, std::io::Error>(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port());
    let ports: Vec<(u16, u16)> = (0..3).map(|_| Ok((free()?, free()?))).collect::<Result<_, std::io::Error>>()?;
    let cluster: Vec<String> =
        ports.iter().enumerate().map(|(i, (_, peer))| format!("m{i}=http://127.0.0.1:{peer}")).collect();
    let mut members = Members { children: Vec::new(), _data: data, endpoints: Vec::new() };
    for (i, (client, peer)) in ports.iter().enumerate() {
        let url = format!("http://127.0.0.1:{client}");
        let child = Command::new("etcd")
            .args(["--name", &format!("m{i}"), "--initial-cluster-state", "new", "--log-level", "error"])
            .args(["--listen-client-urls", &url, "--advertise-client-urls", &url])
            .args(["--listen-peer-urls", &format!("http://127.0.0.1:{peer}")])
            .args(["--initial-advertise-peer-urls", &format!("http://127.0.0.1:{peer}")])
            .args(["--initial-cluster", &cluster.join(",")])
            .arg("--data-dir")
            .arg(members._data.path().join(format!("m{i}")))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start etcd")?;
        members.children.push(child);
        members.endpoints.push(url);
    }
    Ok(members)
}

async fn unary<R: prost::Message + Clone + 'static>(
    channel: Channel,
    path: &'static str,
    request: R,
) -> anyhow::Result<()> {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await?;
    let codec = tonic_prost::ProstCodec::<R, Answer>::default();
    let path = http::uri::PathAndQuery::from_static(path);
    client.unary(tonic::Request::new(request), path, codec).await?;
    Ok(())
}

const PUT: &str = "/etcdserverpb.KV/Put";
const RANGE: &str = "/etcdserverpb.KV/Range";

/// Measures puts and gets of a fresh three-member etcd.
pub async fn measure(span: Duration) -> anyhow::Result<Peer> {
    println!("etcd, three members on this machine, synced to disk");
    let members = start()?;
    // Clients are spread over the members, as an apiserver beside each would be.
    let channels: Vec<Channel> = members
        .endpoints
        .iter()
        .map(|url| Ok(Channel::from_shared(url.clone())?.connect_lazy()))
        .collect::<anyhow::Result<_>>()?;
    let put = |channels: &[Channel]| {
        let channels = channels.to_vec();
        move |client: usize, i: u64| {
            let request =
                PutRequest { key: format!("/bench/{client}/{i}").into_bytes(), value: vec![b'x'; VALUE_BYTES] };
            unary(channels[client % channels.len()].clone(), PUT, request)
        }
    };
    let deadline = Instant::now() + START_LIMIT;
    while let Err(error) = put(&channels)(0, 0).await {
        anyhow::ensure!(Instant::now() < deadline, "etcd does not start: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let put_1 = load::run(1, span, put(&channels)).await?;
    put_1.print("etcd: puts of 700 B, 1 client", None);
    let put_64 = load::run(64, span, put(&channels)).await?;
    put_64.print("etcd: puts of 700 B, 64 clients", None);
    let get = {
        let channels = channels.clone();
        move |client: usize, _| {
            unary(channels[client % channels.len()].clone(), RANGE, RangeRequest { key: b"/bench/0/0".to_vec() })
        }
    };
    let get_64 = load::run(64, span, get).await?;
    get_64.print("etcd: gets, 64 clients", None);
    Ok(Peer { put_1, put_64, get_64 })
}
