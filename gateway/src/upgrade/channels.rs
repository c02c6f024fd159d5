//! Channels in the messages of a WebSocket: the first byte of a message names its channel; in the base64 variants it is
//! a digit, and the rest is base64. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use tokio_tungstenite::tungstenite::Message;

/// Channel of errors: the process' end, as text or `Status`.
pub const ERROR: u8 = 3;
/// In the fifth version: the channel whose number follows is at its end.
const CLOSE: u8 = 255;

/// A version of the protocol.
#[derive(Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Subprotocol of the WebSocket.
    pub name: &'static str,
    /// Text instead of bytes.
    pub base64: bool,
    /// How a process ended is told as a `Status`, not as text.
    pub status: bool,
    /// The client may close a channel.
    pub close: bool,
}

const fn protocol(name: &'static str, base64: bool, status: bool, close: bool) -> Protocol {
    Protocol { name, base64, status, close }
}

/// All versions; the first is spoken with clients that name none.
pub static PROTOCOLS: [Protocol; 8] = [
    protocol("channel.k8s.io", false, false, false),
    protocol("base64.channel.k8s.io", true, false, false),
    protocol("v2.channel.k8s.io", false, false, false),
    protocol("v3.channel.k8s.io", false, false, false),
    protocol("v4.channel.k8s.io", false, true, false),
    protocol("v4.base64.channel.k8s.io", true, true, false),
    protocol("v5.channel.k8s.io", false, true, true),
    protocol("v5.base64.channel.k8s.io", true, true, true),
];

/// What a client's message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Data of a channel.
    Data {
        /// Which channel.
        channel: u8,
        /// The data.
        data: Bytes,
    },
    /// A channel is at its end.
    Close {
        /// Which channel.
        channel: u8,
    },
    /// Nothing.
    Nothing,
}

impl Protocol {
    /// The message that says `data` on a channel.
    pub fn encode(&self, channel: u8, data: &[u8]) -> Message {
        if self.base64 {
            let mut text = String::from(char::from(b'0' + channel));
            STANDARD.encode_string(data, &mut text);
            return Message::text(text);
        }
        let mut bytes = BytesMut::with_capacity(1 + data.len());
        bytes.put_u8(channel);
        bytes.put_slice(data);
        Message::Binary(bytes.freeze())
    }

    /// What a message says; pings and damaged messages say nothing.
    pub fn decode(&self, message: Message) -> Said {
        let mut bytes: Bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => text.into(),
            _ => return Said::Nothing,
        };
        if bytes.is_empty() {
            return Said::Nothing;
        }
        let channel = bytes.split_to(1)[0];
        if self.close && channel == CLOSE {
            return bytes.first().map_or(Said::Nothing, |channel| Said::Close { channel: *channel });
        }
        if !self.base64 {
            return Said::Data { channel, data: bytes };
        }
        match (channel.checked_sub(b'0'), STANDARD.decode(&bytes)) {
            (Some(channel), Ok(data)) => Said::Data { channel, data: data.into() },
            _ => Said::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_name_their_channel() {
        let [plain, base64, .., v5, _] = &PROTOCOLS;
        assert_eq!(plain.encode(1, b"hello"), Message::binary(&b"\x01hello"[..]));
        assert_eq!(base64.encode(1, b"hello"), Message::text("1aGVsbG8="));
        let data = |channel, data: &'static [u8]| Said::Data { channel, data: Bytes::from_static(data) };
        for (protocol, message, expected) in [
            (plain, Message::binary(&b"\0in"[..]), data(0, b"in")),
            (plain, Message::text("\0in"), data(0, b"in")),
            (plain, Message::binary(&b"\xff\0"[..]), data(255, b"\0")),
            (plain, Message::binary(&b""[..]), Said::Nothing),
            (plain, Message::Ping(Bytes::new()), Said::Nothing),
            (v5, Message::binary(&b"\xff\0"[..]), Said::Close { channel: 0 }),
            (v5, Message::binary(&b"\xff"[..]), Said::Nothing),
            (base64, Message::text("0aW4="), data(0, b"in")),
            (base64, Message::text("0?"), Said::Nothing),
            (base64, Message::text("#aW4="), Said::Nothing),
        ] {
            assert_eq!(protocol.decode(message.clone()), expected, "{} {message:?}", protocol.name);
        }
    }

    proptest! {
        #[test]
        fn messages_come_back(channel in 0u8..10, data in proptest::collection::vec(any::<u8>(), 0..100)) {
            for protocol in &PROTOCOLS {
                let said = Said::Data { channel, data: data.clone().into() };
                prop_assert_eq!(protocol.decode(protocol.encode(channel, &data)), said);
            }
        }

        #[test]
        fn no_message_does_harm(data in proptest::collection::vec(any::<u8>(), 0..100), text in "\\PC{0,40}") {
            for protocol in &PROTOCOLS {
                protocol.decode(Message::binary(data.clone()));
                protocol.decode(Message::text(text.clone()));
            }
        }
    }
}
