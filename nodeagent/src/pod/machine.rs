//! Every transition of a pod: `step(state, event, now)` folds an event into what is known and says what is to be done.
//!
//! Commands follow from the state alone: whatever is under way is marked in it, so an event that comes twice, late or
//! never (found by the next look at the runtime instead) leads to the same place.

use super::adopt;
use super::message::{Command, Event, Fetched, Found, ImageFailure, Record, StartFailure};
use super::restart::{self, Wants};
use super::state::{
    Cause, Ended, Image, Intent, PodState, Removal, Role, Run, Running, Sandbox, Verdict, Volumes, Waiting, spec,
};
use super::stop;
use crate::runtime::{Exit, ImageInfo, RunState};
use jiff::{SignedDuration, Timestamp};

/// How long a pull's error is shown before its back-off is, in seconds.
const IMAGE_ERROR_SHOWN_S: i64 = 3;
/// How long something that failed (sandbox, volumes, configuration) waits to be tried again, in seconds.
const RETRY_S: i64 = 5;

/// Commands being collected, with the earliest wish to be woken.
#[derive(Default)]
pub(super) struct Out {
    pub(super) commands: Vec<Command>,
    wake: Option<Timestamp>,
}

impl Out {
    pub(super) fn push(&mut self, command: Command) {
        self.commands.push(command);
    }

    pub(super) fn wake(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |w| w.min(at)));
    }

    pub(super) fn record(
        &mut self,
        warning: bool,
        reason: &'static str,
        message: String,
        container: Option<Named<'_>>,
    ) {
        let field_path = container.map_or_else(String::new, |c| c.field_path());
        self.push(Command::Record(Record { warning, reason, message, field_path }));
    }
}

/// A container as events name it.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) role: Role,
}

impl Named<'_> {
    fn field_path(self) -> String {
        let list = if self.role == Role::App { "containers" } else { "initContainers" };
        format!("spec.{list}{{{}}}", self.name)
    }
}

pub(super) fn named(state: &PodState, index: usize) -> Named<'_> {
    Named { name: &state.containers[index].name, role: state.containers[index].role }
}

