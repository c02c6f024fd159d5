//! Waits for an object to become what is asked for, by watching it.

use crate::context::{Context, Query};
use crate::error::{CliError, Result};
use crate::fail;
use futures::StreamExt;
use kubus_proto::event::ChangeType;
use kubus_proto::path::ResourcePath;
use kubus_proto::{KindRow, Reason};
use serde_json::Value;
use std::time::Duration;

/// How often a watch that ended is begun anew before waiting is given up.
const RESTART_LIMIT: usize = 1_000;
/// Pause before a watch that ended is begun anew.
const RESTART_PAUSE: Duration = Duration::from_millis(200);

/// Waits until `done` says so of the object (`None` once it is gone) and gives the last object seen.
/// `timeout` is an error with `timed_out` as its text.
pub async fn wait_until(
    context: &Context,
    row: &KindRow,
    namespace: &str,
    name: &str,
    timeout: Option<Duration>,
    timed_out: &str,
    mut done: impl FnMut(Option<&Value>) -> Result<bool>,
) -> Result<Option<Value>> {
    let waiting = async {
        for _ in 0..RESTART_LIMIT {
            let now = match context.get(row, namespace, name).await {
                Ok(object) => Some(object),
                Err(error) if error.is(Reason::NotFound) => None,
                Err(error) => return Err(error),
            };
            if done(now.as_ref())? {
                return Ok(now);
            }
            let version = now.as_ref().and_then(|o| o["metadata"]["resourceVersion"].as_str()).unwrap_or_default();
            let query = Query::new()
                .with("watch", "true")
                .with("fieldSelector", format!("metadata.name={name}"))
                .with("resourceVersion", version);
            let path = ResourcePath::of(row, namespace, "", "");
            let mut changes = match context.server.watch(path, query.into_string()).await {
                Ok(changes) => changes,
                Err(CliError::Api(error)) if matches!(error.reason, Reason::Expired | Reason::Gone) => continue,
                Err(error) => return Err(error),
            };
            while let Some(change) = changes.next().await {
                // A watch that failed (a new leader, a gap) is begun anew from what is there now.
                let Ok(change) = change else { break };
                let object = (change.change != ChangeType::Deleted).then_some(change.object);
                if done(object.as_ref())? {
                    return Ok(object);
                }
            }
            tokio::time::sleep(RESTART_PAUSE).await;
        }
        fail!("{timed_out}")
    };
    match timeout {
        Some(timeout) => match tokio::time::timeout(timeout, waiting).await {
            Ok(result) => result,
            Err(_) => fail!("{timed_out}"),
        },
        None => waiting.await,
    }
}

/// Reads Go's durations as flags take them: `30s`, `5m`, `1h30m`, `500ms`; `0` is no limit.
pub fn parse_duration(text: &str) -> std::result::Result<Duration, String> {
    const UNITS: [(&str, f64); 5] = [("ms", 0.001), ("us", 0.000_001), ("s", 1.0), ("m", 60.0), ("h", 3_600.0)];
    let wrong = || format!("invalid duration {text:?}, expected something like 30s, 5m or 1h30m");
    let mut rest = text.strip_prefix('-').unwrap_or(text);
    if let Ok(seconds) = rest.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_alphabetic()).ok_or_else(wrong)?;
        let number: f64 = rest[..end].parse().map_err(|_| wrong())?;
        rest = &rest[end..];
        let (unit, scale) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit)).ok_or_else(wrong)?;
        rest = &rest[unit.len()..];
        seconds += number * scale;
    }
    if text.is_empty() { Err(wrong()) } else { Duration::try_from_secs_f64(seconds).map_err(|_| wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, ms) in
            [("30s", 30_000), ("1m30s", 90_000), ("500ms", 500), ("1.5h", 5_400_000), ("7", 7_000), ("0s", 0)]
        {
            assert_eq!(parse_duration(text).map(|d| d.as_millis()), Ok(ms), "{text}");
        }
        for text in ["", "s", "5", "5x", "1h5"].into_iter().filter(|t| *t != "5") {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
