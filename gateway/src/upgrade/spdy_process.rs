//! exec and attach over SPDY: one stream for each of the process' ends, and one for how it ended.

use super::process::{Ends, FromClient, Gone, ToClient, join, told};
use super::spdy::{Connection, Stream, StreamReader, StreamWriter};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use kubus_client::stream::{StreamReceiver, StreamSender};
use kubus_proto::stream::channel;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long the client may take to open its streams, in milliseconds.
const STREAMS_MS: u64 = 30_000;
/// Longest text of a terminal's size, in bytes.
const SIZE_LIMIT_BYTES: usize = 1_024;

/// A version of the protocol.
#[derive(Debug)]
pub struct Protocol {
    /// As it is named in headers.
    pub name: &'static str,
    /// Terminals have a stream for their sizes.
    resize: bool,
    /// How a process ended is told as a `Status`, not as text.
    status: bool,
}

/// All versions; the first is spoken with clients that name none.
pub static PROTOCOLS: [Protocol; 4] = [
    Protocol { name: "channel.k8s.io", resize: false, status: false },
    Protocol { name: "v2.channel.k8s.io", resize: false, status: false },
    Protocol { name: "v3.channel.k8s.io", resize: true, status: false },
    Protocol { name: "v4.channel.k8s.io", resize: true, status: true },
];

/// Names of the streams that the client is going to open.
fn expected(ends: Ends, protocol: &Protocol) -> Vec<&'static str> {
    let all = [
        ("error", true),
        ("stdin", ends.stdin),
        ("stdout", ends.stdout),
        ("stderr", ends.stderr),
        ("resize", ends.tty && protocol.resize),
    ];
    all.into_iter().filter(|(_, wanted)| *wanted).map(|(name, _)| name).collect()
}

/// Serves a connection until the process has ended or the client has gone.
pub async fn serve(
    upgraded: Upgraded,
    bus: (StreamSender, StreamReceiver),
    ends: Ends,
    protocol: &'static Protocol,
    command: &[String],
) {
    let mut connection = Connection::new(TokioIo::new(upgraded));
    let collecting = collect(&mut connection, expected(ends, protocol));
    let Ok(Some(mut streams)) = tokio::time::timeout(Duration::from_millis(STREAMS_MS), collecting).await else {
        return;
    };
    let Some(error) = streams.remove("error") else { return };
    let mut reader = |name: &str| streams.remove(name).map(|stream| (stream.reader, stream.writer));
    // The other halves are held, so that the streams are not reset while the process runs.
    let (stdin, resize) = (reader("stdin"), reader("resize"));
    let (stdin, _stdin) = stdin.unzip();
    let (resize, _resize) = resize.unzip();
    let mut writer = |name: &str| streams.remove(name).map(|stream| (stream.writer, stream.reader));
    let (stdout, _stdout) = writer("stdout").unzip();
    let (stderr, _stderr) = writer("stderr").unzip();
    let output = Streams { protocol, stdout, stderr, error: error.writer };
    let gone = CancellationToken::new();
    let input =
        stream::select(said(stdin), sizes(resize)).chain(stream::pending()).take_until(gone.clone().cancelled_owned());
    let watching = async {
        // Streams that the protocol does not have are reset; the last of them is the connection's end.
        while connection.next().await.is_some() {}
        gone.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = join(bus, input, output, command) => {}
        () = watching => {}
    }
    connection.close().await;
}

/// Takes the streams that are expected, by name; `None` where the client goes before all are there.
async fn collect(
    connection: &mut Connection,
    mut expected: Vec<&'static str>,
) -> Option<BTreeMap<&'static str, Stream>> {
    let mut streams = BTreeMap::new();
    while !expected.is_empty() {
        let stream = connection.next().await?;
        let name = stream.headers.get("streamtype");
        // One that nobody expects, or a second one, is reset.
        if let Some(position) = expected.iter().position(|wanted| *wanted == name) {
            stream.accept().await.ok()?;
            streams.insert(expected.swap_remove(position), stream);
        }
    }
    Some(streams)
}

fn said(reader: Option<StreamReader>) -> BoxStream<'static, FromClient> {
    let Some(reader) = reader else { return stream::empty().boxed() };
    stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        match reader.next().await {
            Ok(Some(data)) => Some((FromClient::Input(data), Some(reader))),
            Ok(None) | Err(_) => Some((FromClient::InputEnd, None)),
        }
    })
    .boxed()
}

/// Sizes come as lines of JSON, however they are cut.
fn sizes(reader: Option<StreamReader>) -> BoxStream<'static, FromClient> {
    let Some(reader) = reader else { return stream::empty().boxed() };
    stream::unfold((reader, BytesMut::new()), |(mut reader, mut rest)| async move {
        loop {
            if let Some(line) = line(&mut rest) {
                return Some((FromClient::Resize(line), (reader, rest)));
            }
            let data = reader.next().await.ok()??;
            rest.extend_from_slice(&data);
        }
    })
    .boxed()
}

/// The first whole line of `rest`. What becomes too long to be a size is forgotten.
fn line(rest: &mut BytesMut) -> Option<Bytes> {
    if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        return Some(rest.split_to(end + 1).freeze());
    }
    if rest.len() > SIZE_LIMIT_BYTES {
        rest.clear();
    }
    None
}

struct Streams {
    protocol: &'static Protocol,
    stdout: Option<StreamWriter>,
    stderr: Option<StreamWriter>,
    error: StreamWriter,
}

impl ToClient for Streams {
    async fn output(&mut self, channel: u8, data: Bytes) -> Result<(), Gone> {
        let writer = if channel == channel::STDERR { &mut self.stderr } else { &mut self.stdout };
        match writer {
            Some(writer) => writer.send(data).await.map_err(|_| Gone),
            None => Ok(()),
        }
    }

    async fn finish(mut self, status: &Value) -> Result<(), Gone> {
        let closed = |_| Gone;
        for writer in [&mut self.stdout, &mut self.stderr].into_iter().flatten() {
            writer.finish().await.map_err(closed)?;
        }
        if let Some(text) = told(status, self.protocol.status) {
            self.error.send(text.into()).await.map_err(closed)?;
        }
        self.error.finish().await.map_err(closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_streams() {
        let all = Ends { stdin: true, stdout: true, stderr: true, tty: false };
        let terminal = Ends { stdin: true, stdout: true, stderr: false, tty: true };
        for (ends, version, streams) in [
            (all, 0, "error stdin stdout stderr"),
            (all, 3, "error stdin stdout stderr"),
            (terminal, 1, "error stdin stdout"),
            (terminal, 2, "error stdin stdout resize"),
            (Ends { stdout: true, ..Ends::default() }, 3, "error stdout"),
        ] {
            assert_eq!(expected(ends, &PROTOCOLS[version]).join(" "), streams);
        }
    }

    #[test]
    fn sizes_are_lines() {
        let mut rest = BytesMut::from(&b"{\"Width\":1}\n{\"Wi"[..]);
        assert_eq!(line(&mut rest).as_deref(), Some(&b"{\"Width\":1}\n"[..]));
        assert_eq!(line(&mut rest), None);
        rest.extend_from_slice(b"dth\":2}\n");
        assert_eq!(line(&mut rest).as_deref(), Some(&b"{\"Width\":2}\n"[..]));
        rest.extend_from_slice(&[b'x'; SIZE_LIMIT_BYTES + 1]);
        assert_eq!((line(&mut rest), rest.len()), (None, 0));
    }
}
