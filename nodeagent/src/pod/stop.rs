//! The end of a pod: SIGTERM, its grace period, SIGKILL, removal from the runtime, removal from the API.
//! <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination>

use super::machine::{Out, after, named};
use super::message::Command;
use super::state::{Cause, Intent, PodState, Removal, Role, Run, Sandbox, Stop};
use jiff::Timestamp;

/// A killed container whose end was not heard of is killed again after so many seconds.
const KILL_AGAIN_S: i64 = 10;

/// Makes up the mind to end the pod. A later wish may only shorten the grace period; a pod that vanished from the API
/// stays vanished, and one that is deleted is not taken for one that merely ended.
pub(super) fn intend(state: &mut PodState, cause: Cause, kill_at: Timestamp) {
    state.intent = match state.intent {
        Intent::Run => Intent::Stop { kill_at, cause },
        Intent::Stop { kill_at: before, cause: old } => {
            let cause = match (old, cause) {
                (Cause::Vanished, _) | (_, Cause::Vanished) => Cause::Vanished,
                (Cause::Deleted, _) | (_, Cause::Deleted) => Cause::Deleted,
                (Cause::Settled, _) | (_, Cause::Settled) => Cause::Settled,
                (Cause::Deadline, Cause::Deadline) => Cause::Deadline,
            };
            Intent::Stop { kill_at: before.min(kill_at), cause }
        }
    };
}

/// Does what is left to do for a pod that is to end.
pub(super) fn stop(state: &mut PodState, kill_at: Timestamp, cause: Cause, now: Timestamp, out: &mut Out) {
    if !containers(state, kill_at, now, out) || state.sandbox == Sandbox::Starting {
        return;
    }
    if matches!(cause, Cause::Deadline | Cause::Settled) {
        drop_sandbox(state, out);
        return;
    }
    match state.removal {
        Removal::None => remove(state, out),
        Removal::Failed { retry_at } if retry_at <= now => remove(state, out),
        Removal::Failed { retry_at } => out.wake(retry_at),
        Removal::InFlight => {}
        Removal::Done if cause == Cause::Vanished => out.push(Command::Finish),
        Removal::Done => out.push(Command::DeleteFromApi),
    }
}

fn remove(state: &mut PodState, out: &mut Out) {
    state.removal = Removal::InFlight;
    out.push(Command::RemovePod);
}

/// Removes the sandbox of a pod whose containers have ended.
pub(super) fn drop_sandbox(state: &mut PodState, out: &mut Out) {
    if let Sandbox::Ready { id, .. } | Sandbox::Dead { id } = &state.sandbox {
        let id = id.clone();
        state.sandbox = Sandbox::Removing { id: id.clone() };
        out.push(Command::RemoveSandbox { id });
    }
}

/// Stops every container, sidecars after the others; true when none is left.
pub(super) fn containers(state: &mut PodState, kill_at: Timestamp, now: Timestamp, out: &mut Out) -> bool {
    let others_live = state.containers.iter().any(|c| c.role != Role::Sidecar && c.is_live());
    for index in 0..state.containers.len() {
        if others_live && state.containers[index].role == Role::Sidecar {
            continue;
        }
        container(state, index, kill_at, now, out);
    }
    !state.containers.iter().any(|c| c.is_live())
}

fn container(state: &mut PodState, index: usize, kill_at: Timestamp, now: Timestamp, out: &mut Out) {
    let who = named(state, index);
    let Run::Running(running) = &state.containers[index].run else { return };
    let mut running = running.clone();
    let mut stop = match running.stop {
        Some(stop) => Stop { kill_at: stop.kill_at.min(kill_at), ..stop },
        None => {
            out.record(false, "Killing", format!("Stopping container {}", who.name), Some(who));
            if kill_at > now {
                let signal = &running.image.stop_signal;
                let signal = if signal.is_empty() { "SIGTERM" } else { signal }.to_owned();
                out.push(Command::Signal { id: running.id.clone(), signal });
            }
            Stop { kill_at, killed_at: None }
        }
    };
    let due = match stop.killed_at {
        None => stop.kill_at,
        Some(killed_at) => after(killed_at, KILL_AGAIN_S),
    };
    if due <= now {
        stop.killed_at = Some(now);
        out.push(Command::Signal { id: running.id.clone(), signal: "SIGKILL".to_owned() });
        out.wake(after(now, KILL_AGAIN_S));
    } else {
        out.wake(due);
    }
    running.stop = Some(stop);
    state.containers[index].run = Run::Running(running);
}
