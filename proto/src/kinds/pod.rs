//! Pod: containers that share a network, a host name and a fate.

use super::{ALL_VERBS, Fields, KindRow, Subresource, VIEW_VERBS, Verb, cells, status};
use crate::table::{AGE, NAME, text, wide};
use jiff::Timestamp;
use serde_json::{Value, json};

const CONNECT: &[Verb] = &[Verb::Create, Verb::Get];
/// What an HTTP request through a proxy may be.
pub(super) const PROXY: &[Verb] = &[Verb::Create, Verb::Delete, Verb::Get, Verb::Patch, Verb::Update];

/// Row of Pod.
pub static ROW: KindRow = KindRow {
    group: "",
    version: "v1",
    older_versions: &[],
    kind: "Pod",
    plural: "pods",
    singular: "pod",
    short_names: &["po"],
    namespaced: true,
    categories: &["all"],
    verbs: ALL_VERBS,
    subresources: &[
        Subresource { name: "attach", kind: "PodAttachOptions", group_version: "", verbs: CONNECT },
        Subresource { name: "binding", kind: "Binding", group_version: "", verbs: &[Verb::Create] },
        Subresource { name: "ephemeralcontainers", kind: "Pod", group_version: "", verbs: VIEW_VERBS },
        Subresource { name: "eviction", kind: "Eviction", group_version: "policy/v1", verbs: &[Verb::Create] },
        Subresource { name: "exec", kind: "PodExecOptions", group_version: "", verbs: CONNECT },
        Subresource { name: "log", kind: "Pod", group_version: "", verbs: &[Verb::Get] },
        Subresource { name: "portforward", kind: "PodPortForwardOptions", group_version: "", verbs: CONNECT },
        Subresource { name: "proxy", kind: "PodProxyOptions", group_version: "", verbs: PROXY },
        Subresource { name: "resize", kind: "Pod", group_version: "", verbs: VIEW_VERBS },
        status("Pod"),
    ],
    columns: &[
        NAME,
        text("Ready"),
        text("Status"),
        text("Restarts"),
        AGE,
        wide("IP"),
        wide("Node"),
        wide("Nominated Node"),
        wide("Readiness Gates"),
    ],
    cells: pod_cells,
    fields: pod_fields,
    scope: |o| cells::string(&o["spec"]["nodeName"]),
};

fn pod_fields(pod: &Value) -> Fields {
    let (spec, status) = (&pod["spec"], &pod["status"]);
    vec![
        ("spec.nodeName", cells::string(&spec["nodeName"])),
        ("spec.restartPolicy", cells::string(&spec["restartPolicy"])),
        ("spec.schedulerName", cells::string(&spec["schedulerName"])),
        ("spec.serviceAccountName", cells::string(&spec["serviceAccountName"])),
        ("spec.hostNetwork", (spec["hostNetwork"] == true).to_string()),
        ("status.phase", cells::string(&status["phase"])),
        ("status.podIP", cells::string(&status["podIP"])),
        ("status.nominatedNodeName", cells::string(&status["nominatedNodeName"])),
    ]
}

fn list<'a>(value: &'a Value) -> impl DoubleEndedIterator<Item = &'a Value> + use<'a> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn pod_cells(pod: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&pod["spec"], &pod["status"]);
    let restarts = Restarts::of(pod);
    let sidecars: Vec<&str> = list(&spec["initContainers"])
        .filter(|c| c["restartPolicy"] == "Always")
        .filter_map(|c| c["name"].as_str())
        .collect();
    let total = list(&spec["containers"]).count() + sidecars.len();
    let ready = list(&status["containerStatuses"]).filter(|c| c["ready"] == true).count()
        + list(&status["initContainerStatuses"])
            .filter(|c| c["ready"] == true && c["name"].as_str().is_some_and(|n| sidecars.contains(&n)))
            .count();
    let gates = list(&spec["readinessGates"]).count();
    let gates_true = list(&spec["readinessGates"])
        .filter(|g| list(&status["conditions"]).any(|c| c["type"] == g["conditionType"] && c["status"] == "True"))
        .count();
    vec![
        cells::name(pod),
        json!(format!("{ready}/{total}")),
        json!(display_status(pod)),
        json!(restarts.text(now)),
        cells::age(pod, now),
        cells::or_none(cells::string(&status["podIP"])),
        cells::or_none(cells::string(&spec["nodeName"])),
        cells::or_none(cells::string(&status["nominatedNodeName"])),
        cells::or_none(if gates == 0 { String::new() } else { format!("{gates_true}/{gates}") }),
    ]
}

/// Restarts of all containers and the moment of the last one.
struct Restarts {
    count: i64,
    last: Option<Timestamp>,
}

