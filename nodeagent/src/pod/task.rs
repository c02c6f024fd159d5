//! The task of one pod: hears events, asks the machine, has its commands carried out, writes its status.

use super::context::Context;
use super::machine::step;
use super::message::{Command, Event};
use super::perform::{self, ContainerStart};
use super::state::{Cause, Intent, PodState};
use super::status::status;
use super::status_writer::StatusWriter;
use super::tokens;
use super::view::View;
use crate::api::ApiFailure;
use crate::runtime::{Listed, Observed};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use futures::{FutureExt, future};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Notices that wait for a pod's task.
const INBOX_LIMIT: usize = 256;
/// First and last pause before a failed write is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// How long a change that can wait for the next one waits: each write is a commit of the cluster's.
const HOLD: Duration = Duration::from_millis(250);

/// What a pod's task hears from others.
#[derive(Clone, Debug)]
pub enum Notice {
    /// Straight to the machine.
    Event(Event),
    /// The runtime has news of a container.
    Changed(String),
    /// Everything the runtime has of the pod.
    Listed(Vec<Listed>),
}

/// A pod's task, to others.
#[derive(Clone)]
pub struct PodHandle {
    /// Where it hears.
    pub notices: mpsc::Sender<Notice>,
    /// What it shows.
    pub view: watch::Receiver<View>,
}

/// Starts the task of `pod` with what the runtime has of it. One that is not in the API (`orphan`) is stopped and
/// removed without a word to the API. `done` is sent the uid when the task ends.
pub fn spawn(
    context: Arc<Context>,
    pod: Arc<Pod>,
    observed: Vec<Observed>,
    orphan: bool,
    done: mpsc::UnboundedSender<String>,
) -> PodHandle {
    let (notices, inbox) = mpsc::channel(INBOX_LIMIT);
    let state = PodState::new(pod.clone(), Timestamp::now());
    let (view_sender, view) = watch::channel(View::of(&state));
    let uid = state.uid().to_owned();
    let known = pod.status.clone().unwrap_or_default();
    let task = Task {
        context,
        state,
        inbox,
        view: view_sender,
        work: FuturesUnordered::new(),
        writer: StatusWriter::default(),
        status: known,
        write: None,
        pause: RETRY.0,
        write_after: None,
        hold: None,
        delete_wanted: false,
        delete_sent: false,
        wake: None,
        silent: orphan,
    };
    tokio::spawn(async move {
        task.run(pod, observed, orphan).await;
        // Nobody listens once the agent stops.
        let _ = done.send(uid);
    });
    PodHandle { notices, view }
}

enum Write {
    Status(Box<PodStatus>, Result<Box<Pod>, ApiFailure>),
    Delete(Result<(), ApiFailure>),
}

struct Task {
    context: Arc<Context>,
    state: PodState,
    inbox: mpsc::Receiver<Notice>,
    view: watch::Sender<View>,
    work: FuturesUnordered<BoxFuture<'static, Event>>,
    writer: StatusWriter,
    /// The status built last, or the API's.
    status: PodStatus,
    /// The write under way: there is never more than one.
    write: Option<BoxFuture<'static, Write>>,
    pause: Duration,
    write_after: Option<Instant>,
    /// A change that can wait is written then.
    hold: Option<Instant>,
    delete_wanted: bool,
    delete_sent: bool,
    wake: Option<Instant>,
    /// The API is told nothing (any more).
    silent: bool,
}

