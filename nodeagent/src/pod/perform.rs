//! Carries out a pod's commands; each gives the events that came of it.

use super::container::{self, Start};
use super::context::Context;
use super::env::{self, Needs, Sources};
use super::message::{Event, Found, Record, StartFailure};
use super::state::{PodState, Run, Sandbox, containers};
use super::volumes;
use crate::api::ApiFailure;
use crate::runtime::{ImageInfo, Listed, Observed, RunState, RuntimeError, StartError};
use k8s_openapi::api::core::v1::{Container, Pod};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Longest termination message that is taken, in bytes.
const TERMINATION_MESSAGE_LIMIT: u64 = 4_096;

/// Looks up what `needs` names in the namespace of `pod`.
async fn sources(context: &Context, pod: &Pod, needs: Needs) -> Result<Sources, ApiFailure> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let mut sources = Sources::default();
    for name in needs.config_maps {
        let map = context.api.config_map(namespace, &name).await?;
        sources.config_maps.insert(name, map);
    }
    for name in needs.secrets {
        let secret = context.api.secret(namespace, &name).await?;
        sources.secrets.insert(name, secret);
    }
    for need in needs.tokens {
        let token = context.api.service_account_token(pod, &need).await?;
        sources.tokens.insert(need, token);
    }
    Ok(sources)
}

pub(super) fn pod_directory(context: &Context, pod: &Pod) -> PathBuf {
    volumes::pod_directory(&context.node.data_dir, pod.metadata.uid.as_deref().unwrap_or_default())
}

/// Runs something that blocks.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|e| e.to_string())?
}

/// Makes the pod's directories and files.
pub async fn prepare_volumes(context: &Context, pod: &Pod) -> Result<(), String> {
    let sources = sources(context, pod, volumes::needs(pod))
        .await
        .map_err(|e| format!("Unable to attach or mount volumes: {e}"))?;
    let around = context.surroundings("");
    let plan = volumes::plan(pod, &sources, &around).map_err(|e| e.to_string())?;
    let directory = pod_directory(context, pod);
    blocking(move || volumes::apply(&directory, &plan).map_err(|e| e.to_string())).await
}

/// Makes the sandbox.
pub async fn start_sandbox(context: &Context, pod: &Pod, attempt: u32) -> Event {
    let spec = container::sandbox(pod, attempt);
    let Ok(_permit) = context.starts.acquire().await else {
        return Event::SandboxStarted(Err("the agent is stopping".to_owned()));
    };
    Event::SandboxStarted(context.runtime.start_sandbox(&spec).await.map_err(|e| e.to_string()))
}

/// Finds or pulls the image of a container.
pub async fn fetch_image(context: &Context, pod: &Pod, index: usize) -> Event {
    let Some((container, role)) = containers(pod).nth(index) else { return Event::Tick };
    let name = container.image.as_deref().unwrap_or_default();
    let list = if role == super::state::Role::App { "containers" } else { "initContainers" };
    let pulling = || {
        context.record(
            pod,
            Record {
                warning: false,
                reason: "Pulling",
                message: format!("Pulling image {name:?}"),
                field_path: format!("spec.{list}{{{}}}", container.name),
            },
        );
    };
    let policy = container.image_pull_policy.as_deref().unwrap_or_default();
    Event::Image { index, result: context.images.fetch(name, policy, pulling).await }
}

/// What a start of a container needs to know.
pub struct ContainerStart {
    /// Which container.
    pub index: usize,
    /// Counts up with each start.
    pub attempt: u32,
    /// Sandbox to join.
    pub sandbox_id: String,
    /// The pod's address.
    pub ip: String,
    /// What it runs.
    pub image: ImageInfo,
}

/// Makes and starts a container.
pub async fn start_container(context: &Context, pod: &Arc<Pod>, start: ContainerStart) -> Event {
    let index = start.index;
    Event::Started { index, result: try_start(context, pod, start).await }
}

async fn try_start(context: &Context, pod: &Arc<Pod>, start: ContainerStart) -> Result<Box<Found>, StartFailure> {
    let config = |message: String| StartFailure::Create { reason: "CreateContainerConfigError", message };
    let Some((container, _)) = containers(pod).nth(start.index) else {
        return Err(config("the pod has no such container any more".to_owned()));
    };
    let sources = sources(context, pod, env::needs(container)).await.map_err(|e| config(e.to_string()))?;
    let around = context.surroundings(&start.ip);
    let env = env::resolve(pod, container, &sources, &around).map_err(|e| config(e.to_string()))?;
    let mounts = {
        let (pod, container, env) = (pod.clone(), container.clone(), env.clone());
        let (directory, attempt) = (pod_directory(context, &pod), start.attempt);
        blocking(move || mounts(&pod, &container, &directory, &env, attempt)).await.map_err(config)?
    };
    let spec = container::build(Start {
        pod,
        container,
        attempt: start.attempt,
        sandbox_id: &start.sandbox_id,
        image: &start.image,
        env,
        mounts,
        tmpfs: std::collections::BTreeMap::new(),
        around: &around,
    });
    let Ok(_permit) = context.starts.acquire().await else {
        return Err(config("the agent is stopping".to_owned()));
    };
    match context.runtime.start_container(&spec).await {
        Ok(observed) => Ok(Box::new(found(context, pod, Observed { image: start.image, ..observed }).await)),
        Err(StartError::Create(error)) => {
            Err(StartFailure::Create { reason: "CreateContainerError", message: error.to_string() })
        }
        Err(error @ StartError::Start { .. }) => {
            let message = error.to_string();
            let StartError::Start { id, exit_code, .. } = error else { return Err(config(message)) };
            Err(StartFailure::Run { id, exit_code, message })
        }
    }
}

