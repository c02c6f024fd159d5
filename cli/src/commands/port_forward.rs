//! `kubus port-forward`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_port-forward/>.

mod ports;

use super::pod_of;
use crate::context::{Context, Query};
use crate::error::{CliError, Result};
use crate::server::Duplex;
use crate::{fail, resource_args, session};
use bytes::BytesMut;
use clap::Args;
use kubus_client::stream::Received;
use kubus_proto::kinds::pod;
use kubus_proto::path::ResourcePath;
use kubus_proto::request::Method;
use kubus_proto::selector::Selector;
use kubus_proto::stream::{FRAME_BYTES, channel};
use kubus_proto::{ApiRequest, Reason};
use ports::{Forward, Wanted};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long saying goodbye may take when the user has enough, in milliseconds.
const GOODBYE_MS: u64 = 1_000;
/// How long to wait before a socket that failed is tried again, in milliseconds.
const ACCEPT_RETRY_MS: u64 = 50;

/// Forward one or more local ports to a pod
#[derive(Args, Clone, Debug)]
pub struct PortForwardArgs {
    /// POD or TYPE/NAME (deployment/web, service/web)
    #[arg(value_name = "POD | TYPE/NAME")]
    target: String,
    /// Ports: one number for both sides, or LOCAL:REMOTE; an empty or zero LOCAL takes a free one
    #[arg(value_name = "[LOCAL:]REMOTE", required = true)]
    ports: Vec<String>,
    /// Addresses to listen on: IPs or localhost
    #[arg(long, value_delimiter = ',', default_value = "localhost", value_name = "ADDRESS")]
    address: Vec<String>,
}

/// Runs the command until the user has enough.
pub async fn run(args: PortForwardArgs, context: &Context) -> Result<()> {
    let wanted = args.ports.iter().map(|text| Wanted::parse(text)).collect::<Result<Vec<_>>>()?;
    let addresses = addresses(&args.address)?;
    let (pod, service) = target(&args.target, context).await?;
    let forwards: Vec<Forward> = wanted
        .iter()
        .map(|wanted| match &service {
            Some(service) => wanted.of_service(service, &pod),
            None => wanted.of_pod(&pod),
        })
        .collect::<Result<_>>()?;
    let phase = pod["status"]["phase"].as_str().unwrap_or_default();
    if phase != "Running" {
        fail!("unable to forward port because pod is not running. Current status={phase}");
    }
    let sockets = listen(&addresses, &forwards, context).await?;
    let (stop, stopping) = watch::channel(false);
    let (lost, mut losses) = tokio::sync::mpsc::channel(1);
    let name = Arc::new(pod_of::name_of(&pod).to_owned());
    let mut serving = JoinSet::new();
    for (socket, forward) in sockets {
        let end = End { context: context.clone(), pod: name.clone(), forward, stopping: stopping.clone() };
        serving.spawn(serve(socket, end, lost.clone()));
    }
    let result = tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(CliError::from),
        _ = losses.recv() => Err(CliError::message("lost connection to pod")),
    };
    // Everybody hears it; who is done already needs not.
    let _ = stop.send(true);
    let goodbyes = async { while serving.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(Duration::from_millis(GOODBYE_MS), goodbyes).await;
    result
}

/// The pod that is meant, and the service it was found through.
async fn target(word: &str, context: &Context) -> Result<(Value, Option<Value>)> {
    let Some((kind, name)) = word.split_once('/') else { return Ok((pod_of::one(word, context).await?, None)) };
    let row = resource_args::row(kind, context).await?;
    if row.kind != "Service" {
        return Ok((pod_of::one(word, context).await?, None));
    }
    let service = context.get(row, context.namespace(), name).await?;
    let selector: BTreeMap<String, String> = match serde_json::from_value(service["spec"]["selector"].clone()) {
        Ok(selector) => selector,
        Err(_) => fail!("invalid service '{name}': Service is defined without a selector"),
    };
    let mut pods = pod_of::by_label(&Selector::from_map(&selector).to_string(), context).await?;
    pods.sort_by_key(|pod| pod["status"]["phase"] != "Running");
    match pods.into_iter().next() {
        Some(pod) => Ok((pod, Some(service))),
        None => fail!("timed out waiting for the condition: no pod of {word} is there"),
    }
}

