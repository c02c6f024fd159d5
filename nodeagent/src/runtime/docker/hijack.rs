//! Connections to the engine that become a process' input and output.
//!
//! The engine's client library guesses from the first byte whether output is framed. A terminal's is not and may begin
//! with any byte, so that one program's output could be taken for the length of an endless frame. Here it is known.

use super::super::{Output, RuntimeError};
use bytes::{Buf, Bytes, BytesMut};
use futures::stream::{BoxStream, StreamExt};
use std::io;
use std::path::Path;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, WriteHalf};
use tokio::net::UnixStream;
use tokio_util::codec::{Decoder, FramedRead};

/// Longest head of an answer, and longest reason of a refusal, in bytes.
const ANSWER_LIMIT_BYTES: usize = 16 * 1024;
/// What is read from the engine at once, in bytes.
const READ_BYTES: usize = 32 * 1024;
/// Length of the head before each part of framed output, in bytes.
const HEAD_BYTES: usize = 8;

/// Both directions.
pub(super) struct Hijacked {
    /// What the process says.
    pub(super) output: BoxStream<'static, Result<Output, RuntimeError>>,
    /// What it is told.
    pub(super) input: WriteHalf<UnixStream>,
}

/// Posts `body` (JSON, may be empty) to `path` of the engine behind `socket` and takes the connection over.
pub(super) async fn hijack(socket: &Path, path: &str, body: &str, tty: bool) -> Result<Hijacked, RuntimeError> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (stream, buffer) = exchange(socket, path, &request).await?;
    let (read, input) = tokio::io::split(stream);
    Ok(Hijacked { output: frames(read, buffer, tty), input })
}

/// Gets `path`; the answer is framed output.
pub(super) async fn get(
    socket: &Path,
    path: &str,
    tty: bool,
) -> Result<BoxStream<'static, Result<Output, RuntimeError>>, RuntimeError> {
    // In HTTP/1.0 there are no chunks: the rest of the connection is the answer.
    let request = format!("GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n");
    let (stream, buffer) = exchange(socket, path, &request).await?;
    Ok(frames(stream, buffer, tty))
}

/// Sends a request; gives the connection, and what was read of the body already, or the engine's refusal.
async fn exchange(socket: &Path, path: &str, request: &str) -> Result<(UnixStream, BytesMut), RuntimeError> {
    let unreachable = |error: io::Error| RuntimeError::Unreachable(error.to_string());
    let mut stream = UnixStream::connect(socket).await.map_err(unreachable)?;
    stream.write_all(request.as_bytes()).await.map_err(unreachable)?;
    let mut buffer = BytesMut::new();
    let head = read_head(&mut stream, &mut buffer).await.map_err(unreachable)?;
    let (code, length) = parse_head(&head);
    // Older engines say 200 where they hand the connection over.
    if !matches!(code, 101 | 200) {
        return Err(refusal(code, path, read_body(&mut stream, buffer, length).await));
    }
    Ok((stream, buffer))
}

fn frames(
    read: impl AsyncRead + Send + Unpin + 'static,
    buffer: BytesMut,
    tty: bool,
) -> BoxStream<'static, Result<Output, RuntimeError>> {
    let mut frames = FramedRead::with_capacity(read, Frames::new(tty), READ_BYTES);
    *frames.read_buffer_mut() = buffer;
    frames.map(|item| item.map_err(|error| RuntimeError::Unreachable(error.to_string()))).boxed()
}

async fn read_head(stream: &mut UnixStream, buffer: &mut BytesMut) -> io::Result<Bytes> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = buffer.split_to(end + 4);
            return Ok(head.freeze());
        }
        if buffer.len() > ANSWER_LIMIT_BYTES || stream.read_buf(buffer).await? == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the engine's answer has no end"));
        }
    }
}

/// Status code, and length of the body where it is told.
fn parse_head(head: &[u8]) -> (u16, usize) {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let code = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok()).unwrap_or(0);
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok());
    (code, length.unwrap_or(0))
}

async fn read_body(stream: &mut UnixStream, mut buffer: BytesMut, length: usize) -> Bytes {
    let length = length.min(ANSWER_LIMIT_BYTES);
    while buffer.len() < length && stream.read_buf(&mut buffer).await.is_ok_and(|n| n > 0) {}
    buffer.freeze()
}

