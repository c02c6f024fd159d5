//! Log lines of a container, as `kubectl logs` asks for them.

use super::StreamFailure;
use crate::pod::view::View;
use crate::runtime::{LogQuery, Output, Runtime};
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use kubus_client::stream::{Received, StreamReceiver, StreamSender};
use kubus_proto::stream::{Operation, channel};

/// Whose log is wanted and which lines.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Container id.
    pub id: String,
    /// Lines.
    pub query: LogQuery,
    /// Bytes at most.
    pub limit_bytes: Option<u64>,
}

/// What a request for logs means for a pod's containers at `now`.
pub fn wanted(view: &View, operation: &Operation, now: Timestamp) -> Result<Wanted, StreamFailure> {
    let Operation::Logs { container, follow, previous, tail_lines, since_seconds, since_time, timestamps, limit_bytes } =
        operation
    else {
        return Err(StreamFailure("not a request for logs".to_owned()));
    };
    let found = view.container(container).map_err(StreamFailure::of)?;
    let (name, pod) = (&found.name, &view.pod);
    let id = if *previous {
        found
            .previous_id
            .clone()
            .ok_or_else(|| StreamFailure(format!("previous terminated container {name:?} in pod {pod:?} not found")))?
    } else {
        found.id.clone().ok_or_else(|| {
            StreamFailure(format!("container {name:?} in pod {pod:?} is waiting to start: {}", found.waiting))
        })?
    };
    let since = match (since_time, since_seconds) {
        (Some(time), _) => Some(time.parse::<Timestamp>().map_err(|e| StreamFailure(format!("sinceTime: {e}")))?),
        (None, Some(seconds)) => Some(now - SignedDuration::from_secs(*seconds)),
        (None, None) => None,
    };
    let count = |n: &Option<i64>| n.and_then(|n| u64::try_from(n).ok());
    let query = LogQuery {
        follow: *follow && !previous,
        tail_lines: count(tail_lines),
        since,
        timestamps: *timestamps,
        tty: found.tty,
    };
    Ok(Wanted { id, query, limit_bytes: count(limit_bytes) })
}

/// Sends the lines until there are no more, or the client is gone.
pub(super) async fn run(
    view: &View,
    operation: Operation,
    runtime: &dyn Runtime,
    sender: &mut StreamSender,
    receiver: &mut StreamReceiver,
) -> Result<(), StreamFailure> {
    let wanted = wanted(view, &operation, Timestamp::now())?;
    let mut lines = runtime.logs(&wanted.id, &wanted.query);
    sender.ready().await.map_err(StreamFailure::of)?;
    let mut left = wanted.limit_bytes;
    let send = async {
        while let Some(line) = lines.next().await {
            let (Output::Stdout(mut data) | Output::Stderr(mut data)) = line.map_err(StreamFailure::of)?;
            if let Some(left) = &mut left {
                data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= data.len() as u64;
            }
            sender.send(channel::STDOUT, data).await.map_err(StreamFailure::of)?;
            if left == Some(0) {
                break;
            }
        }
        Ok(())
    };
    tokio::select! {
        sent = send => sent,
        () = gone(receiver) => Ok(()),
    }
}

/// Ready when the client ended the stream or is silent.
async fn gone(receiver: &mut StreamReceiver) {
    loop {
        match receiver.next().await {
            Ok(Received::End { .. }) | Err(_) => return,
            Ok(Received::Data { .. } | Received::Close { .. }) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::view::ContainerView;

    fn logs(container: &str, previous: bool) -> Operation {
        Operation::Logs {
            container: container.to_owned(),
            follow: true,
            previous,
            tail_lines: Some(5),
            since_seconds: Some(60),
            since_time: None,
            timestamps: true,
            limit_bytes: Some(10),
        }
    }

    #[test]
    fn requests_find_their_container() {
        let container = |name: &str, id: Option<&str>, previous: Option<&str>| ContainerView {
            name: name.to_owned(),
            app: name != "init",
            id: id.map(str::to_owned),
            running: true,
            previous_id: previous.map(str::to_owned),
            waiting: "ContainerCreating".to_owned(),
            tty: false,
        };
        let view = View {
            pod: "p".into(),
            containers: vec![
                container("init", Some("0"), None),
                container("c", Some("1"), Some("2")),
                container("d", None, None),
            ],
            sandbox: None,
        };
        let now = Timestamp::from_second(1_000).expect("in range");
        let found = wanted(&view, &logs("", false), now).expect("the first app container");
        assert_eq!((found.id.as_str(), found.limit_bytes, found.query.tail_lines), ("1", Some(10), Some(5)));
        assert_eq!(found.query.since.map(|t| t.as_second()), Some(940));
        let found = wanted(&view, &logs("c", true), now).expect("the previous one");
        assert_eq!((found.id.as_str(), found.query.follow), ("2", false));
        for (container, previous, message) in [
            ("d", false, "container \"d\" in pod \"p\" is waiting to start: ContainerCreating"),
            ("init", true, "previous terminated container \"init\" in pod \"p\" not found"),
            ("x", false, "container x is not valid for pod p"),
        ] {
            let error = wanted(&view, &logs(container, previous), now).expect_err(container);
            assert_eq!(error.to_string(), message);
        }
    }
}
