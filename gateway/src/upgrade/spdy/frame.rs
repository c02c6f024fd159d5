//! Frames: bytes to frames and back, without I/O.

use super::headers::{Deflater, Headers, Inflater};
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Version in every control frame.
const VERSION: u16 = 3;
/// Head of every frame in bytes.
const HEAD_BYTES: usize = 8;
/// Largest control frame in bytes.
pub const CONTROL_LIMIT_BYTES: usize = 64 * 1024;
/// Data comes out in pieces of at most as many bytes, however large its frame is.
pub const PIECE_BYTES: usize = 32 * 1024;
/// The sender of this frame has said everything on its stream.
const FIN: u8 = 1;
/// Nobody will answer on this stream.
const UNIDIRECTIONAL: u8 = 2;

const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const SETTINGS: u16 = 4;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const HEADERS: u16 = 8;
const WINDOW_UPDATE: u16 = 9;

/// Why a stream is reset.
pub mod status {
    /// The other side broke the rules.
    pub const PROTOCOL_ERROR: u32 = 1;
    /// There are too many streams.
    pub const REFUSED_STREAM: u32 = 3;
    /// Whoever wanted it does not any more.
    pub const CANCEL: u32 = 5;
}

/// Bytes that are no frames. The connection cannot go on: its compression is out of step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Another protocol, or another version of it.
    #[error("SPDY version {0} is not supported")]
    Version(u16),
    /// A frame with more or less in it than its kind has.
    #[error("a SPDY frame of type {kind} cannot have {length} bytes")]
    Length {
        /// Type of the frame.
        kind: u16,
        /// Its length.
        length: usize,
    },
    /// Headers that are none.
    #[error("SPDY headers are damaged: {0}")]
    Headers(&'static str),
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Opens a stream.
    SynStream {
        /// Its number: odd where the client opens it.
        stream: u32,
        /// Nothing else will come on it.
        fin: bool,
        /// Nothing may be answered on it.
        unidirectional: bool,
        /// What it is for.
        headers: Headers,
    },
    /// The other side takes part in a stream.
    SynReply {
        /// Which one.
        stream: u32,
        /// Nothing else will come.
        fin: bool,
        /// Anything to say about it.
        headers: Headers,
    },
    /// A stream is at its end at once, in both directions.
    RstStream {
        /// Which one.
        stream: u32,
        /// See [`status`].
        status: u32,
    },
    /// Wishes about the connection, as identifier and value.
    Settings(Vec<(u32, u32)>),
    /// To be sent back.
    Ping(u32),
    /// No more streams will be taken.
    GoAway {
        /// The last one that was.
        last_stream: u32,
        /// Why.
        status: u32,
    },
    /// More headers.
    Headers {
        /// Of this stream.
        stream: u32,
        /// Nothing else will come.
        fin: bool,
        /// The headers.
        headers: Headers,
    },
    /// The sender may say more.
    WindowUpdate {
        /// On this stream, or on all of them for 0.
        stream: u32,
        /// As many bytes.
        bytes: u32,
    },
    /// Data, or a piece of it.
    Data {
        /// Of this stream.
        stream: u32,
        /// Nothing else will come.
        fin: bool,
        /// At most [`PIECE_BYTES`].
        data: Bytes,
    },
}

/// A data frame that has not come whole.
struct Pending {
    stream: u32,
    fin: bool,
    left: usize,
}

/// Bytes to frames. After an error it is of no more use.
#[derive(Default)]
pub struct Decoder {
    inflater: Inflater,
    pending: Option<Pending>,
}

