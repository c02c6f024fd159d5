//! The status a pod's state amounts to: <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/>.

use super::restart;
use super::state::{Cause, ContainerState, Ended, Intent, PodState, Role, Run, Sandbox, containers};
use crate::runtime::ImageInfo;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    ContainerState as ApiState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
    ContainerStatus, HostIP, PodCondition, PodIP, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Conditions this node owns, in the order they are written.
const OWN_CONDITIONS: [&str; 4] = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"];

/// The status of a pod at `now` on a node with address `host_ip`. `before` is the status written or seen last: what did
/// not change keeps its transition time, and what others own is kept.
pub fn status(state: &PodState, before: &PodStatus, host_ip: &str, now: Timestamp) -> PodStatus {
    let statuses: Vec<ContainerStatus> = {
        let initialized = restart::wants(state).initialized;
        let specs = containers(&state.pod);
        let rows = state.containers.iter().zip(specs);
        rows.map(|(c, (spec, _))| container_status(c, spec.image.as_deref().unwrap_or_default(), state, initialized))
            .collect()
    };
    let init_count = state.containers.iter().filter(|c| c.role != Role::App).count();
    let (inits, apps) = statuses.split_at(init_count);
    let phase = phase(state);
    let (reason, message) = match &state.verdict {
        Some(verdict) => (Some(verdict.reason.clone()), Some(verdict.message.clone())),
        None => (None, None),
    };
    let (pod_ip, host_ip) = (pod_ip(state, before, host_ip), Some(host_ip.to_owned()).filter(|ip| !ip.is_empty()));
    let generation = state.pod.metadata.generation;
    let mut status = PodStatus {
        phase: Some(phase.to_owned()),
        reason,
        message,
        host_ips: host_ip.clone().map(|ip| vec![HostIP { ip }]),
        host_ip,
        pod_ips: pod_ip.clone().map(|ip| vec![PodIP { ip }]),
        pod_ip,
        start_time: Some(Time(second(state.start_time))),
        qos_class: before.qos_class.clone().or_else(|| Some(super::qos::class(&state.pod).as_str().to_owned())),
        observed_generation: generation,
        nominated_node_name: before.nominated_node_name.clone(),
        container_statuses: Some(apps.to_vec()),
        init_container_statuses: (!inits.is_empty()).then(|| inits.to_vec()),
        ..PodStatus::default()
    };
    status.conditions = Some(conditions(state, &status, before, now));
    status
}

/// Whole seconds, as the API keeps times.
fn second(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

fn pod_ip(state: &PodState, before: &PodStatus, host_ip: &str) -> Option<String> {
    let host_network = super::state::spec(&state.pod).host_network == Some(true);
    match &state.sandbox {
        Sandbox::Ready { .. } if host_network => Some(host_ip.to_owned()),
        Sandbox::Ready { ip, .. } => Some(ip.clone()),
        // A pod that ended keeps the address it had; one that gets a new sandbox has none until then.
        _ if matches!(phase(state), "Succeeded" | "Failed") => before.pod_ip.clone(),
        _ if state.intent != Intent::Run => before.pod_ip.clone(),
        _ => None,
    }
    .filter(|ip| !ip.is_empty())
}

/// Phase of a pod by its containers, as kubelet's `getPhase` decides it.
pub fn phase(state: &PodState) -> &'static str {
    if state.verdict.is_some() {
        return "Failed";
    }
    if let Intent::Stop { cause: Cause::Settled, .. } = state.intent {
        return if state.api_phase() == "Succeeded" { "Succeeded" } else { "Failed" };
    }
    let policy = restart::policy(state);
    let wants = restart::wants(state);
    if !wants.initialized {
        return if wants.finished { "Failed" } else { "Pending" };
    }
    let (mut waiting, mut running, mut stopped, mut succeeded) = (0, 0, 0, 0);
    for container in state.containers.iter().filter(|c| c.role == Role::App) {
        match &container.run {
            Run::Running(_) => running += 1,
            Run::Ended(ended) => {
                stopped += 1;
                succeeded += i32::from(ended.exit.code == 0);
            }
            Run::Idle | Run::Starting if container.last.is_some() => stopped += 1,
            Run::Idle | Run::Starting => waiting += 1,
        }
    }
    match (waiting, running, stopped) {
        (1.., _, _) => "Pending",
        (_, 1.., _) => "Running",
        (_, _, 1..) if policy == "Always" && !(state.intent != Intent::Run && stopped_for_good(state)) => "Running",
        (_, _, 1..) if stopped == succeeded => "Succeeded",
        (_, _, 1..) if policy == "OnFailure" && !stopped_for_good(state) => "Running",
        (_, _, 1..) => "Failed",
        _ => "Pending",
    }
}

/// A deleted pod whose last container ended will not see another start.
fn stopped_for_good(state: &PodState) -> bool {
    matches!(state.intent, Intent::Stop { .. }) && !state.containers.iter().any(ContainerState::is_live)
}