impl Restarts {
    fn of(pod: &Value) -> Self {
        let mut all = Restarts { count: 0, last: None };
        let statuses = &pod["status"];
        for container in list(&statuses["containerStatuses"]).chain(list(&statuses["initContainerStatuses"])) {
            all.count += cells::number(&container["restartCount"]);
            let finished = container["lastState"]["terminated"]["finishedAt"].as_str().and_then(|t| t.parse().ok());
            all.last = all.last.max(finished);
        }
        all
    }

    fn text(&self, now: Timestamp) -> String {
        match self.last {
            Some(last) if self.count > 0 => {
                format!("{} ({} ago)", self.count, crate::duration::human(now.as_second() - last.as_second()))
            }
            _ => self.count.to_string(),
        }
    }
}

/// What the STATUS column says: the reason that explains the pod best, as kubectl finds it.
pub fn display_status(pod: &Value) -> String {
    let (spec, status) = (&pod["spec"], &pod["status"]);
    let mut reason = status["reason"]
        .as_str()
        .filter(|r| !r.is_empty())
        .unwrap_or(status["phase"].as_str().unwrap_or(""))
        .to_owned();
    if list(&status["conditions"]).any(|c| c["type"] == "PodScheduled" && c["reason"] == "SchedulingGated") {
        reason = "SchedulingGated".to_owned();
    }
    let mut initializing = false;
    let init_total = list(&spec["initContainers"]).count();
    for (i, container) in list(&status["initContainerStatuses"]).enumerate() {
        let state = &container["state"];
        let sidecar =
            list(&spec["initContainers"]).any(|c| c["name"] == container["name"] && c["restartPolicy"] == "Always");
        let terminated = &state["terminated"];
        let waiting = state["waiting"]["reason"].as_str().unwrap_or("");
        if terminated.is_object() && terminated["exitCode"] == 0 || sidecar && container["started"] == true {
            continue;
        }
        reason = if terminated.is_object() {
            format!("Init:{}", terminated_reason(terminated))
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{i}/{init_total}")
        };
        initializing = true;
        break;
    }
    if !initializing {
        let mut running = false;
        for container in list(&status["containerStatuses"]).rev() {
            let state = &container["state"];
            if let Some(waiting) = state["waiting"]["reason"].as_str().filter(|r| !r.is_empty()) {
                reason = waiting.to_owned();
            } else if state["terminated"].is_object() {
                reason = terminated_reason(&state["terminated"]);
            } else if container["ready"] == true && state["running"].is_object() {
                running = true;
            }
        }
        if reason == "Completed" && running {
            let ready = list(&status["conditions"]).any(|c| c["type"] == "Ready" && c["status"] == "True");
            reason = if ready { "Running" } else { "NotReady" }.to_owned();
        }
    }
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        let finished = matches!(status["phase"].as_str(), Some("Succeeded" | "Failed"));
        if status["reason"] == "NodeLost" {
            reason = "Unknown".to_owned();
        } else if !finished {
            reason = "Terminating".to_owned();
        }
    }
    reason
}

fn terminated_reason(terminated: &Value) -> String {
    if let Some(reason) = terminated["reason"].as_str().filter(|r| !r.is_empty()) {
        return reason.to_owned();
    }
    match cells::number(&terminated["signal"]) {
        0 => format!("ExitCode:{}", cells::number(&terminated["exitCode"])),
        signal => format!("Signal:{signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_column_says_what_kubectl_says() {
        let running = json!({"name": "a", "ready": true, "state": {"running": {}}});
        for (pod, expected) in [
            (json!({"status": {"phase": "Pending"}}), "Pending"),
            (
                json!({"status": {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}}),
                "ContainerCreating",
            ),
            (json!({"status": {"phase": "Running", "containerStatuses": [running]}}), "Running"),
            (
                json!({"status": {"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]}}),
                "ExitCode:3",
            ),
            (
                json!({"status": {"phase": "Running", "containerStatuses":
                    [running, {"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}}),
                "CrashLoopBackOff",
            ),
            (json!({"metadata": {"deletionTimestamp": "x"}, "status": {"phase": "Running"}}), "Terminating"),
            (
                json!({"metadata": {"deletionTimestamp": "x"}, "status": {"phase": "Failed", "reason": "Evicted"}}),
                "Evicted",
            ),
            (
                json!({"spec": {"initContainers": [{"name": "i"}, {"name": "j"}]},
                    "status": {"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"running": {}}}]}}),
                "Init:0/2",
            ),
        ] {
            assert_eq!(display_status(&pod), expected, "{pod}");
        }
    }

    #[test]
    fn restarts_name_the_last_one() {
        let pod = json!({"status": {"containerStatuses": [
            {"restartCount": 2, "lastState": {"terminated": {"finishedAt": "1970-01-01T00:00:10Z"}}}]}});
        let now = Timestamp::from_second(70).expect("time");
        assert_eq!(Restarts::of(&pod).text(now), "2 (60s ago)");
    }
}