impl Decoder {
    /// Takes the next frame, or piece of one, from the front of `buffer`; `None` until more has come.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        loop {
            if let Some(pending) = &mut self.pending {
                if buffer.is_empty() && pending.left > 0 {
                    return Ok(None);
                }
                let data = buffer.split_to(pending.left.min(buffer.len()).min(PIECE_BYTES)).freeze();
                pending.left -= data.len();
                let (stream, fin) = (pending.stream, pending.fin && pending.left == 0);
                if pending.left == 0 {
                    self.pending = None;
                }
                return Ok(Some(Frame::Data { stream, fin, data }));
            }
            let Some(head) = buffer.first_chunk::<HEAD_BYTES>() else { return Ok(None) };
            let mut head = &head[..];
            let first = head.get_u32();
            let last = head.get_u32();
            // Three bytes.
            let (flags, length) = ((last >> 24) as u8, (last & 0xff_ffff) as usize);
            if first >> 31 == 0 {
                buffer.advance(HEAD_BYTES);
                self.pending = Some(Pending { stream: first, fin: flags & FIN != 0, left: length });
                continue;
            }
            let (version, kind) = ((first >> 16) as u16 & 0x7fff, first as u16);
            if version != VERSION {
                return Err(FrameError::Version(version));
            }
            if length > CONTROL_LIMIT_BYTES {
                return Err(FrameError::Length { kind, length });
            }
            if buffer.len() < HEAD_BYTES + length {
                return Ok(None);
            }
            buffer.advance(HEAD_BYTES);
            let body = buffer.split_to(length).freeze();
            if let Some(frame) = self.control(kind, flags, body)? {
                return Ok(Some(frame));
            }
        }
    }

    /// A control frame; `None` for kinds that nobody knows, which are to be passed over.
    fn control(&mut self, kind: u16, flags: u8, mut body: Bytes) -> Result<Option<Frame>, FrameError> {
        let length = body.len();
        let wrong = FrameError::Length { kind, length };
        let (least, most) = match kind {
            SYN_STREAM => (10, CONTROL_LIMIT_BYTES),
            SYN_REPLY | HEADERS | SETTINGS => (4, CONTROL_LIMIT_BYTES),
            RST_STREAM | GOAWAY | WINDOW_UPDATE => (8, 8),
            PING => (4, 4),
            _ => return Ok(None),
        };
        if length < least || length > most {
            return Err(wrong);
        }
        let number = |body: &mut Bytes| body.get_u32() & 0x7fff_ffff;
        let fin = flags & FIN != 0;
        Ok(Some(match kind {
            SYN_STREAM => {
                let stream = number(&mut body);
                // The stream it belongs to, its priority and the certificate of its client are nothing to us.
                body.advance(6);
                let headers = self.inflater.headers(&body)?;
                Frame::SynStream { stream, fin, unidirectional: flags & UNIDIRECTIONAL != 0, headers }
            }
            SYN_REPLY => {
                let stream = number(&mut body);
                Frame::SynReply { stream, fin, headers: self.inflater.headers(&body)? }
            }
            HEADERS => {
                let stream = number(&mut body);
                Frame::Headers { stream, fin, headers: self.inflater.headers(&body)? }
            }
            RST_STREAM => Frame::RstStream { stream: number(&mut body), status: body.get_u32() },
            GOAWAY => Frame::GoAway { last_stream: number(&mut body), status: body.get_u32() },
            WINDOW_UPDATE => Frame::WindowUpdate { stream: number(&mut body), bytes: number(&mut body) },
            PING => Frame::Ping(body.get_u32()),
            _ => {
                let count = body.get_u32();
                if body.len() as u64 != u64::from(count) * 8 {
                    return Err(wrong);
                }
                // The first byte of each identifier is its flags.
                Frame::Settings((0..count).map(|_| (body.get_u32() & 0xff_ffff, body.get_u32())).collect())
            }
        }))
    }
}

/// Frames to bytes.
#[derive(Default)]
pub struct Encoder {
    deflater: Deflater,
}

impl Encoder {
    /// Adds a frame to `out`. Data must fit into one frame, which [`PIECE_BYTES`] do.
    pub fn encode(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
        let fin_flag = |fin: bool| if fin { FIN } else { 0 };
        match frame {
            Frame::Data { stream, fin, data } => {
                out.put_u32(stream & 0x7fff_ffff);
                put_flags(out, fin_flag(*fin), data.len());
                out.extend_from_slice(data);
            }
            Frame::SynStream { stream, fin, unidirectional, headers } => {
                let block = self.deflater.block(headers)?;
                let flags = fin_flag(*fin) | if *unidirectional { UNIDIRECTIONAL } else { 0 };
                control(out, SYN_STREAM, flags, 10 + block.len());
                out.put_u32(*stream);
                out.put_bytes(0, 6);
                out.extend_from_slice(&block);
            }
            Frame::SynReply { stream, fin, headers } | Frame::Headers { stream, fin, headers } => {
                let kind = if matches!(frame, Frame::SynReply { .. }) { SYN_REPLY } else { HEADERS };
                let block = self.deflater.block(headers)?;
                control(out, kind, fin_flag(*fin), 4 + block.len());
                out.put_u32(*stream);
                out.extend_from_slice(&block);
            }
            Frame::RstStream { stream, status } => pair(out, RST_STREAM, *stream, *status),
            Frame::GoAway { last_stream, status } => pair(out, GOAWAY, *last_stream, *status),
            Frame::WindowUpdate { stream, bytes } => pair(out, WINDOW_UPDATE, *stream, *bytes),
            Frame::Ping(number) => {
                control(out, PING, 0, 4);
                out.put_u32(*number);
            }
            Frame::Settings(settings) => {
                control(out, SETTINGS, 0, 4 + 8 * settings.len());
                // As many as fit into a frame.
                out.put_u32(settings.len() as u32);
                for (identifier, value) in settings {
                    out.put_u32(*identifier & 0xff_ffff);
                    out.put_u32(*value);
                }
            }
        }
        Ok(())
    }
}

fn control(out: &mut BytesMut, kind: u16, flags: u8, length: usize) {
    out.put_u16(0x8000 | VERSION);
    out.put_u16(kind);
    put_flags(out, flags, length);
}

fn pair(out: &mut BytesMut, kind: u16, first: u32, second: u32) {
    control(out, kind, 0, 8);
    out.put_u32(first);
    out.put_u32(second);
}

