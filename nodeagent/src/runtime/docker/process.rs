//! Processes of containers as the host sees them. The agent sees them where it runs on the engine's host.

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgid};

/// Whether a process of this host belongs to a container. Numbers of processes are used again, so that whoever acts on
/// one asks first.
pub(super) fn is_in_container(process: i64, container: &str) -> bool {
    let groups = std::fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap_or_default();
    process > 0 && !container.is_empty() && groups.contains(container)
}

/// Kills a process that was started in a container, and what it started and did not put into groups of their own.
pub(super) fn kill_in_container(process: i64, container: &str) {
    let Some(pid) = i32::try_from(process).ok().map(Pid::from_raw) else { return };
    if !is_in_container(process, container) {
        return;
    }
    let leads = getpgid(Some(pid)).is_ok_and(|group| group == pid);
    // One that has ended by itself is what was wanted.
    let _ = if leads { killpg(pid, Signal::SIGKILL) } else { kill(pid, Signal::SIGKILL) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_no_container_is_left_alone() {
        let own = i64::from(std::process::id());
        for (process, container) in [(own, "4f0c5ab6"), (own, ""), (0, "a"), (-1, "a"), (i64::MAX, "a")] {
            assert!(!is_in_container(process, container), "{process} {container}");
            kill_in_container(process, container);
        }
    }
}
