//! Containers as the engine lists and describes them.

use super::super::{Exit, ImageInfo, Listed, Observed, Owner, RunState, RuntimeError, label};
use super::{DockerRuntime, failure};
use bollard::Docker;
use bollard::models::{ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, ContainerSummaryStateEnum};
use bollard::query_parameters::ListContainersOptions;
use jiff::Timestamp;
use std::collections::HashMap;

/// The filter for containers of one node (and one pod).
pub(super) fn filters(runtime: &DockerRuntime, uid: Option<&str>) -> HashMap<String, Vec<String>> {
    let mut labels =
        vec![format!("{}={}", label::CLUSTER, runtime.cluster), format!("{}={}", label::NODE, runtime.node)];
    labels.extend(uid.map(|uid| format!("{}={uid}", label::POD_UID)));
    HashMap::from([("label".to_owned(), labels)])
}

/// Every container of the node.
pub(super) async fn list(runtime: &DockerRuntime) -> Result<Vec<Listed>, RuntimeError> {
    list_by(&runtime.docker, filters(runtime, None)).await
}

/// Every container of one pod.
pub(super) async fn list_pod(runtime: &DockerRuntime, uid: &str) -> Result<Vec<Listed>, RuntimeError> {
    list_by(&runtime.docker, filters(runtime, Some(uid))).await
}

/// Every container with these labels.
pub(super) async fn list_by(
    docker: &Docker,
    filters: HashMap<String, Vec<String>>,
) -> Result<Vec<Listed>, RuntimeError> {
    let options = ListContainersOptions { all: true, filters: Some(filters), ..ListContainersOptions::default() };
    let all = docker.list_containers(Some(options)).await.map_err(|e| failure("containers", e))?;
    let rows = all.into_iter().filter_map(|c| {
        let labels = c.labels.unwrap_or_default();
        let running = matches!(c.state, Some(ContainerSummaryStateEnum::RUNNING | ContainerSummaryStateEnum::PAUSED));
        Some(Listed { id: c.id?, owner: owner(&labels), name: text(&labels, label::CONTAINER_NAME), running })
    });
    Ok(rows.collect())
}

fn text(labels: &HashMap<String, String>, key: &str) -> String {
    labels.get(key).cloned().unwrap_or_default()
}

fn owner(labels: &HashMap<String, String>) -> Owner {
    Owner {
        namespace: text(labels, label::POD_NAMESPACE),
        pod: text(labels, label::POD_NAME),
        uid: text(labels, label::POD_UID),
        grace_seconds: text(labels, label::GRACE_PERIOD).parse().unwrap_or(0),
    }
}

/// One container in full.
pub(super) async fn inspect(docker: &Docker, id: &str) -> Result<Observed, RuntimeError> {
    let details = docker.inspect_container(id, None).await.map_err(|e| failure(id, e))?;
    Ok(observed(details))
}

/// What the engine's description of a container amounts to.
pub(super) fn observed(details: ContainerInspectResponse) -> Observed {
    let config = details.config.unwrap_or_default();
    let labels = config.labels.unwrap_or_default();
    let networks = details.network_settings.and_then(|n| n.networks).unwrap_or_default();
    let ip = networks.values().find_map(|n| n.ip_address.clone().filter(|ip| !ip.is_empty()));
    let image = ImageInfo {
        id: details.image.unwrap_or_default(),
        stop_signal: config.stop_signal.unwrap_or_default(),
        ..ImageInfo::default()
    };
    Observed {
        id: details.id.unwrap_or_default(),
        owner: owner(&labels),
        name: text(&labels, label::CONTAINER_NAME),
        attempt: text(&labels, label::RESTART_COUNT).parse().unwrap_or(0),
        state: state(details.state.unwrap_or_default(), moment(details.created.as_ref())),
        ip: ip.unwrap_or_default(),
        image,
    }
}

/// A moment as Docker writes it; it writes year 1 for never.
fn moment(text: Option<&String>) -> Option<Timestamp> {
    text.and_then(|t| t.parse::<Timestamp>().ok()).filter(|t| t.as_second() > 0)
}

fn state(state: ContainerState, created_at: Option<Timestamp>) -> RunState {
    let started_at = moment(state.started_at.as_ref());
    match (state.status, started_at) {
        (Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::PAUSED), Some(started_at)) => {
            RunState::Running { started_at }
        }
        // A container whose process could not be started stays in this state, with the error.
        (Some(ContainerStateStatusEnum::CREATED), _) if state.error.as_deref().unwrap_or_default().is_empty() => {
            RunState::Created
        }
        _ => RunState::Exited(Exit {
            code: state.exit_code.and_then(|c| i32::try_from(c).ok()).unwrap_or(-1),
            oom: state.oom_killed == Some(true),
            error: state.error.unwrap_or_default(),
            started_at,
            finished_at: moment(state.finished_at.as_ref()).or(started_at).or(created_at).unwrap_or_default(),
        }),
    }
}
