//! Takes over what the runtime already has of a pod, so that an agent that starts again starts nothing twice.

use super::backoff::Backoff;
use super::machine::Out;
use super::message::{Command, Found};
use super::state::{ContainerState, Ended, PodState, Role, Run, Running, Sandbox};
use crate::runtime::{Exit, ImageInfo, RunState, SANDBOX};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus};

/// Puts what was observed into the state of a pod nothing was done for yet.
pub(super) fn adopt(state: &mut PodState, mut found: Vec<Found>, now: Timestamp, out: &mut Out) {
    state.adopted = true;
    // What was made and never started is made again under the same name; the runtime clears it away.
    found.retain(|f| f.observed.state != RunState::Created);
    found.sort_by_key(|f| std::cmp::Reverse(f.observed.attempt));
    adopt_sandbox(state, &found, out);
    let api = state.pod.status.clone().unwrap_or_default();
    for container in &mut state.containers {
        let name = container.name.clone();
        let mut mine = found.iter().filter(|f| f.observed.name == name);
        if let Some(newest) = mine.next() {
            adopt_container(container, newest, &mut mine, out);
        }
        let statuses = if container.role == Role::App { &api.container_statuses } else { &api.init_container_statuses };
        if let Some(status) = statuses.iter().flatten().find(|s| s.name == container.name) {
            remember(container, status, now);
        }
    }
    let began = state.containers.iter().any(|c| c.role == Role::App && !matches!(c.run, Run::Idle));
    for container in state.containers.iter_mut().filter(|c| began && c.role == Role::Init) {
        if matches!(container.run, Run::Idle) {
            // App containers run only after every init container did its work; its remains were cleared away.
            container.run = Run::Ended(completed(now));
        }
    }
}

fn completed(now: Timestamp) -> Ended {
    let exit = Exit { code: 0, oom: false, error: String::new(), started_at: None, finished_at: now };
    Ended::new(String::new(), ImageInfo::default(), exit, String::new())
}

fn adopt_sandbox(state: &mut PodState, found: &[Found], out: &mut Out) {
    let mut sandboxes = found.iter().map(|f| &f.observed).filter(|o| o.name == SANDBOX);
    if let Some(newest) = sandboxes.next() {
        state.sandbox_attempt = newest.attempt;
        let id = newest.id.clone();
        state.sandbox = match newest.state {
            RunState::Running { .. } => Sandbox::Ready { id, ip: newest.ip.clone() },
            RunState::Exited(_) | RunState::Created => Sandbox::Dead { id },
        };
    }
    for older in sandboxes {
        out.push(Command::RemoveContainer { id: older.id.clone() });
    }
}

fn adopt_container<'a>(
    container: &mut ContainerState,
    newest: &Found,
    older: &mut impl Iterator<Item = &'a Found>,
    out: &mut Out,
) {
    let (newest, message) = (&newest.observed, newest.message.clone());
    container.attempt = newest.attempt;
    container.run = match &newest.state {
        RunState::Running { started_at } => Run::Running(Running {
            id: newest.id.clone(),
            started_at: *started_at,
            image: newest.image.clone(),
            stop: None,
        }),
        RunState::Exited(exit) => {
            Run::Ended(Ended::new(newest.id.clone(), newest.image.clone(), exit.clone(), message))
        }
        RunState::Created => Run::Idle,
    };
    let since = match &newest.state {
        RunState::Running { started_at } => Some(*started_at),
        RunState::Exited(exit) => exit.started_at.or(Some(exit.finished_at)),
        RunState::Created => None,
    };
    if let Some(since) = since {
        container.backoff = Backoff::resumed(newest.attempt, since);
    }
    for Found { observed, message } in older {
        match &observed.state {
            RunState::Exited(exit) if container.last.is_none() => {
                container.last =
                    Some(Ended::new(observed.id.clone(), observed.image.clone(), exit.clone(), message.clone()));
            }
            _ => out.push(Command::RemoveContainer { id: observed.id.clone() }),
        }
    }
}

/// Completes from the API what the runtime does not know any more.
fn remember(container: &mut ContainerState, status: &ContainerStatus, now: Timestamp) {
    let count = u32::try_from(status.restart_count).unwrap_or(0);
    if !matches!(container.run, Run::Idle) {
        container.attempt = container.attempt.max(count);
        if container.last.is_none() {
            container.last = status.last_state.as_ref().and_then(|s| s.terminated.as_ref()).map(terminated);
        }
        return;
    }
    let Some(id) = status.container_id.as_deref().filter(|id| !id.is_empty()) else { return };
    container.attempt = count;
    let past = status.state.as_ref().and_then(|s| s.terminated.as_ref()).map(terminated);
    let id = id.trim_start_matches("docker://").to_owned();
    let mut ended = past.unwrap_or_else(|| Ended::lost(id, ImageInfo::default(), now));
    ended.image = image(status);
    container.run = Run::Ended(ended);
}

/// The image a status tells of.
fn image(status: &ContainerStatus) -> ImageInfo {
    let digest = status.image_id.strip_prefix("docker-pullable://").map(str::to_owned);
    let id = status.image_id.strip_prefix("docker://").or(digest.as_deref()).unwrap_or_default().to_owned();
    ImageInfo { id, digest, reference: status.image.clone(), ..ImageInfo::default() }
}

fn terminated(past: &ContainerStateTerminated) -> Ended {
    let finished_at = past.finished_at.as_ref().map_or(Timestamp::UNIX_EPOCH, |t| t.0);
    let exit = Exit {
        code: past.exit_code,
        oom: past.reason.as_deref() == Some("OOMKilled"),
        error: String::new(),
        started_at: past.started_at.as_ref().map(|t| t.0),
        finished_at,
    };
    Ended {
        id: past.container_id.as_deref().unwrap_or_default().trim_start_matches("docker://").to_owned(),
        image: ImageInfo::default(),
        exit,
        reason: past.reason.clone().unwrap_or_default(),
        message: past.message.clone().unwrap_or_default(),
    }
}
