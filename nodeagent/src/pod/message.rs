//! What a pod's machine hears and what it asks for.

use crate::runtime::{Exit, ImageInfo, Observed, SandboxInfo};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use std::sync::Arc;

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The API has a newer object.
    Updated(Arc<Pod>),
    /// The API has it no more; what is left may take so many seconds to stop.
    Vanished {
        /// Seconds, where the API's last word had them.
        grace_s: Option<i64>,
    },
    /// Everything the runtime has of the pod, told once before anything else is done.
    Adopted(Vec<Found>),
    /// Directories and files are there, or why not.
    Volumes(Result<(), String>),
    /// The sandbox runs, or why not.
    SandboxStarted(Result<SandboxInfo, String>),
    /// A sandbox ended by itself or is not there any more.
    SandboxEnded {
        /// Container id.
        id: String,
    },
    /// A sandbox was removed, or could not be.
    SandboxRemoved(Result<(), String>),
    /// The image of a container is there, or why not.
    Image {
        /// Which container.
        index: usize,
        /// What became of it.
        result: Result<Fetched, ImageFailure>,
    },
    /// A container was started, or why not.
    Started {
        /// Which container.
        index: usize,
        /// What became of it.
        result: Result<Box<Found>, StartFailure>,
    },
    /// A container ended.
    Ended {
        /// Container id.
        id: String,
        /// How.
        exit: Exit,
        /// Its termination message.
        message: String,
    },
    /// A container is not there any more.
    Lost {
        /// Container id.
        id: String,
    },
    /// Nothing of the pod is left in the runtime, or why something is.
    Removed(Result<(), String>),
    /// The time asked for has come.
    Tick,
}

/// A container with what it left in its termination message, if it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The container.
    pub observed: Observed,
    /// Its termination message, empty if it has none (yet).
    pub message: String,
}

/// An image that was found or pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The image.
    pub image: ImageInfo,
    /// For the event.
    pub message: String,
}

/// An image that could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFailure {
    /// `ErrImagePull`, `ErrImageNeverPull`, `InvalidImageName`, `ImageInspectError`.
    pub reason: &'static str,
    /// For a human.
    pub message: String,
}

/// A container that could not be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartFailure {
    /// Nothing was made: `CreateContainerConfigError`, `CreateContainerError`.
    Create {
        /// Why it waits.
        reason: &'static str,
        /// For a human.
        message: String,
    },
    /// The container is there and its process is not.
    Run {
        /// Container id.
        id: String,
        /// Exit code the engine gave it.
        exit_code: i32,
        /// For a human.
        message: String,
    },
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Make directories and files.
    PrepareVolumes,
    /// Make the sandbox.
    StartSandbox {
        /// Counts up with each new sandbox.
        attempt: u32,
    },
    /// Kill and remove a sandbox.
    RemoveSandbox {
        /// Container id.
        id: String,
    },
    /// Find or pull the image of a container.
    FetchImage {
        /// Which container.
        index: usize,
    },
    /// Make and start a container.
    StartContainer {
        /// Which container.
        index: usize,
        /// Counts up with each start.
        attempt: u32,
        /// Sandbox to join.
        sandbox_id: String,
        /// The pod's address.
        ip: String,
        /// What it runs.
        image: ImageInfo,
    },
    /// Send a signal.
    Signal {
        /// Container id.
        id: String,
        /// `SIGTERM`, `SIGKILL`, …
        signal: String,
    },
    /// Remove a dead container nobody needs.
    RemoveContainer {
        /// Container id.
        id: String,
    },
    /// Remove everything the runtime has of the pod.
    RemovePod,
    /// Remove the pod from the API, after its last status was written.
    DeleteFromApi,
    /// Record an event on the pod.
    Record(Record),
    /// Send [`Event::Tick`] at this moment, instead of any earlier wish.
    WakeAt(Timestamp),
    /// The pod is no more; its task ends.
    Finish,
}

/// An event of the pod, for its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Something is wrong.
    pub warning: bool,
    /// `Started`, `BackOff`, …
    pub reason: &'static str,
    /// For a human.
    pub message: String,
    /// `spec.containers{name}`, empty for the pod.
    pub field_path: String,
}