impl Task {
    async fn run(mut self, pod: Arc<Pod>, observed: Vec<Observed>, orphan: bool) {
        // First what is wanted, then what is there: nothing is started before both are known.
        let mut over = self.step(Event::Updated(pod));
        if orphan {
            over |= self.step(Event::Vanished { grace_s: None });
        }
        let mut found = Vec::new();
        for observed in observed {
            found.push(perform::found(&self.context, &self.state.pod, observed).await);
        }
        over |= self.step(Event::Adopted(found));
        let mut tokens = match orphan {
            true => future::pending().boxed(),
            false => tokens::keep(self.context.clone(), self.state.pod.clone()).boxed(),
        };
        while !over {
            let finished = matches!(self.state.api_phase(), "Succeeded" | "Failed");
            let wake = [self.wake, self.write_after, self.hold].into_iter().flatten().min();
            tokio::select! {
                notice = self.inbox.recv() => match notice {
                    Some(Notice::Event(event)) => over = self.step(event),
                    Some(Notice::Changed(id)) => self.look(&id),
                    Some(Notice::Listed(listed)) => {
                        for (id, sandbox) in perform::doubtful(&self.state, &listed) {
                            self.start_look(id, sandbox);
                        }
                    }
                    // The agent is gone; containers run on.
                    None => return,
                },
                Some(event) = self.work.next(), if !self.work.is_empty() => over = self.step(event),
                outcome = pending(&mut self.write) => over = self.wrote(outcome),
                () = &mut tokens, if !finished => {}
                () = sleep_until(wake) => {
                    let now = Instant::now();
                    if self.write_after.is_some_and(|at| at <= now) {
                        self.write_after = None;
                    }
                    if self.wake.is_some_and(|at| at <= now) {
                        self.wake = None;
                        over = self.step(Event::Tick);
                    } else {
                        self.write_if_needed();
                    }
                }
            }
        }
    }

    /// One step of the machine, with all that follows from it; true when the task is over.
    fn step(&mut self, event: Event) -> bool {
        match &event {
            Event::Updated(pod) => self.writer.seen(pod),
            Event::Vanished { .. } => self.silent = true,
            _ => {}
        }
        let now = Timestamp::now();
        let before = self.state.clone();
        let (state, commands) = step(before, event, now);
        self.state = state;
        self.wake = None;
        let mut over = false;
        for command in commands {
            over |= self.perform(command, now);
        }
        let view = View::of(&self.state);
        self.view.send_if_modified(|known| {
            let changed = *known != view;
            if changed {
                *known = view;
            }
            changed
        });
        if self.state.adopted {
            self.status = status(&self.state, &self.status, &self.context.node.host_ip, now);
            self.write_if_needed();
        }
        over
    }

