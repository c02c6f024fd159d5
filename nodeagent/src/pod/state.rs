//! What is known of a pod on this node.

use super::backoff::Backoff;
use crate::runtime::{Exit, ImageInfo};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use std::sync::{Arc, LazyLock};

/// Seconds a pod gets to stop where its spec does not say.
pub const DEFAULT_GRACE_S: i64 = 30;

/// A pod on this node.
#[derive(Clone, Debug)]
pub struct PodState {
    /// Its newest object.
    pub pod: Arc<Pod>,
    /// Whether it is to run.
    pub intent: Intent,
    /// When this node took it up.
    pub start_time: Timestamp,
    /// Its directories and files.
    pub volumes: Volumes,
    /// The container that holds its namespaces.
    pub sandbox: Sandbox,
    /// Attempt the next sandbox has.
    pub sandbox_attempt: u32,
    /// Init containers in order, then app containers in order.
    pub containers: Vec<ContainerState>,
    /// Why the pod ended other than by its containers.
    pub verdict: Option<Verdict>,
    /// Removal of everything the runtime has of it.
    pub removal: Removal,
    /// Whether what the runtime has of it was looked at.
    pub adopted: bool,
}

/// Whether a pod is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// It is.
    Run,
    /// It is to end.
    Stop {
        /// Processes are killed from here on.
        kill_at: Timestamp,
        /// Why.
        cause: Cause,
    },
}

/// Why a pod is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It has a deletion time; the API waits for us.
    Deleted,
    /// It is not in the API any more.
    Vanished,
    /// It ran longer than it may.
    Deadline,
    /// The API says that it ended.
    Settled,
}

/// Reason and message of a pod that failed as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `DeadlineExceeded`.
    pub reason: String,
    /// For a human.
    pub message: String,
}

/// Where the removal of a pod's containers stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Not asked for.
    None,
    /// Under way.
    InFlight,
    /// To be tried again.
    Failed {
        /// When.
        retry_at: Timestamp,
    },
    /// Nothing is left.
    Done,
}

/// A pod's directories and files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Volumes {
    /// Not asked for.
    None,
    /// Under way.
    InFlight,
    /// There.
    Ready,
    /// To be tried again.
    Failed {
        /// When.
        retry_at: Timestamp,
    },
}

/// The container that holds a pod's namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sandbox {
    /// There is none.
    None,
    /// Being made.
    Starting,
    /// Runs.
    Ready {
        /// Container id.
        id: String,
        /// The pod's address.
        ip: String,
    },
    /// Ended by itself; the pod's containers must go before a new one is made.
    Dead {
        /// Container id.
        id: String,
    },
    /// Being removed.
    Removing {
        /// Container id.
        id: String,
    },
    /// To be tried again.
    Failed {
        /// When.
        retry_at: Timestamp,
    },
}

/// What a container is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Runs to its end before the next one starts.
    Init,
    /// An init container that stays (`restartPolicy: Always`).
    Sidecar,
    /// Does the pod's work.
    App,
}

/// One container of a pod.
#[derive(Clone, Debug)]
pub struct ContainerState {
    /// Name in the pod.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Its image, for the next start.
    pub image: Image,
    /// What it does.
    pub run: Run,
    /// How often it was started before the present (or, if there is none yet, the next) run.
    pub attempt: u32,
    /// How the run before ended.
    pub last: Option<Ended>,
    /// Back-off of its restarts.
    pub backoff: Backoff,
    /// Back-off of its image.
    pub image_backoff: Backoff,
    /// What it waits for, where that is something out of the ordinary.
    pub waiting: Option<Waiting>,
    /// Not before this moment.
    pub retry_at: Option<Timestamp>,
}

/// Why a container waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// `CrashLoopBackOff`, `ErrImagePull`, …
    pub reason: String,
    /// For a human.
    pub message: String,
}

/// A container's image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// Not asked for.
    Unknown,
    /// Being looked for or pulled.
    InFlight,
    /// On this host.
    Ready(ImageInfo),
    /// Could not be had.
    Failed {
        /// Until when the error itself is shown, instead of the back-off.
        shown_until: Timestamp,
        /// When it is tried again.
        retry_at: Timestamp,
        /// What went wrong.
        message: String,
        /// `ErrImagePull` or a reason that stays.
        reason: String,
    },
}

/// What a container does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Run {
    /// Never started in this sandbox.
    Idle,
    /// Being started.
    Starting,
    /// Runs.
    Running(Running),
    /// Ended.
    Ended(Ended),
}

/// A container that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Container id.
    pub id: String,
    /// Since when.
    pub started_at: Timestamp,
    /// What it runs.
    pub image: ImageInfo,
    /// Whether it is being stopped.
    pub stop: Option<Stop>,
}

/// A container that is being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// When it is killed.
    pub kill_at: Timestamp,
    /// When it was killed.
    pub killed_at: Option<Timestamp>,
}

