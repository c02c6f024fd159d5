//! Signs of life of nodes, sent and heard.

use crate::{Bus, BusError};
use futures::StreamExt;
use kubus_proto::heartbeat::Heartbeat;
use kubus_proto::{codec, subject};

/// Publishes one heartbeat; `Ok` says that it was handed to the connection.
pub async fn publish(bus: &Bus, heartbeat: &Heartbeat) -> Result<(), BusError> {
    let payload = codec::encode(heartbeat)?;
    bus.publish(subject::heartbeat(&heartbeat.node), payload.into()).await
}

/// All heartbeats from now on. The stream goes on over reconnects.
pub async fn subscribe(bus: &Bus) -> Result<impl futures::Stream<Item = Heartbeat> + Send + Unpin + use<>, BusError> {
    let messages = bus.subscribe(subject::HEARTBEATS.to_owned()).await?;
    Ok(messages.filter_map(|message| std::future::ready(read(&message.subject, &message.payload))))
}

/// The subject says who speaks; a heartbeat for somebody else is not believed.
fn read(subject: &str, payload: &[u8]) -> Option<Heartbeat> {
    match codec::decode::<Heartbeat>(payload) {
        Ok(heartbeat) if subject::heartbeat(&heartbeat.node) == subject => Some(heartbeat),
        Ok(heartbeat) => {
            tracing::warn!(subject, node = %heartbeat.node, "a heartbeat under a false name");
            None
        }
        Err(error) => {
            tracing::warn!(subject, %error, "a heartbeat is damaged");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_node_itself_says_that_it_lives() {
        let heartbeat = Heartbeat {
            node: "n1".into(),
            boot_id: uuid::Uuid::nil(),
            sequence: 3,
            ready: true,
            message: String::new(),
            leaving: false,
        };
        let payload = codec::encode(&heartbeat).expect("encode");
        assert_eq!(read("kubus.hb.n1", &payload), Some(heartbeat));
        assert_eq!(read("kubus.hb.n2", &payload), None);
        assert_eq!(read("kubus.hb.n1", b"x"), None);
    }
}
