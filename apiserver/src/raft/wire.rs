//! Raft's messages on the bus: a short head and MessagePack behind it, in several frames where it is large.

use bytes::{BufMut, Bytes, BytesMut};
use kubus_proto::request::CHUNK_BYTES;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;

/// Names of the requests, the last token of their subjects.
pub mod rpc {
    /// AppendEntries
    pub const APPEND: &str = "append";
    /// RequestVote
    pub const VOTE: &str = "vote";
    /// The vote before the vote, which changes no term.
    pub const PRE_VOTE: &str = "prevote";
    /// A whole snapshot.
    pub const SNAPSHOT: &str = "snapshot";
    /// The leader asks another member to become the leader.
    pub const TRANSFER: &str = "transfer";
    /// A follower asks the leader for the log id it must have applied before it may answer a read.
    pub const READ: &str = "read";
}

/// Length of a frame's head in bytes: transfer, index, count.
const HEAD_BYTES: usize = 16;
/// Most messages that are being put together at once; each sender has at most one snapshot and one append under way.
const TRANSFERS_LIMIT: usize = 16;
/// Largest message in bytes.
const MESSAGE_LIMIT: usize = 2 << 30;

/// A message is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// A frame has no head, or frames do not follow one another.
    #[error("damaged frame")]
    Frame,
    /// A message cannot be encoded.
    #[error("cannot encode a Raft message: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
    /// A message cannot be decoded.
    #[error("cannot decode a Raft message: {0}")]
    Decode(#[from] rmp_serde::decode::Error),
}

/// The frames of a message. `transfer` is the sender's number for it, unique over all senders.
pub fn frames<T: Serialize>(transfer: u64, message: &T) -> Result<Vec<Bytes>, WireError> {
    let mut whole = BytesMut::zeroed(HEAD_BYTES).writer();
    rmp_serde::encode::write(&mut whole, message)?;
    let whole = whole.into_inner();
    let count = (whole.len() - HEAD_BYTES).div_ceil(CHUNK_BYTES).max(1);
    let head = |index: usize| {
        let mut head = [0; HEAD_BYTES];
        head[..8].copy_from_slice(&transfer.to_be_bytes());
        head[8..12].copy_from_slice(&(index as u32).to_be_bytes());
        head[12..].copy_from_slice(&(count as u32).to_be_bytes());
        head
    };
    if count == 1 {
        // The common case is not copied again.
        let mut whole = whole;
        whole[..HEAD_BYTES].copy_from_slice(&head(0));
        return Ok(vec![whole.freeze()]);
    }
    let chunks = whole[HEAD_BYTES..].chunks(CHUNK_BYTES).enumerate();
    Ok(chunks.map(|(index, chunk)| Bytes::from([&head(index), chunk].concat())).collect())
}

/// Decodes a message.
pub fn decode<T: DeserializeOwned>(message: &[u8]) -> Result<T, WireError> {
    Ok(rmp_serde::from_slice(message)?)
}

/// Puts frames together again. A sender sends the next frame only after the one before was acknowledged.
#[derive(Debug, Default)]
pub struct Assembly {
    transfers: HashMap<u64, (u32, BytesMut)>,
}

impl Assembly {
    /// Takes one frame; gives the message with its last one.
    pub fn push(&mut self, frame: &Bytes) -> Result<Option<Bytes>, WireError> {
        let number = |at: usize| frame.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
        let transfer = frame.get(..8).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes);
        let (Some(transfer), Some(index), Some(count)) = (transfer, number(8), number(12)) else {
            return Err(WireError::Frame);
        };
        let data = frame.slice(HEAD_BYTES..);
        if index == 0 && count == 1 {
            return Ok(Some(data));
        }
        if index == 0 {
            if self.transfers.len() >= TRANSFERS_LIMIT {
                // They were given up by their senders, who begin again under another number.
                self.transfers.clear();
            }
            self.transfers.insert(transfer, (0, BytesMut::new()));
        }
        let Some((next, message)) = self.transfers.get_mut(&transfer) else {
            return Err(WireError::Frame);
        };
        if *next != index || message.len() + data.len() > MESSAGE_LIMIT {
            self.transfers.remove(&transfer);
            return Err(WireError::Frame);
        }
        *next += 1;
        message.extend_from_slice(&data);
        if *next < count {
            return Ok(None);
        }
        Ok(self.transfers.remove(&transfer).map(|(_, message)| message.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_whole() {
        for size in [0, 1, CHUNK_BYTES - 100, CHUNK_BYTES, 3 * CHUNK_BYTES + 1] {
            let message = "x".repeat(size);
            let frames = frames(7, &message).expect("frames");
            let mut assembly = Assembly::default();
            let (last, others) = frames.split_last().expect("one at least");
            for frame in others {
                assert_eq!(assembly.push(frame).expect("frame"), None);
            }
            let whole = assembly.push(last).expect("frame").expect("message");
            assert!(decode::<String>(&whole).expect("decodes") == message, "{size}");
        }
    }

    #[test]
    fn frames_out_of_order_are_refused() {
        let frames = frames(7, &"x".repeat(3 * CHUNK_BYTES)).expect("frames");
        let mut assembly = Assembly::default();
        assert!(assembly.push(&frames[1]).is_err());
        assert_eq!(assembly.push(&frames[0]).expect("first"), None);
        assert!(assembly.push(&frames[2]).is_err());
        assert!(assembly.push(&frames[1]).is_err());
        assert!(assembly.push(&Bytes::from_static(b"short")).is_err());
    }
}
