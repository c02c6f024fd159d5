//! Which containers of a pod are to be started: init containers in order, then the others, by restart policy.
//! <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy>

use super::state::{ContainerState, PodState, Role, Run, spec};

/// What a pod wants of its containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Containers that are to be started, now or after their back-off.
    pub start: Vec<usize>,
    /// Every init container did its work.
    pub initialized: bool,
    /// Nothing will be started any more and only sidecars may run.
    pub finished: bool,
}

/// The restart policy of a pod, `Always` where it has none.
pub fn policy(state: &PodState) -> &str {
    spec(&state.pod).restart_policy.as_deref().unwrap_or("Always")
}

/// Whether a container that ended with `code` is started again.
pub fn restarts(policy: &str, role: Role, code: i32) -> bool {
    match role {
        Role::Sidecar => true,
        Role::Init => code != 0 && policy != "Never",
        Role::App => policy == "Always" || policy == "OnFailure" && code != 0,
    }
}

fn ended_for_good(policy: &str, container: &ContainerState) -> bool {
    matches!(&container.run, Run::Ended(e) if !restarts(policy, container.role, e.exit.code))
}

/// What the pod wants now.
pub fn wants(state: &PodState) -> Wants {
    let policy = policy(state);
    let mut wants = Wants { initialized: true, ..Wants::default() };
    let apps_began =
        state.containers.iter().any(|c| c.role == Role::App && (!matches!(c.run, Run::Idle) || c.last.is_some()));
    for (index, container) in state.containers.iter().enumerate().filter(|(_, c)| c.role != Role::App) {
        match (&container.run, container.role) {
            (Run::Running(_), Role::Sidecar) => continue,
            // A sidecar that ended once the pod's work began is started again and holds nothing up.
            (_, Role::Sidecar) if apps_began => {
                if !container.is_live() {
                    wants.start.push(index);
                }
                continue;
            }
            (Run::Ended(ended), Role::Init) if ended.exit.code == 0 => continue,
            (Run::Idle | Run::Ended(_), _) if !ended_for_good(policy, container) => wants.start.push(index),
            _ => {}
        }
        wants.initialized = false;
        wants.finished = ended_for_good(policy, container);
        break;
    }
    if wants.initialized {
        let apps = || state.containers.iter().enumerate().filter(|(_, c)| c.role == Role::App);
        wants.finished = apps().all(|(_, c)| ended_for_good(policy, c));
        wants.start.extend(apps().filter(|(_, c)| !c.is_live() && !ended_for_good(policy, c)).map(|(i, _)| i));
    }
    if wants.finished {
        wants.start.clear();
    }
    wants
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::state::Ended;
    use crate::runtime::{Exit, ImageInfo};
    use jiff::Timestamp;
    use std::sync::Arc;

    fn ended(code: i32) -> Run {
        let exit =
            Exit { code, oom: false, error: String::new(), started_at: None, finished_at: Timestamp::UNIX_EPOCH };
        Run::Ended(Ended::new("x".into(), ImageInfo::default(), exit, String::new()))
    }

    fn state(policy: &str, runs: &[(&str, Run)]) -> PodState {
        let (mut inits, mut apps) = (vec![], vec![]);
        for (name, _) in runs {
            let mut c = serde_json::json!({"name": name});
            match &name[..1] {
                "i" => inits.push(c),
                "s" => {
                    c["restartPolicy"] = "Always".into();
                    inits.push(c);
                }
                _ => apps.push(c),
            }
        }
        let pod = serde_json::json!({"metadata": {}, "spec": {
            "restartPolicy": policy, "initContainers": inits, "containers": apps}});
        let mut state = PodState::new(Arc::new(serde_json::from_value(pod).expect("a pod")), Timestamp::UNIX_EPOCH);
        for (i, (_, run)) in runs.iter().enumerate() {
            state.containers[i].run = run.clone();
        }
        state
    }

    #[test]
    fn containers_start_in_order_and_by_policy() {
        type Row = (&'static str, Vec<(&'static str, Run)>, Vec<usize>, bool);
        let rows: Vec<Row> = vec![
            ("Always", vec![("a", Run::Idle), ("b", Run::Idle)], vec![0, 1], false),
            ("Always", vec![("a", ended(0))], vec![0], false),
            ("OnFailure", vec![("a", ended(0))], vec![], true),
            ("OnFailure", vec![("a", ended(1)), ("b", ended(0))], vec![0], false),
            ("Never", vec![("a", ended(1))], vec![], true),
            ("Never", vec![("a", ended(0)), ("b", Run::Starting)], vec![], false),
            ("Always", vec![("i1", Run::Idle), ("i2", Run::Idle), ("a", Run::Idle)], vec![0], false),
            ("Always", vec![("i1", ended(0)), ("i2", Run::Idle), ("a", Run::Idle)], vec![1], false),
            ("Always", vec![("i1", ended(1)), ("a", Run::Idle)], vec![0], false),
            ("Never", vec![("i1", ended(1)), ("a", Run::Idle)], vec![], true),
            ("Always", vec![("i1", ended(0)), ("a", Run::Idle)], vec![1], false),
            ("Never", vec![("s", Run::Idle), ("a", Run::Idle)], vec![0], false),
            ("Never", vec![("s", Run::Starting), ("a", Run::Idle)], vec![], false),
            ("Never", vec![("s", ended(1)), ("a", Run::Starting)], vec![0], false),
            ("Never", vec![("s", ended(1)), ("a", ended(0))], vec![], true),
        ];
        for (policy, runs, start, finished) in rows {
            let wants = wants(&state(policy, &runs));
            assert_eq!((&wants.start, wants.finished), (&start, finished), "{policy} {runs:?}");
        }
    }
}
