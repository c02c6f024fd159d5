//! Splits a payload into [`Chunk`] messages and joins them again: the one place where anything large is cut for the bus.

use crate::codec::CodecError;
use crate::request::{ApiResponse, CHUNK_BYTES, Chunk};
use bytes::{Bytes, BytesMut};
use serde::Deserialize;

/// Most messages of one payload: 2 GiB at [`CHUNK_BYTES`] each. A larger count is a damaged message.
pub const CHUNKS_LIMIT: u32 = 4_096;
/// What the envelope of an answer takes beside its texts and its body, in bytes, generously.
const ENVELOPE_BYTES: usize = 64;

/// Chunks do not make up a payload.
#[derive(Debug, thiserror::Error)]
pub enum ChunkError {
    /// A message is no chunk.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Its numbers contradict themselves or the chunks before it.
    #[error("chunk {index} of {count} does not belong here")]
    OutOfPlace {
        /// Its position.
        index: u32,
        /// How many it says there are.
        count: u32,
    },
}

/// The messages that carry `payload`, in order; one for everything up to [`CHUNK_BYTES`], an empty payload too.
pub fn split(payload: &Bytes) -> Result<Vec<Bytes>, CodecError> {
    if payload.is_empty() {
        return Ok(vec![envelope(0, 1, payload)?]);
    }
    let count = payload.len().div_ceil(CHUNK_BYTES) as u32;
    let part = |index: u32| {
        let start = index as usize * CHUNK_BYTES;
        payload.slice(start..payload.len().min(start + CHUNK_BYTES))
    };
    (0..count).map(|index| envelope(index, count, &part(index))).collect()
}

fn envelope(index: u32, count: u32, data: &Bytes) -> Result<Bytes, CodecError> {
    Ok(crate::codec::encode(&Chunk { index, count, data: data.clone() })?.into())
}

/// The messages of an answer. A small one, the common case, is written once into one buffer.
pub fn split_response(response: &ApiResponse) -> Result<Vec<Bytes>, CodecError> {
    let texts: usize = response.warnings.iter().map(|w| w.len() + 5).sum();
    let size = response.body.len() + texts + ENVELOPE_BYTES;
    if size > CHUNK_BYTES || !response.content_type.is_empty() {
        return split(&crate::codec::encode(response)?.into());
    }
    let head = crate::codec::encode(&ResponseHead { code: response.code, warnings: &response.warnings })?;
    // The map of two fields becomes one of three, whose last value is the body: `body` and its length follow the head.
    let mut inner_tail = Vec::with_capacity(16);
    write(rmp::encode::write_str(&mut inner_tail, "body"))?;
    write(rmp::encode::write_bin_len(&mut inner_tail, response.body.len() as u32))?;
    let inner = head.len() + inner_tail.len() + response.body.len();
    let mut out = Vec::with_capacity(size + ENVELOPE_BYTES);
    write(rmp::encode::write_map_len(&mut out, 3))?;
    write(rmp::encode::write_str(&mut out, "index"))?;
    write(rmp::encode::write_uint(&mut out, 0))?;
    write(rmp::encode::write_str(&mut out, "count"))?;
    write(rmp::encode::write_uint(&mut out, 1))?;
    write(rmp::encode::write_str(&mut out, "data"))?;
    write(rmp::encode::write_bin_len(&mut out, inner as u32))?;
    write(rmp::encode::write_map_len(&mut out, 3))?;
    out.extend_from_slice(&head[1..]);
    out.extend_from_slice(&inner_tail);
    out.extend_from_slice(&response.body);
    Ok(vec![out.into()])
}

#[derive(serde::Serialize)]
struct ResponseHead<'a> {
    code: u16,
    warnings: &'a [String],
}

/// Writing into a vector fails for no length that fits into memory; the error is passed on all the same.
fn write<T>(result: Result<T, rmp::encode::ValueWriteError>) -> Result<(), CodecError> {
    result.map(|_| ()).map_err(|error| CodecError::Encode(rmp_serde::encode::Error::InvalidValueWrite(error)))
}