fn put_flags(out: &mut BytesMut, flags: u8, length: usize) {
    debug_assert!(length < 1 << 24, "a frame's length has three bytes");
    out.put_u32(u32::from(flags) << 24 | length as u32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Everything that comes out of bytes that come in pieces of `cut`.
    fn decode(bytes: &[u8], cut: usize) -> (Vec<Frame>, Option<FrameError>) {
        let (mut decoder, mut buffer, mut frames) = (Decoder::default(), BytesMut::new(), Vec::new());
        for part in bytes.chunks(cut) {
            buffer.extend_from_slice(part);
            loop {
                match decoder.decode(&mut buffer) {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break,
                    Err(error) => return (frames, Some(error)),
                }
            }
            assert!(buffer.len() <= HEAD_BYTES + CONTROL_LIMIT_BYTES, "what waits is bounded");
        }
        (frames, None)
    }

    /// Pieces of data put together again.
    fn joined(frames: Vec<Frame>) -> Vec<Frame> {
        let mut all: Vec<Frame> = Vec::new();
        for frame in frames {
            match (all.last_mut(), frame) {
                (Some(Frame::Data { stream, fin, data }), Frame::Data { stream: next, fin: next_fin, data: more })
                    if *stream == next && !*fin =>
                {
                    *data = [&data[..], &more].concat().into();
                    *fin = next_fin;
                }
                (_, frame) => all.push(frame),
            }
        }
        all
    }

    fn headers() -> impl Strategy<Value = Headers> {
        proptest::collection::btree_map("[a-z-]{1,12}", "\\PC{0,40}", 0..6).prop_map(|pairs| {
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            Headers::new(&pairs)
        })
    }

    fn frame() -> impl Strategy<Value = Frame> {
        let stream = 0..0x8000_0000u32;
        prop_oneof![
            (stream.clone(), any::<bool>(), any::<bool>(), headers()).prop_map(
                |(stream, fin, unidirectional, headers)| Frame::SynStream { stream, fin, unidirectional, headers }
            ),
            (stream.clone(), any::<bool>(), headers()).prop_map(|(stream, fin, headers)| Frame::SynReply {
                stream,
                fin,
                headers
            }),
            (stream.clone(), any::<bool>(), headers()).prop_map(|(stream, fin, headers)| Frame::Headers {
                stream,
                fin,
                headers
            }),
            (stream.clone(), any::<u32>()).prop_map(|(stream, status)| Frame::RstStream { stream, status }),
            (stream.clone(), any::<u32>()).prop_map(|(last_stream, status)| Frame::GoAway { last_stream, status }),
            (stream.clone(), stream.clone()).prop_map(|(stream, bytes)| Frame::WindowUpdate { stream, bytes }),
            any::<u32>().prop_map(Frame::Ping),
            proptest::collection::vec((0..1u32 << 24, any::<u32>()), 0..5).prop_map(Frame::Settings),
            (stream, proptest::collection::vec(any::<u8>(), 0..3 * PIECE_BYTES))
                .prop_map(|(stream, data)| Frame::Data { stream, fin: true, data: data.into() }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn frames_come_back_however_they_are_cut(
            frames in proptest::collection::vec(frame(), 1..8),
            cut in prop_oneof![Just(1usize), 2usize..64, Just(usize::MAX)],
        ) {
            let (mut encoder, mut bytes) = (Encoder::default(), BytesMut::new());
            for frame in &frames {
                encoder.encode(frame, &mut bytes).expect("encoded");
            }
            let (got, error) = decode(&bytes, cut);
            prop_assert_eq!(error, None);
            prop_assert_eq!(joined(got), frames);
        }

        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..600), cut in 1usize..100) {
            decode(&bytes, cut);
        }

        /// Bytes that begin like a control frame get further than those that do not.
        #[test]
        fn no_control_frame_does_harm(kind in 0u16..12, flags in any::<u8>(), body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = BytesMut::new();
            control(&mut bytes, kind, flags, body.len());
            bytes.extend_from_slice(&body);
            decode(&bytes, 7);
        }
    }

    #[test]
    fn what_is_no_frame_is_named() {
        let long = [0x80, 3, 0, 4, 0, 0xff, 0xff, 0xff];
        for (bytes, expected) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], None),
            (&[0x80, 2, 0, 1, 0, 0, 0, 0], Some(FrameError::Version(2))),
            (&[0x80, 3, 0, 6, 0, 0, 0, 3, 1, 2, 3], Some(FrameError::Length { kind: PING, length: 3 })),
            (&[0x80, 3, 0, 4, 0, 0, 0, 4, 0, 0, 0, 1], Some(FrameError::Length { kind: SETTINGS, length: 4 })),
            (&long, Some(FrameError::Length { kind: SETTINGS, length: 0xff_ffff })),
        ] {
            assert_eq!(decode(bytes, 5).1, expected, "{bytes:?}");
        }
        // Kinds that nobody knows are passed over.
        let unknown = [0x80, 3, 0, 11, 0, 0, 0, 2, 9, 9, 0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 7];
        assert_eq!(decode(&unknown, 3), (vec![Frame::Ping(7)], None));
    }
}