fn container_status(c: &ContainerState, image: &str, state: &PodState, initialized: bool) -> ContainerStatus {
    let running = match &c.run {
        Run::Running(running) => Some(running),
        Run::Idle | Run::Starting | Run::Ended(_) => None,
    };
    let ended = match &c.run {
        Run::Ended(ended) => Some(ended),
        Run::Idle | Run::Starting | Run::Running(_) => None,
    };
    let will_run = matches!(state.intent, Intent::Run);
    let waiting = c.waiting.clone().filter(|_| running.is_none() && will_run);
    let has_inits = state.containers.iter().any(|c| c.role != Role::App);
    let present = if let Some(running) = running {
        ApiState {
            running: Some(ContainerStateRunning { started_at: Some(Time(second(running.started_at))) }),
            ..ApiState::default()
        }
    } else if let Some(waiting) = &waiting {
        wait(&waiting.reason, &waiting.message)
    } else if let Some(ended) = ended {
        terminated_state(ended)
    } else if let (Some(last), Run::Starting | Run::Idle) = (&c.last, &c.run) {
        // Between two runs, as short as that is, the container is what it was.
        terminated_state(last)
    } else if has_inits && (c.role != Role::App || !initialized) {
        wait("PodInitializing", "")
    } else {
        wait("ContainerCreating", "")
    };
    let last = if waiting.is_some() { ended.or(c.last.as_ref()) } else { c.last.as_ref() };
    // While the state itself shows the last run there is no other one to show as the last.
    let last = if running.is_none() && waiting.is_none() && ended.is_none() { None } else { last };
    let info = match &c.run {
        Run::Running(r) => r.image.clone(),
        Run::Ended(e) => e.image.clone(),
        Run::Idle | Run::Starting => c.last.as_ref().map_or_else(ImageInfo::default, |l| l.image.clone()),
    };
    let id = c.id().map(|id| format!("docker://{id}"));
    let ready = match c.role {
        Role::Init => ended.is_some_and(|e| e.exit.code == 0),
        Role::Sidecar | Role::App => running.is_some(),
    };
    ContainerStatus {
        name: c.name.clone(),
        ready,
        started: Some(running.is_some()),
        restart_count: i32::try_from(c.attempt).unwrap_or(i32::MAX),
        image: if info.reference.is_empty() { image.to_owned() } else { info.reference.clone() },
        image_id: if info.id.is_empty() { String::new() } else { info.image_id() },
        container_id: id,
        state: Some(present),
        last_state: Some(last.map_or_else(ApiState::default, terminated_state)),
        ..ContainerStatus::default()
    }
}

fn wait(reason: &str, message: &str) -> ApiState {
    let message = Some(message.to_owned()).filter(|m| !m.is_empty());
    ApiState {
        waiting: Some(ContainerStateWaiting { reason: Some(reason.to_owned()), message }),
        ..ApiState::default()
    }
}

fn terminated_state(ended: &Ended) -> ApiState {
    // What could not be started has its end for a start, as kubelet told it of Docker's containers.
    let cannot_run = ended.reason == "ContainerCannotRun";
    let started_at = ended.exit.started_at.or(cannot_run.then_some(ended.exit.finished_at));
    ApiState {
        terminated: Some(ContainerStateTerminated {
            exit_code: ended.exit.code,
            reason: Some(ended.reason.clone()),
            message: Some(ended.message.clone()).filter(|m| !m.is_empty()),
            started_at: started_at.map(|t| Time(second(t))),
            finished_at: Some(Time(second(ended.exit.finished_at))),
            container_id: Some(format!("docker://{}", ended.id)).filter(|_| !ended.id.is_empty()),
            ..ContainerStateTerminated::default()
        }),
        ..ApiState::default()
    }
}

/// A condition's verdict: its status, reason and message.
type Verdict = (bool, Option<&'static str>, Option<String>);

fn conditions(state: &PodState, status: &PodStatus, before: &PodStatus, now: Timestamp) -> Vec<PodCondition> {
    let phase = status.phase.as_deref().unwrap_or_default();
    let done = match phase {
        "Succeeded" => Some("PodCompleted"),
        "Failed" => Some("PodFailed"),
        _ => None,
    };
    let unready: Vec<&str> = {
        let inits = status.init_container_statuses.iter().flatten();
        let sidecars = inits.filter(|s| state.containers.iter().any(|c| c.name == s.name && c.role == Role::Sidecar));
        let all = sidecars.chain(status.container_statuses.iter().flatten());
        all.filter(|s| !s.ready).map(|s| s.name.as_str()).collect()
    };
    let ready: Verdict = match done {
        Some(reason) => (false, Some(reason), None),
        None if unready.is_empty() => (true, None, None),
        None => (
            false,
            Some("ContainersNotReady"),
            Some(format!("containers with unready status: [{}]", unready.join(" "))),
        ),
    };
    let incomplete: Vec<&str> =
        status.init_container_statuses.iter().flatten().filter(|s| !s.ready).map(|s| s.name.as_str()).collect();
    let initialized: Verdict = if phase == "Succeeded" {
        (true, done, None)
    } else if restart::wants(state).initialized {
        (true, None, None)
    } else {
        let message = format!("containers with incomplete status: [{}]", incomplete.join(" "));
        (false, Some("ContainersNotInitialized"), Some(message))
    };
    let sandbox: Verdict = (matches!(state.sandbox, Sandbox::Ready { .. }), None, None);
    let verdicts = [sandbox, initialized, ready.clone(), ready];
    let known = before.conditions.iter().flatten();
    let mut all: Vec<PodCondition> = OWN_CONDITIONS
        .iter()
        .zip(verdicts)
        .map(|(kind, verdict)| condition(kind, verdict, before, state, now))
        .collect();
    all.extend(known.filter(|c| !OWN_CONDITIONS.contains(&c.type_.as_str())).cloned());
    all
}

fn condition(kind: &str, verdict: Verdict, before: &PodStatus, state: &PodState, now: Timestamp) -> PodCondition {
    let (holds, reason, message) = verdict;
    let text = if holds { "True" } else { "False" };
    let old = before.conditions.iter().flatten().find(|c| c.type_ == kind && c.status == text);
    let since = old.and_then(|c| c.last_transition_time.clone()).unwrap_or_else(|| Time(second(now)));
    PodCondition {
        type_: kind.to_owned(),
        status: text.to_owned(),
        reason: reason.map(str::to_owned),
        message,
        last_transition_time: Some(since),
        observed_generation: state.pod.metadata.generation,
        ..PodCondition::default()
    }
}
