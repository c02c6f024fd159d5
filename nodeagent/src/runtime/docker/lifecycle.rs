//! Makes, starts, signals and removes containers, with as few requests as it takes.

use super::super::{
    ContainerSpec, Listed, Observed, RunState, RuntimeError, SANDBOX, SandboxInfo, SandboxSpec, StartError,
};
use super::{DockerRuntime, body, failure, listing};
use bollard::Docker;
use bollard::errors::Error;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{CreateContainerOptions, KillContainerOptions, RemoveContainerOptions};
use futures::stream::{self, StreamExt};

/// Containers of one pod removed at the same time.
const REMOVALS_IN_FLIGHT: usize = 4;
/// How often a name that is taken by what was never started is cleared and tried again.
const NAME_TRIES: usize = 3;

/// Something made, or found to be there already.
enum Made {
    New(String),
    Old(Box<Observed>),
}

/// Makes a container under a name that can exist only once. If it is there and was started, that is the container: an
/// agent that died after starting it finds it here. If it was never started, it is made anew.
async fn make(docker: &Docker, name: &str, body: &ContainerCreateBody) -> Result<Made, RuntimeError> {
    let options = CreateContainerOptions { name: Some(name.to_owned()), ..CreateContainerOptions::default() };
    for _ in 0..NAME_TRIES {
        match docker.create_container(Some(options.clone()), body.clone()).await {
            Ok(created) => return Ok(Made::New(created.id)),
            Err(Error::DockerResponseServerError { status_code: 409, .. }) => {
                match listing::inspect(docker, name).await {
                    Ok(Observed { state: RunState::Created, id, .. }) => remove(docker, &id).await?,
                    Ok(observed) => return Ok(Made::Old(Box::new(observed))),
                    Err(RuntimeError::NotFound(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            Err(error) => return Err(failure(name, error)),
        }
    }
    Err(RuntimeError::Refused(format!("the name {name} stays in use")))
}

/// Makes and starts a sandbox.
pub(super) async fn start_sandbox(runtime: &DockerRuntime, spec: &SandboxSpec) -> Result<SandboxInfo, RuntimeError> {
    let docker = &runtime.docker;
    let name = body::name(&spec.owner, SANDBOX, spec.attempt);
    let wanted = body::sandbox(spec, &runtime.cluster, &runtime.node, runtime.oom_floor);
    let id = match make(docker, &name, &wanted).await {
        Ok(Made::New(id)) => id,
        Ok(Made::Old(old)) => match old.state {
            RunState::Running { .. } => return Ok(SandboxInfo { id: old.id, ip: old.ip }),
            // One that ended is of no use; its name is needed.
            RunState::Exited(_) | RunState::Created => {
                remove(docker, &old.id).await?;
                return Err(RuntimeError::Refused(format!("an ended sandbox {name} was in the way and is removed")));
            }
        },
        // The image was removed from the engine since the agent started.
        Err(RuntimeError::NotFound(_)) => {
            runtime.prepare().await?;
            match make(docker, &name, &wanted).await? {
                Made::New(id) => id,
                Made::Old(old) => old.id,
            }
        }
        Err(error) => return Err(error),
    };
    if let Err(error) = docker.start_container(&id, None).await {
        let error = failure(&id, error);
        // Nothing is left behind that would hold ports or names.
        remove(docker, &id).await?;
        return Err(error);
    }
    let observed = listing::inspect(docker, &id).await?;
    Ok(SandboxInfo { id, ip: observed.ip })
}

/// Makes and starts a container.
pub(super) async fn start_container(runtime: &DockerRuntime, spec: &ContainerSpec) -> Result<Observed, StartError> {
    let docker = &runtime.docker;
    let name = body::name(&spec.owner, &spec.name, spec.attempt);
    let wanted = body::container(spec, &runtime.cluster, &runtime.node, runtime.oom_floor);
    let id = match make(docker, &name, &wanted).await.map_err(StartError::Create)? {
        Made::New(id) => id,
        Made::Old(old) => return Ok(*old),
    };
    if let Err(error) = docker.start_container(&id, None).await {
        let error = failure(&id, error);
        if matches!(error, RuntimeError::Unreachable(_)) {
            // Whether it was started is not known: the same attempt finds it again.
            return Err(StartError::Create(error));
        }
        let exit_code = match listing::inspect(docker, &id).await {
            Ok(Observed { state: RunState::Exited(exit), .. }) if exit.code != 0 => exit.code,
            _ => 128,
        };
        return Err(StartError::Start { id, name: spec.name.clone(), error, exit_code });
    }
    // It tells the start's exact time, and whether the container ended already.
    listing::inspect(docker, &id).await.map_err(StartError::Create)
}

/// Sends a signal.
pub(super) async fn signal(docker: &Docker, id: &str, signal: &str) -> Result<(), RuntimeError> {
    let options = KillContainerOptions { signal: signal.to_owned() };
    match docker.kill_container(id, Some(options)).await {
        // 409: it does not run.
        Ok(()) | Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) => Ok(()),
        Err(error) => Err(failure(id, error)),
    }
}

/// Kills and removes.
pub(super) async fn remove(docker: &Docker, id: &str) -> Result<(), RuntimeError> {
    let options = RemoveContainerOptions { v: true, force: true, link: false };
    match docker.remove_container(id, Some(options)).await {
        // 409: its removal is under way.
        Ok(()) | Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) => Ok(()),
        Err(error) => Err(failure(id, error)),
    }
}

/// Removes everything of a pod, the sandbox last.
pub(super) async fn remove_pod(runtime: &DockerRuntime, uid: &str) -> Result<(), RuntimeError> {
    let all = listing::list_pod(runtime, uid).await?;
    let (sandboxes, others): (Vec<Listed>, Vec<Listed>) = all.into_iter().partition(|l| l.name == SANDBOX);
    for group in [others, sandboxes] {
        let removals = group.into_iter().map(|l| {
            let docker = runtime.docker.clone();
            async move { remove(&docker, &l.id).await }
        });
        let results: Vec<_> = stream::iter(removals).buffer_unordered(REMOVALS_IN_FLIGHT).collect().await;
        results.into_iter().collect::<Result<Vec<()>, _>>()?;
    }
    Ok(())
}