fn addresses(words: &[String]) -> Result<Vec<(IpAddr, bool)>> {
    let mut all = Vec::new();
    for word in words {
        match word.parse() {
            Ok(address) => all.push((address, true)),
            // A machine may have no IPv6; its absence is no failure.
            Err(_) if word == "localhost" => {
                all.extend([(IpAddr::V4(Ipv4Addr::LOCALHOST), true), (IpAddr::V6(Ipv6Addr::LOCALHOST), false)]);
            }
            Err(_) => fail!("{word} is not a valid IP"),
        }
    }
    Ok(all)
}

/// Takes every port on every address.
async fn listen(
    addresses: &[(IpAddr, bool)],
    forwards: &[Forward],
    context: &Context,
) -> Result<Vec<(TcpListener, Forward)>> {
    let mut sockets = Vec::new();
    for forward in forwards {
        let mut forward = *forward;
        let before = sockets.len();
        for (address, must) in addresses {
            match TcpListener::bind((*address, forward.local)).await {
                Ok(socket) => {
                    // The second address takes the port that the first one got.
                    forward.local = socket.local_addr()?.port();
                    let host = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
                    context.console.print(&format!("Forwarding from {host}:{} -> {}\n", forward.local, forward.remote));
                    sockets.push((socket, forward));
                }
                Err(error) if *must => context.console.error_line(&format!(
                    "Unable to listen on port {}: Listeners failed to create with the following errors: [unable to create \
                     listener: Error listen tcp {address}:{}: {error}]",
                    forward.local, forward.local
                )),
                Err(_) => {}
            }
        }
        if sockets.len() == before {
            fail!("unable to listen on any of the requested ports: [{{{} {}}}]", forward.local, forward.remote);
        }
    }
    Ok(sockets)
}

/// What every connection of one port shares.
#[derive(Clone)]
struct End {
    context: Context,
    pod: Arc<String>,
    forward: Forward,
    stopping: watch::Receiver<bool>,
}

/// Serves one socket; tells `lost` when the pod is no more.
async fn serve(socket: TcpListener, end: End, lost: tokio::sync::mpsc::Sender<()>) {
    let mut connections = JoinSet::new();
    let mut stopping = end.stopping.clone();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((local, _)) => {
                end.context.console.print(&format!("Handling connection for {}\n", end.forward.local));
                connections.spawn(connection(local, end.clone(), lost.clone()));
            }
            Err(error) => {
                end.context.console.error_line(&format!("cannot accept a connection: {error}"));
                tokio::time::sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
            }
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn connection(local: TcpStream, end: End, lost: tokio::sync::mpsc::Sender<()>) {
    let Forward { local: from, remote } = end.forward;
    let path = ResourcePath::of(&pod::ROW, end.context.namespace(), &end.pod, "portforward");
    let mut request = ApiRequest::new(Method::Post, path);
    request.query = Query::new().with("ports", remote).into_string();
    match session::open(request, &end.context).await {
        Ok(duplex) => carry(local, duplex, end.stopping).await,
        Err(error) => {
            let text = match &error {
                CliError::Message(text) => text.clone(),
                other => other.to_string(),
            };
            end.context.console.error_line(&format!("an error occurred forwarding {from} -> {remote}: {text}"));
            if error.is(Reason::NotFound) {
                // Somebody else may have said so already.
                let _ = lost.try_send(());
            }
        }
    }
}

/// Carries bytes both ways until both sides have said everything, or one is gone.
async fn carry(mut local: TcpStream, (mut writer, mut reader): Duplex, mut stopping: watch::Receiver<bool>) {
    let (mut read, mut write) = local.split();
    let up = async {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(FRAME_BYTES);
            let sent = match read.read_buf(&mut buffer).await {
                Ok(0) => {
                    let closed = writer.close(channel::STDIN).await;
                    // How the connection ends is seen by the other direction.
                    if closed.is_ok() { std::future::pending().await } else { closed }
                }
                Ok(_) => writer.send(channel::STDIN, buffer.split().freeze()).await,
                Err(_) => return,
            };
            if sent.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let down = async {
        loop {
            let written = match reader.next().await {
                Ok(Received::Data { data, .. }) => write.write_all(&data).await,
                Ok(Received::Close { .. }) => write.shutdown().await,
                Ok(Received::End { .. }) | Err(_) => return,
            };
            if written.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = down => {}
        () = up => {}
        _ = stopping.wait_for(|stop| *stop) => {}
    }
    // Where the node has ended the stream itself, it needs no word.
    let _ = writer.end().await;
}