#[derive(Deserialize)]
struct Borrowed<'a> {
    index: u32,
    count: u32,
    #[serde(borrow, with = "serde_bytes")]
    data: &'a [u8],
}

/// Puts the chunks of one payload together again, in whatever order they come. Data is not copied until the last one.
#[derive(Debug, Default)]
pub struct Joiner {
    parts: Vec<Option<Bytes>>,
    missing: usize,
}

impl Joiner {
    /// Takes one message; gives the payload once all its chunks are here. A repeated chunk changes nothing.
    pub fn push(&mut self, message: &Bytes) -> Result<Option<Bytes>, ChunkError> {
        let chunk: Borrowed = rmp_serde::from_slice(message).map_err(CodecError::from)?;
        let (index, count) = (chunk.index, chunk.count);
        if index >= count || count > CHUNKS_LIMIT || !(self.parts.is_empty() || self.parts.len() == count as usize) {
            return Err(ChunkError::OutOfPlace { index, count });
        }
        let data = message.slice_ref(chunk.data);
        if count == 1 {
            return Ok(Some(data));
        }
        if self.parts.is_empty() {
            self.parts = vec![None; count as usize];
            self.missing = count as usize;
        }
        if self.parts[index as usize].replace(data).is_none() {
            self.missing -= 1;
        }
        if self.missing > 0 {
            return Ok(None);
        }
        let parts: Vec<Bytes> = std::mem::take(&mut self.parts).into_iter().flatten().collect();
        let mut payload = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
        for part in &parts {
            payload.extend_from_slice(part);
        }
        Ok(Some(payload.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode, encode};

    #[test]
    fn payloads_come_back_whole_in_any_order() {
        for size in [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 3 * CHUNK_BYTES + 17] {
            let payload: Bytes = (0..size).map(|i| (i % 251) as u8).collect::<Vec<_>>().into();
            let mut messages = split(&payload).expect("split");
            assert_eq!(messages.len(), size.div_ceil(CHUNK_BYTES).max(1));
            messages.reverse();
            if messages.len() > 1 {
                messages.insert(1, messages[0].clone());
            }
            let mut joiner = Joiner::default();
            let joined: Vec<Bytes> =
                messages.iter().filter_map(|message| joiner.push(message).expect("chunk")).collect();
            assert_eq!(joined, [payload], "{size}");
        }
    }

    #[test]
    fn answers_written_at_once_read_like_any_other() {
        for (code, warnings, size) in [
            (200, vec![], 0),
            (404, vec!["w".to_owned(), "x".repeat(300)], 40),
            (200, vec![], 70_000),
            (201, vec![], CHUNK_BYTES),
        ] {
            let response = ApiResponse { code, warnings, body: vec![7; size].into(), ..ApiResponse::default() };
            let messages = split_response(&response).expect("split");
            let mut joiner = Joiner::default();
            let payload = messages.iter().find_map(|m| joiner.push(m).expect("chunk")).expect("whole");
            let plain: ApiResponse = decode(&payload).expect("response");
            let borrowed = ApiResponse::decode(&payload).expect("response");
            for read in [plain, borrowed] {
                assert_eq!((read.code, &read.warnings, &read.body), (code, &response.warnings, &response.body));
            }
            assert_eq!(payload, encode(&response).expect("encode"));
        }
    }

    #[test]
    fn damaged_chunks_are_refused() {
        let chunk = |index, count| Bytes::from(encode(&Chunk { index, count, data: Bytes::new() }).expect("encode"));
        let mut joiner = Joiner::default();
        assert!(joiner.push(&chunk(1, 1)).is_err());
        assert!(joiner.push(&chunk(0, 0)).is_err());
        assert!(joiner.push(&chunk(0, CHUNKS_LIMIT + 1)).is_err());
        assert!(joiner.push(&chunk(0, 2)).expect("first").is_none());
        assert!(joiner.push(&chunk(1, 3)).is_err());
        assert!(joiner.push(&Bytes::from_static(b"x")).is_err());
    }
}