    fn perform(&mut self, command: Command, now: Timestamp) -> bool {
        let (context, pod) = (self.context.clone(), self.state.pod.clone());
        let future: BoxFuture<'static, Event> = match command {
            Command::PrepareVolumes => {
                async move { Event::Volumes(perform::prepare_volumes(&context, &pod).await) }.boxed()
            }
            Command::StartSandbox { attempt } => {
                async move { perform::start_sandbox(&context, &pod, attempt).await }.boxed()
            }
            Command::RemoveSandbox { id } => async move {
                let removed = context.runtime.remove(&id).await;
                Event::SandboxRemoved(removed.map_err(|e| e.to_string()))
            }
            .boxed(),
            Command::FetchImage { index } => async move { perform::fetch_image(&context, &pod, index).await }.boxed(),
            Command::StartContainer { index, attempt, sandbox_id, ip, image } => {
                let start = ContainerStart { index, attempt, sandbox_id, ip, image };
                async move { perform::start_container(&context, &pod, start).await }.boxed()
            }
            Command::Signal { id, signal } => async move {
                if let Err(error) = context.runtime.signal(&id, &signal).await {
                    tracing::warn!(%id, %signal, %error, "cannot signal container");
                }
                Event::Tick
            }
            .boxed(),
            Command::RemoveContainer { id } => async move {
                if let Err(error) = context.runtime.remove(&id).await {
                    tracing::warn!(%id, %error, "cannot remove dead container");
                }
                Event::Tick
            }
            .boxed(),
            Command::RemovePod => async move { perform::remove_pod(&context, &pod).await }.boxed(),
            Command::DeleteFromApi => {
                self.delete_wanted = true;
                return false;
            }
            Command::Record(record) => {
                if !self.silent {
                    context.record(&pod, record);
                }
                return false;
            }
            Command::WakeAt(at) => {
                let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
                self.wake = Some(Instant::now() + wait);
                return false;
            }
            Command::Finish => return true,
        };
        self.work.push(future);
        false
    }

    fn look(&mut self, id: &str) {
        let sandbox = matches!(&self.state.sandbox, super::state::Sandbox::Ready { id: known, .. } if known == id);
        let mine = self.state.containers.iter().any(|c| c.is_live() && c.id() == Some(id));
        if sandbox || mine {
            self.start_look(id.to_owned(), sandbox);
        }
    }

    fn start_look(&mut self, id: String, sandbox: bool) {
        let (context, pod) = (self.context.clone(), self.state.pod.clone());
        self.work.push(async move { perform::look(&context, &pod, &id, sandbox).await }.boxed());
    }

    fn write_if_needed(&mut self) {
        if self.silent || self.write.is_some() || self.write_after.is_some() {
            return;
        }
        let (context, pod) = (self.context.clone(), self.state.pod.clone());
        let dirty = self.writer.differs(&self.status) && !self.settled();
        if dirty && self.writer.can_wait(&self.status) && !self.delete_wanted {
            let until = *self.hold.get_or_insert_with(|| Instant::now() + HOLD);
            if Instant::now() < until {
                return;
            }
        }
        self.hold = None;
        // The last word on a pod that is about to go is what became of its containers.
        if dirty && !(self.delete_wanted && self.writer.can_wait(&self.status)) {
            let status = self.status.clone();
            let api = pod.status.clone().unwrap_or_default();
            let patch = self.writer.patch(&status, &api, self.state.uid());
            self.write = Some(
                async move {
                    let (namespace, name) = names(&pod);
                    let result = context.api.patch_pod_status(namespace, name, patch).await;
                    Write::Status(Box::new(status), result.map(Box::new))
                }
                .boxed(),
            );
        } else if self.delete_wanted && !self.delete_sent {
            let uid = self.state.uid().to_owned();
            self.write = Some(
                async move {
                    let (namespace, name) = names(&pod);
                    Write::Delete(context.api.delete_pod(namespace, name, &uid).await)
                }
                .boxed(),
            );
        }
    }

    /// Whether the API has the pod's end already, with the end of all its containers.
    fn settled(&self) -> bool {
        let settled = matches!(self.state.intent, Intent::Stop { cause: Cause::Settled | Cause::Deleted, .. })
            && matches!(self.state.api_phase(), "Succeeded" | "Failed");
        let live = self.state.pod.status.iter().flat_map(|s| s.container_statuses.iter().flatten());
        settled && !live.into_iter().any(|c| c.state.as_ref().is_some_and(|s| s.running.is_some()))
    }

    fn wrote(&mut self, outcome: Write) -> bool {
        self.write = None;
        let failed = match outcome {
            Write::Status(status, Ok(pod)) => {
                self.writer.wrote(*status, &pod);
                None
            }
            Write::Delete(Ok(())) => {
                self.delete_sent = true;
                None
            }
            Write::Delete(Err(ApiFailure::Gone)) => return self.step(Event::Vanished { grace_s: None }),
            // The watch tells the rest; until it does there is nobody to write to.
            Write::Status(status, Err(ApiFailure::Gone)) => {
                self.writer.wrote(*status, &Pod::default());
                None
            }
            Write::Status(_, Err(error)) | Write::Delete(Err(error)) => Some(error),
        };
        match failed {
            None => self.pause = RETRY.0,
            Some(error) => {
                tracing::warn!(pod = %self.state.display(), %error, "cannot write the pod, will try again");
                self.write_after = Some(Instant::now() + self.pause);
                self.pause = (self.pause * 2).min(RETRY.1);
            }
        }
        self.write_if_needed();
        false
    }
}

fn names(pod: &Pod) -> (&str, &str) {
    let meta = &pod.metadata;
    (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default())
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => future::pending().await,
    }
}

async fn pending(write: &mut Option<BoxFuture<'static, Write>>) -> Write {
    match write {
        Some(write) => write.await,
        None => future::pending().await,
    }
}