/// The container's volumes and the file for its termination message.
fn mounts(
    pod: &Pod,
    container: &Container,
    directory: &Path,
    env: &[(String, String)],
    attempt: u32,
) -> Result<Vec<crate::runtime::BindMount>, String> {
    use std::os::unix::fs::PermissionsExt;
    let mut mounts = volumes::mounts(pod, container, directory, env).map_err(|e| e.to_string())?;
    if let Some(target) = container.termination_message_path.as_ref().filter(|p| !p.is_empty()) {
        let log = volumes::termination_log(directory, &container.name, attempt);
        let make = || {
            if let Some(parent) = log.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::File::create(&log)?.set_permissions(std::fs::Permissions::from_mode(0o666))
        };
        make().map_err(|e| format!("cannot make the termination log: {e}"))?;
        mounts.push(crate::runtime::BindMount {
            source: log.display().to_string(),
            target: target.clone(),
            read_only: false,
            propagation: "rprivate",
        });
    }
    Ok(mounts)
}

/// What a container left in its termination message.
async fn termination_message(context: &Context, pod: &Pod, name: &str, attempt: u32) -> String {
    use tokio::io::AsyncReadExt;
    let path = volumes::termination_log(&pod_directory(context, pod), name, attempt);
    let mut text = Vec::new();
    if let Ok(file) = tokio::fs::File::open(path).await {
        // What cannot be read is no message.
        let _ = file.take(TERMINATION_MESSAGE_LIMIT).read_to_end(&mut text).await;
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// `observed` with the termination message it left, if it ended.
pub async fn found(context: &Context, pod: &Pod, observed: Observed) -> Found {
    let message = match &observed.state {
        RunState::Exited(_) => termination_message(context, pod, &observed.name, observed.attempt).await,
        RunState::Created | RunState::Running { .. } => String::new(),
    };
    Found { observed, message }
}

/// Looks at a container the runtime has news of.
pub async fn look(context: &Context, pod: &Pod, id: &str, sandbox: bool) -> Event {
    let result = context.runtime.inspect(id).await;
    match result {
        Ok(Observed { state: RunState::Running { .. } | RunState::Created, .. }) => Event::Tick,
        Ok(_) if sandbox => Event::SandboxEnded { id: id.to_owned() },
        Ok(Observed { state: RunState::Exited(exit), name, attempt, .. }) => {
            let message = termination_message(context, pod, &name, attempt).await;
            Event::Ended { id: id.to_owned(), exit, message }
        }
        Err(RuntimeError::NotFound(_)) if sandbox => Event::SandboxEnded { id: id.to_owned() },
        Err(RuntimeError::NotFound(_)) => Event::Lost { id: id.to_owned() },
        // The next list finds out.
        Err(RuntimeError::Unreachable(_) | RuntimeError::Refused(_)) => Event::Tick,
    }
}

/// Containers (and whether each is the sandbox) that are taken to run and of which `listed` says otherwise.
pub fn doubtful(state: &PodState, listed: &[Listed]) -> Vec<(String, bool)> {
    let runs = |id: &str| listed.iter().any(|l| l.id == id && l.running);
    let containers = state.containers.iter().filter_map(|c| match &c.run {
        Run::Running(running) if !runs(&running.id) => Some((running.id.clone(), false)),
        Run::Running(_) | Run::Idle | Run::Starting | Run::Ended(_) => None,
    });
    let sandbox = match &state.sandbox {
        Sandbox::Ready { id, .. } if !runs(id) => Some((id.clone(), true)),
        _ => None,
    };
    containers.chain(sandbox).collect()
}

/// Removes everything the runtime and the disk have of the pod.
pub async fn remove_pod(context: &Context, pod: &Pod) -> Event {
    let uid = pod.metadata.uid.clone().unwrap_or_default();
    if let Err(error) = context.runtime.remove_pod(&uid).await {
        tracing::warn!(%uid, %error, "cannot remove the pod's containers");
        return Event::Removed(Err(error.to_string()));
    }
    let directory = pod_directory(context, pod);
    let removed = blocking(move || match std::fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
        _ => Ok(()),
    });
    Event::Removed(removed.await)
}