/// Seconds after `now`.
pub(super) fn after(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// Folds `event` into `state` and says what is to be done.
pub fn step(mut state: PodState, event: Event, now: Timestamp) -> (PodState, Vec<Command>) {
    let mut out = Out::default();
    let finish = fold(&mut state, event, now, &mut out);
    if finish {
        out.push(Command::Finish);
        return (state, out.commands);
    }
    if state.adopted {
        if let Intent::Run = state.intent {
            run(&mut state, now, &mut out);
        }
        if let Intent::Stop { kill_at, cause } = state.intent {
            stop::stop(&mut state, kill_at, cause, now, &mut out);
        }
    }
    if let Some(at) = out.wake {
        out.push(Command::WakeAt(at));
    }
    (state, out.commands)
}

/// Takes in what happened; true when the pod's task is over.
fn fold(state: &mut PodState, event: Event, now: Timestamp, out: &mut Out) -> bool {
    match event {
        Event::Updated(pod) => {
            state.pod = pod;
            if state.pod.metadata.deletion_timestamp.is_some() {
                stop::intend(state, Cause::Deleted, after(now, state.grace_s()));
            } else if matches!(state.api_phase(), "Succeeded" | "Failed") {
                stop::intend(state, Cause::Settled, after(now, state.grace_s()));
            }
        }
        Event::Vanished { grace_s } => {
            if state.removal == Removal::Done {
                return true;
            }
            stop::intend(state, Cause::Vanished, after(now, grace_s.unwrap_or(state.grace_s())));
        }
        Event::Adopted(found) => adopt::adopt(state, found, now, out),
        Event::Volumes(Ok(())) => state.volumes = Volumes::Ready,
        Event::Volumes(Err(message)) => {
            state.volumes = Volumes::Failed { retry_at: after(now, RETRY_S) };
            out.record(true, "FailedMount", message, None);
        }
        Event::SandboxStarted(Ok(info)) => state.sandbox = Sandbox::Ready { id: info.id, ip: info.ip },
        Event::SandboxStarted(Err(message)) => {
            state.sandbox = Sandbox::Failed { retry_at: after(now, RETRY_S) };
            out.record(true, "FailedCreatePodSandBox", format!("Failed to create pod sandbox: {message}"), None);
        }
        Event::SandboxEnded { id } => {
            if matches!(&state.sandbox, Sandbox::Ready { id: known, .. } if *known == id) {
                state.sandbox = Sandbox::Dead { id };
                if state.intent == Intent::Run && !restart::wants(state).finished {
                    let message = "Pod sandbox changed, it will be killed and re-created.";
                    out.record(false, "SandboxChanged", message.to_owned(), None);
                }
            }
        }
        Event::SandboxRemoved(result) => {
            if let Sandbox::Removing { id } = &state.sandbox {
                match result {
                    Ok(()) => sandbox_removed(state),
                    Err(_) => {
                        state.sandbox = Sandbox::Dead { id: id.clone() };
                        out.wake(after(now, RETRY_S));
                    }
                }
            }
        }
        Event::Image { index, result } => image(state, index, result, now, out),
        Event::Started { index, result } => started(state, index, result, now, out),
        Event::Ended { id, exit, message } => ended(state, &id, |image| Ended::new(id.clone(), image, exit, message)),
        Event::Lost { id } => ended(state, &id, |image| Ended::lost(id.clone(), image, now)),
        Event::Removed(result) => {
            state.removal = match result {
                Ok(()) => Removal::Done,
                Err(_) => Removal::Failed { retry_at: after(now, RETRY_S) },
            };
            if state.removal == Removal::Done {
                state.sandbox = Sandbox::None;
            }
        }
        Event::Tick => {}
    }
    false
}

/// A new sandbox means a new start of everything that is not done for good.
fn sandbox_removed(state: &mut PodState) {
    state.sandbox = Sandbox::None;
    state.sandbox_attempt += 1;
    let policy = restart::policy(state).to_owned();
    if restart::wants(state).finished {
        return;
    }
    for container in &mut state.containers {
        if let Run::Ended(ended) = &container.run
            && (container.role != Role::App || restart::restarts(&policy, container.role, ended.exit.code))
        {
            container.last = Some(ended.clone());
            container.attempt += 1;
            container.run = Run::Idle;
            container.waiting = None;
        }
    }
}

fn image(state: &mut PodState, index: usize, result: Result<Fetched, ImageFailure>, now: Timestamp, out: &mut Out) {
    let pod = named(state, index);
    match result {
        Ok(fetched) => {
            out.record(false, "Pulled", fetched.message, Some(pod));
            let container = &mut state.containers[index];
            container.image = Image::Ready(fetched.image);
            container.image_backoff = super::backoff::Backoff::default();
            container.waiting = None;
        }
        Err(failure) => {
            let text = if failure.reason == "ErrImagePull" {
                let image = image_name(state, index);
                format!("Failed to pull image \"{image}\": {}", failure.message)
            } else {
                failure.message.clone()
            };
            out.record(true, "Failed", text, Some(pod));
            out.record(true, "Failed", format!("Error: {}", failure.reason), Some(pod));
            let container = &mut state.containers[index];
            container.image_backoff.advance(now, now);
            container.waiting = Some(Waiting { reason: failure.reason.to_owned(), message: failure.message.clone() });
            container.image = Image::Failed {
                shown_until: after(now, IMAGE_ERROR_SHOWN_S),
                retry_at: container.image_backoff.until(now).unwrap_or(now),
                message: failure.message,
                reason: failure.reason.to_owned(),
            };
        }
    }
}

fn image_name(state: &PodState, index: usize) -> String {
    super::state::containers(&state.pod).nth(index).and_then(|(c, _)| c.image.clone()).unwrap_or_default()
}

fn started(
    state: &mut PodState,
    index: usize,
    result: Result<Box<Found>, StartFailure>,
    now: Timestamp,
    out: &mut Out,
) {
    let who = named(state, index);
    match result {
        Ok(found) => {
            let Found { observed, message } = *found;
            out.record(false, "Created", format!("Created container: {}", who.name), Some(who));
            out.record(false, "Started", format!("Started container {}", who.name), Some(who));
            let container = &mut state.containers[index];
            container.waiting = None;
            container.run = match observed.state {
                RunState::Running { started_at } => {
                    Run::Running(Running { id: observed.id, started_at, image: observed.image, stop: None })
                }
                RunState::Exited(exit) => Run::Ended(Ended::new(observed.id, observed.image, exit, message)),
                RunState::Created => Run::Idle,
            };
        }
        Err(StartFailure::Create { reason, message }) => {
            out.record(true, "Failed", format!("Error: {message}"), Some(who));
            let container = &mut state.containers[index];
            container.waiting = Some(Waiting { reason: reason.to_owned(), message });
            container.retry_at = Some(after(now, RETRY_S));
            // Nothing was started: the next try is the same attempt.
            container.run = Run::Idle;
        }
        Err(StartFailure::Run { id, exit_code, message }) => {
            out.record(false, "Created", format!("Created container: {}", who.name), Some(who));
            out.record(true, "Failed", format!("Error: {message}"), Some(who));
            let container = &mut state.containers[index];
            let exit = Exit { code: exit_code, oom: false, error: message, started_at: None, finished_at: now };
            container.waiting = None;
            container.run = Run::Ended(Ended::new(id, ImageInfo::default(), exit, String::new()));
        }
    }
}

fn ended(state: &mut PodState, id: &str, how: impl FnOnce(ImageInfo) -> Ended) {
    for container in &mut state.containers {
        if let Run::Running(running) = &container.run
            && running.id == id
        {
            container.run = Run::Ended(how(running.image.clone()));
            container.waiting = None;
            return;
        }
    }
}

/// What a pod that is to run needs next.
fn run(state: &mut PodState, now: Timestamp, out: &mut Out) {
    if let Some(seconds) = spec(&state.pod).active_deadline_seconds {
        let deadline = after(state.start_time, seconds);
        if deadline <= now && !restart::wants(state).finished {
            let message = "Pod was active on the node longer than the specified deadline".to_owned();
            out.record(false, "DeadlineExceeded", message.clone(), None);
            state.verdict = Some(Verdict { reason: "DeadlineExceeded".to_owned(), message });
            stop::intend(state, Cause::Deadline, after(now, state.grace_s()));
            return;
        }
        if deadline > now {
            out.wake(deadline);
        }
    }
    if let Sandbox::Dead { id } = &state.sandbox {
        let id = id.clone();
        let kill_at = after(now, state.grace_s());
        if stop::containers(state, kill_at, now, out) {
            state.sandbox = Sandbox::Removing { id: id.clone() };
            out.push(Command::RemoveSandbox { id });
        }
        return;
    }
    let wants = restart::wants(state);
    if wants.finished {
        finished(state, now, out);
        return;
    }
    prepare(state, &wants, now, out);
    for index in wants.start {
        start(state, index, now, out);
    }
}

/// The work is done: sidecars stop, the sandbox goes, the dead containers stay for their logs.
fn finished(state: &mut PodState, now: Timestamp, out: &mut Out) {
    let kill_at = after(now, state.grace_s());
    if stop::containers(state, kill_at, now, out) {
        stop::drop_sandbox(state, out);
    }
}

fn prepare(state: &mut PodState, wants: &Wants, now: Timestamp, out: &mut Out) {
    if wants.start.is_empty() {
        return;
    }
    let volumes_due = match state.volumes {
        Volumes::None => true,
        Volumes::Failed { retry_at } if retry_at > now => {
            out.wake(retry_at);
            false
        }
        Volumes::Failed { .. } => true,
        Volumes::InFlight | Volumes::Ready => false,
    };
    if volumes_due {
        state.volumes = Volumes::InFlight;
        out.push(Command::PrepareVolumes);
    }
    let sandbox_due = match state.sandbox {
        Sandbox::None => true,
        Sandbox::Failed { retry_at } if retry_at > now => {
            out.wake(retry_at);
            false
        }
        Sandbox::Failed { .. } => true,
        Sandbox::Starting | Sandbox::Ready { .. } | Sandbox::Dead { .. } | Sandbox::Removing { .. } => false,
    };
    if sandbox_due {
        state.sandbox = Sandbox::Starting;
        out.push(Command::StartSandbox { attempt: state.sandbox_attempt });
    }
}

/// Brings one container nearer to its start: back-off, image, start.
fn start(state: &mut PodState, index: usize, now: Timestamp, out: &mut Out) {
    if let Some(at) = state.containers[index].retry_at {
        if at > now {
            out.wake(at);
            return;
        }
        state.containers[index].retry_at = None;
    }
    if in_backoff(state, index, now, out) {
        return;
    }
    let image = match &state.containers[index].image {
        Image::Unknown => {
            state.containers[index].image = Image::InFlight;
            out.push(Command::FetchImage { index });
            return;
        }
        Image::InFlight => return,
        Image::Failed { .. } => {
            image_failed(state, index, now, out);
            return;
        }
        Image::Ready(image) => image.clone(),
    };
    let Sandbox::Ready { id: sandbox_id, ip } = state.sandbox.clone() else { return };
    if state.volumes != Volumes::Ready {
        return;
    }
    let container = &mut state.containers[index];
    if let Run::Ended(ended) = &container.run {
        let ended = ended.clone();
        container.backoff.advance(ended.exit.finished_at, now);
        container.attempt += 1;
        // The last dead container is kept for its logs, the one before it is not.
        if let Some(older) = container.last.replace(ended).filter(|o| !o.id.is_empty()) {
            out.push(Command::RemoveContainer { id: older.id });
        }
    }
    container.run = Run::Starting;
    // The next start looks for the image again, as its policy says.
    container.image = Image::Unknown;
    out.push(Command::StartContainer { index, attempt: container.attempt, sandbox_id, ip, image });
}

/// Whether a container that ended has to wait; says so in its state and, once, in an event.
fn in_backoff(state: &mut PodState, index: usize, now: Timestamp, out: &mut Out) -> bool {
    let Run::Ended(ended) = &state.containers[index].run else { return false };
    let Some(until) = state.containers[index].backoff.until(ended.exit.finished_at).filter(|until| *until > now) else {
        return false;
    };
    out.wake(until);
    let (name, pod) = (state.containers[index].name.clone(), state.display());
    let text = state.containers[index].backoff.text();
    let message = format!("back-off {text} restarting failed container={name} pod={pod}");
    let waiting = Waiting { reason: "CrashLoopBackOff".to_owned(), message };
    if state.containers[index].waiting.as_ref() != Some(&waiting) {
        state.containers[index].waiting = Some(waiting);
        let message = format!("Back-off restarting failed container {name} in pod {pod}");
        out.record(true, "BackOff", message, Some(named(state, index)));
    }
    true
}

/// Shows a pull's error for a while, then its back-off, then tries again.
fn image_failed(state: &mut PodState, index: usize, now: Timestamp, out: &mut Out) {
    let image = image_name(state, index);
    let Image::Failed { shown_until, retry_at, message, reason } = &state.containers[index].image else { return };
    if *retry_at <= now {
        state.containers[index].image = Image::InFlight;
        out.push(Command::FetchImage { index });
        return;
    }
    out.wake(*retry_at);
    if reason != "ErrImagePull" {
        return;
    }
    if *shown_until > now {
        out.wake(*shown_until);
        return;
    }
    let text = format!("Back-off pulling image \"{image}\"");
    let waiting =
        Waiting { reason: "ImagePullBackOff".to_owned(), message: format!("{text}: ErrImagePull: {message}") };
    if state.containers[index].waiting.as_ref() != Some(&waiting) {
        state.containers[index].waiting = Some(waiting);
        out.record(false, "BackOff", text, Some(named(state, index)));
        out.record(true, "Failed", "Error: ImagePullBackOff".to_owned(), Some(named(state, index)));
    }
}
