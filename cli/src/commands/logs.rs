//! `kubus logs`: <https://kubernetes.io/docs/reference/kubectl/generated/kubectl_logs/>.

use super::pod_of;
use crate::context::{Context, Query};
use crate::error::{CliError, Result};
use crate::fail;
use crate::watching::parse_duration;
use clap::Args;
use futures::future::join_all;
use kubus_client::stream::Received;
use kubus_proto::kinds::pod;
use kubus_proto::path::ResourcePath;
use kubus_proto::stream::{STREAM_ACCEPT, StreamTicket};
use serde_json::Value;
use std::time::Duration;

/// Lines shown of each container where several pods are asked.
const SELECTOR_TAIL_LINES: i64 = 10;

/// Print the logs of a container
#[derive(Args, Clone, Debug)]
pub struct LogsArgs {
    /// POD or TYPE/NAME
    #[arg(value_name = "POD | TYPE/NAME")]
    pod: Option<String>,
    /// The container, as -c
    #[arg(value_name = "CONTAINER")]
    container_word: Option<String>,
    /// The container
    #[arg(short = 'c', long, value_name = "CONTAINER")]
    container: Option<String>,
    /// Keep printing what is written
    #[arg(short = 'f', long)]
    follow: bool,
    /// Those of the container before its last restart
    #[arg(short = 'p', long)]
    previous: bool,
    /// Only the last lines; -1 for all
    #[arg(long, value_name = "LINES", allow_negative_numbers = true)]
    tail: Option<i64>,
    /// Only what is younger, e.g. 5m
    #[arg(long, value_parser = parse_duration, value_name = "DURATION", conflicts_with = "since_time")]
    since: Option<Duration>,
    /// Only what is younger than a time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since_time: Option<String>,
    /// Put the time before each line
    #[arg(long)]
    timestamps: bool,
    /// At most so many bytes
    #[arg(long, value_name = "BYTES")]
    limit_bytes: Option<i64>,
    /// Those of every container of the pod
    #[arg(long)]
    all_containers: bool,
    /// Put pod and container before each line
    #[arg(long)]
    prefix: bool,
    /// Pods with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// How many pods to follow at once with -l
    #[arg(long, value_name = "N", default_value_t = 5)]
    max_log_requests: usize,
}

/// One container whose logs are wanted.
struct Source {
    pod: String,
    container: String,
}

/// Runs the command.
pub async fn run(args: LogsArgs, context: &Context) -> Result<()> {
    let named = args.container.clone().or(args.container_word.clone());
    let pods: Vec<Value> = match (&args.pod, &args.selector) {
        (Some(_), Some(_)) => fail!("only a selector (-l) or a POD name is allowed"),
        (Some(pod), None) => vec![pod_of::one(pod, context).await?],
        (None, Some(selector)) => pod_of::by_label(selector, context).await?,
        (None, None) => fail!(
            "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument for the logs command\nSee 'kubus logs -h' for help and examples"
        ),
    };
    if pods.is_empty() {
        context.console.error_line(&format!("No resources found in {} namespace.", context.namespace()));
        return Ok(());
    }
    let mut sources = Vec::new();
    for pod in &pods {
        let names = if args.all_containers {
            pod_of::containers(pod, true)
        } else {
            vec![pod_of::container(pod, named.as_deref(), context)?]
        };
        let of = pod_of::name_of(pod).to_owned();
        sources.extend(names.into_iter().map(|container| Source { pod: of.clone(), container }));
    }
    if !args.follow {
        for source in &sources {
            print(&args, source, context).await?;
        }
        return Ok(());
    }
    if sources.len() > args.max_log_requests {
        fail!(
            "you are attempting to follow {} log streams, but maximum allowed concurrency is {}, use \
             --max-log-requests to increase the limit",
            sources.len(),
            args.max_log_requests
        );
    }
    let results = join_all(sources.iter().map(|source| print(&args, source, context))).await;
    CliError::all(results.into_iter().filter_map(Result::err).collect())
}

fn query(args: &LogsArgs, source: &Source) -> Query {
    let flag = |on: bool| if on { "true" } else { "" };
    let number = |n: Option<i64>| n.filter(|n| *n >= 0).map(|n| n.to_string()).unwrap_or_default();
    let tail = args.tail.or(args.selector.as_ref().map(|_| SELECTOR_TAIL_LINES));
    let since = args.since.map(|since| since.as_secs().max(1).to_string()).unwrap_or_default();
    Query::new()
        .with("container", &source.container)
        .with("follow", flag(args.follow))
        .with("previous", flag(args.previous))
        .with("timestamps", flag(args.timestamps))
        .with("tailLines", number(tail))
        .with("limitBytes", number(args.limit_bytes))
        .with("sinceSeconds", since)
        .with("sinceTime", args.since_time.as_deref().unwrap_or_default())
}

async fn print(args: &LogsArgs, source: &Source, context: &Context) -> Result<()> {
    let path = ResourcePath::of(&pod::ROW, context.namespace(), &source.pod, "log");
    let answer = context.get_path(&path, query(args, source), STREAM_ACCEPT).await?;
    let ticket: StreamTicket = serde_json::from_value(answer)
        .map_err(|error| CliError::message(format!("the apiserver gave no stream: {error}")))?;
    let (_writer, mut reader) = context.server.stream(ticket).await?;
    let mut lines = Prefixed::new(args.prefix.then(|| format!("[pod/{}/{}] ", source.pod, source.container)));
    while !context.console.is_closed() {
        match reader.next().await? {
            Received::Data { data, .. } => context.console.write(&lines.add(&data)),
            Received::Close { .. } => {}
            Received::End { .. } => break,
        }
    }
    context.console.write(&lines.rest());
    Ok(())
}

/// Puts a text before each line; lines that come in pieces are held back until they are whole.
struct Prefixed {
    prefix: Option<String>,
    open: Vec<u8>,
}

impl Prefixed {
    fn new(prefix: Option<String>) -> Self {
        Self { prefix, open: Vec::new() }
    }

    fn add(&mut self, data: &[u8]) -> Vec<u8> {
        let Some(prefix) = &self.prefix else { return data.to_vec() };
        self.open.extend_from_slice(data);
        let Some(end) = self.open.iter().rposition(|b| *b == b'\n') else { return Vec::new() };
        let whole: Vec<u8> = self.open.drain(..=end).collect();
        whole.split_inclusive(|b| *b == b'\n').flat_map(|line| [prefix.as_bytes(), line].concat()).collect()
    }

    fn rest(&mut self) -> Vec<u8> {
        let open = std::mem::take(&mut self.open);
        if open.is_empty() {
            open
        } else {
            [self.prefix.as_deref().unwrap_or_default().as_bytes(), &open, b"\n"].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_get_their_prefix_once() {
        let mut lines = Prefixed::new(Some("> ".into()));
        assert_eq!(lines.add(b"a\nb"), b"> a\n");
        assert_eq!(lines.add(b"c\n"), b"> bc\n");
        lines.add(b"open");
        assert_eq!(lines.rest(), b"> open\n");
        assert_eq!(Prefixed::new(None).add(b"x"), b"x");
    }
}
