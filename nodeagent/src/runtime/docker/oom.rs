//! Whether the engine may protect a container from the kernel's out-of-memory killer: lowering a process' score takes
//! CAP_SYS_RESOURCE, which an engine that itself runs in a container may lack, and then such a container cannot start.

use std::path::Path;
use tokio::net::UnixStream;

/// Bit of CAP_SYS_RESOURCE in a capability set, see capabilities(7).
const SYS_RESOURCE: u32 = 24;
/// The lowest score there is.
const LOWEST: i64 = -1_000;
/// Where the engine listens unless told otherwise.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// The lowest score that containers of the engine behind `socket` may have. An engine that cannot be looked at is
/// taken for one that may lower scores, as engines on hosts are.
pub async fn floor(socket: Option<&Path>) -> i64 {
    let socket = socket.unwrap_or(Path::new(DEFAULT_SOCKET));
    let engine = async {
        let peer = UnixStream::connect(socket).await.ok()?.peer_cred().ok()?.pid()?;
        std::fs::read_to_string(format!("/proc/{peer}/status")).ok()
    };
    match engine.await.as_deref().and_then(may_lower) {
        Some(false) => 0,
        Some(true) | None => LOWEST,
    }
}

/// Whether a process with this `/proc/<pid>/status` has the capability.
fn may_lower(status: &str) -> Option<bool> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let set = u64::from_str_radix(line.trim(), 16).ok()?;
    Some(set & (1 << SYS_RESOURCE) != 0)
}

#[cfg(test)]
mod tests {
    use super::may_lower;

    #[test]
    fn the_capability_is_read() {
        for (line, expected) in [
            ("CapEff:\t000001ffffffffff\n", Some(true)),
            ("Name:\tdockerd\nCapEff:\t000001fffeffffff\n", Some(false)),
            ("CapEff:\tnonsense", None),
            ("", None),
        ] {
            assert_eq!(may_lower(line), expected, "{line}");
        }
    }
}