fn refusal(code: u16, path: &str, body: Bytes) -> RuntimeError {
    let told = serde_json::from_slice::<serde_json::Value>(&body).ok();
    let message = told.and_then(|told| told["message"].as_str().map(str::to_owned));
    match (code, message) {
        (404, None) => RuntimeError::NotFound(path.to_owned()),
        (_, Some(message)) => RuntimeError::Refused(message),
        (_, None) => RuntimeError::Refused(format!("code {code} and no reason")),
    }
}

/// Output parts as they come: framed, or a terminal's bare bytes. Long parts are passed on in pieces.
struct Frames {
    tty: bool,
    /// Stream and bytes left of the part that is being read.
    part: Option<(u8, usize)>,
}

impl Frames {
    fn new(tty: bool) -> Self {
        Self { tty, part: None }
    }
}

impl Decoder for Frames {
    type Item = Output;
    type Error = io::Error;

    fn decode(&mut self, source: &mut BytesMut) -> io::Result<Option<Output>> {
        if self.tty {
            return Ok((!source.is_empty()).then(|| Output::Stdout(source.split().freeze())));
        }
        loop {
            match self.part {
                Some((_, 0)) => self.part = None,
                Some(_) if source.is_empty() => return Ok(None),
                Some((stream, left)) => {
                    let piece = source.split_to(left.min(source.len())).freeze();
                    self.part = Some((stream, left - piece.len()));
                    return Ok(Some(if stream == 2 { Output::Stderr(piece) } else { Output::Stdout(piece) }));
                }
                None if source.len() < HEAD_BYTES => return Ok(None),
                None => {
                    let stream = source[0];
                    if stream > 2 {
                        return Err(io::Error::new(io::ErrorKind::InvalidData, "the engine's output is not framed"));
                    }
                    source.advance(4);
                    self.part = Some((stream, source.get_u32() as usize));
                }
            }
        }
    }

    fn decode_eof(&mut self, source: &mut BytesMut) -> io::Result<Option<Output>> {
        let last = self.decode(source)?;
        if last.is_none() {
            // Half a head that will never be whole.
            source.clear();
        }
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u8, text: &str) -> Vec<u8> {
        let mut all = vec![stream, 0, 0, 0];
        all.extend((text.len() as u32).to_be_bytes());
        all.extend(text.as_bytes());
        all
    }

    /// What comes out however the bytes are cut.
    fn decode(tty: bool, bytes: &[u8], cut: usize) -> Result<(String, String), io::Error> {
        let (mut frames, mut buffer) = (Frames::new(tty), BytesMut::new());
        let (mut out, mut err) = (String::new(), String::new());
        let mut take = |output| match output {
            Output::Stdout(data) => out.push_str(&String::from_utf8_lossy(&data)),
            Output::Stderr(data) => err.push_str(&String::from_utf8_lossy(&data)),
        };
        for part in bytes.chunks(cut) {
            buffer.extend_from_slice(part);
            while let Some(output) = frames.decode(&mut buffer)? {
                take(output);
            }
        }
        while let Some(output) = frames.decode_eof(&mut buffer)? {
            take(output);
        }
        Ok((out, err))
    }

    #[test]
    fn output_is_told_apart_however_it_is_cut() {
        let framed = [frame(1, "out "), frame(2, "error"), frame(1, ""), frame(1, "more")].concat();
        for cut in 1..=framed.len() {
            assert_eq!(decode(false, &framed, cut).expect("framed"), ("out more".into(), "error".into()), "{cut}");
            let bare = "\u{1}\0\0\0bare";
            assert_eq!(decode(true, bare.as_bytes(), cut).expect("bare").0, bare);
        }
        let half = &framed[..framed.len() - 2];
        assert_eq!(decode(false, half, 5).expect("cut off"), ("out mo".into(), "error".into()));
        assert!(decode(false, b"plain text", 3).is_err());
    }

    #[test]
    fn answers_are_read() {
        for (head, code, length) in [
            ("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n\r\n", 101, 0),
            ("HTTP/1.1 409 Conflict\r\ncontent-length: 17\r\n\r\n", 409, 17),
            ("nonsense\r\n\r\n", 0, 0),
        ] {
            assert_eq!(parse_head(head.as_bytes()), (code, length), "{head}");
        }
        let message = Bytes::from_static(br#"{"message": "container x is not running"}"#);
        assert_eq!(refusal(409, "/x", message), RuntimeError::Refused("container x is not running".into()));
        assert_eq!(refusal(404, "/x", Bytes::new()), RuntimeError::NotFound("/x".into()));
    }
}