/// A container that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Container id, empty if nothing is left of it.
    pub id: String,
    /// What it ran.
    pub image: ImageInfo,
    /// How it ended.
    pub exit: Exit,
    /// `Completed`, `Error`, `OOMKilled`, `ContainerCannotRun`, …
    pub reason: String,
    /// What it left in its termination message, or what the engine said.
    pub message: String,
}

impl Ended {
    /// Of what the runtime says.
    pub fn new(id: String, image: ImageInfo, exit: Exit, message: String) -> Self {
        let reason = if exit.oom {
            "OOMKilled"
        } else if exit.started_at.is_none() && !exit.error.is_empty() {
            "ContainerCannotRun"
        } else if exit.code == 0 {
            "Completed"
        } else {
            "Error"
        };
        let message = if message.is_empty() { exit.error.clone() } else { message };
        Self { id, image, exit, reason: reason.to_owned(), message }
    }

    /// Of a container that is not there any more, though it should be.
    pub fn lost(id: String, image: ImageInfo, now: Timestamp) -> Self {
        Self {
            id,
            image,
            exit: Exit { code: 137, oom: false, error: String::new(), started_at: None, finished_at: now },
            reason: "ContainerStatusUnknown".to_owned(),
            message: "The container could not be located when the pod was terminated".to_owned(),
        }
    }
}

impl ContainerState {
    fn new(container: &Container, role: Role) -> Self {
        Self {
            name: container.name.clone(),
            role,
            image: Image::Unknown,
            run: Run::Idle,
            attempt: 0,
            last: None,
            backoff: Backoff::default(),
            image_backoff: Backoff::default(),
            waiting: None,
            retry_at: None,
        }
    }

    /// Id of the container that runs or ran last.
    pub fn id(&self) -> Option<&str> {
        match &self.run {
            Run::Running(running) => Some(running.id.as_str()),
            Run::Ended(ended) => Some(ended.id.as_str()),
            Run::Idle | Run::Starting => self.last.as_ref().map(|l| l.id.as_str()),
        }
        .filter(|id| !id.is_empty())
    }

    /// Whether a process of it may run.
    pub fn is_live(&self) -> bool {
        matches!(self.run, Run::Starting | Run::Running(_))
    }
}

static EMPTY_SPEC: LazyLock<PodSpec> = LazyLock::new(PodSpec::default);

/// The spec of a pod; an empty one where there is none.
pub fn spec(pod: &Pod) -> &PodSpec {
    pod.spec.as_ref().unwrap_or(&EMPTY_SPEC)
}

/// Every container of a pod in the order of [`PodState::containers`].
pub fn containers(pod: &Pod) -> impl Iterator<Item = (&Container, Role)> {
    let spec = spec(pod);
    let inits = spec.init_containers.iter().flatten().map(|c| {
        let sidecar = c.restart_policy.as_deref() == Some("Always");
        (c, if sidecar { Role::Sidecar } else { Role::Init })
    });
    inits.chain(spec.containers.iter().map(|c| (c, Role::App)))
}

impl PodState {
    /// A pod this node takes up at `now`.
    pub fn new(pod: Arc<Pod>, now: Timestamp) -> Self {
        let started = pod.status.as_ref().and_then(|s| s.start_time.as_ref()).map(|t| t.0);
        let containers = containers(&pod).map(|(c, role)| ContainerState::new(c, role)).collect();
        Self {
            pod,
            intent: Intent::Run,
            start_time: started.unwrap_or(now),
            volumes: Volumes::None,
            sandbox: Sandbox::None,
            sandbox_attempt: 0,
            containers,
            verdict: None,
            removal: Removal::None,
            adopted: false,
        }
    }

    /// Pod's uid.
    pub fn uid(&self) -> &str {
        self.pod.metadata.uid.as_deref().unwrap_or_default()
    }

    /// Pod's name.
    pub fn name(&self) -> &str {
        self.pod.metadata.name.as_deref().unwrap_or_default()
    }

    /// Pod's namespace.
    pub fn namespace(&self) -> &str {
        self.pod.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// Seconds a container gets between SIGTERM and SIGKILL.
    pub fn grace_s(&self) -> i64 {
        let meta = &self.pod.metadata;
        let deletion = meta.deletion_grace_period_seconds.filter(|_| meta.deletion_timestamp.is_some());
        deletion.or(spec(&self.pod).termination_grace_period_seconds).unwrap_or(DEFAULT_GRACE_S).max(0)
    }

    /// Phase the API knows.
    pub fn api_phase(&self) -> &str {
        self.pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default()
    }

    /// `kubelet`'s name of the pod in messages: `name_namespace(uid)`.
    pub fn display(&self) -> String {
        format!("{}_{}({})", self.name(), self.namespace(), self.uid())
    }
}
