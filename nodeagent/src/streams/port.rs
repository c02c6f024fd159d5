//! port-forward and proxy: a client's stream joined to a connection to one of the pod's ports.

use super::StreamFailure;
use crate::pod::view::View;
use crate::runtime::Runtime;
use bytes::BytesMut;
use kubus_client::stream::{Received, StreamReceiver, StreamSender};
use kubus_proto::stream::{FRAME_BYTES, channel};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Carries bytes until both sides have said everything, or one is gone.
pub(super) async fn run(
    view: &View,
    port: u16,
    runtime: &dyn Runtime,
    sender: &mut StreamSender,
    receiver: &mut StreamReceiver,
) -> Result<(), StreamFailure> {
    let network = view.sandbox.as_ref();
    let network = network.ok_or_else(|| StreamFailure(format!("pod {:?} has no network at the moment", view.pod)))?;
    let connection = runtime.dial(network, port).await.map_err(StreamFailure::of)?;
    let mut client = sender.watcher();
    let (mut read, mut write) = tokio::io::split(connection);
    let from_pod = async {
        sender.ready().await.map_err(StreamFailure::of)?;
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(FRAME_BYTES);
            match read.read_buf(&mut buffer).await {
                Ok(0) => return sender.close(channel::STDOUT).await.map_err(StreamFailure::of),
                Ok(_) => {
                    sender.send(channel::STDOUT, buffer.split().freeze()).await.map_err(StreamFailure::of)?;
                }
                Err(error) => return Err(StreamFailure::of(error)),
            }
        }
    };
    let to_pod = async {
        loop {
            let written = match receiver.next().await {
                Ok(Received::Data { data, .. }) => write.write_all(&data).await,
                Ok(Received::Close { .. }) => return write.shutdown().await.map_err(StreamFailure::of),
                Ok(Received::End { .. }) | Err(_) => return Err(StreamFailure("the client has gone away".to_owned())),
            };
            if written.is_err() {
                // A pod that reads no more is done; what it still has to say comes the other way.
                return Ok(());
            }
        }
    };
    let both = async { tokio::try_join!(from_pod, to_pod).map(|((), ())| ()) };
    tokio::select! {
        carried = both => carried,
        () = client.over() => Ok(()),
    }
}
