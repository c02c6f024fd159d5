//! Which status has to be written to the API and as what patch.

use k8s_openapi::api::core::v1::{Pod, PodStatus};
use serde_json::{Value, json};

/// What was written last, and whether the API still has it.
#[derive(Debug, Default)]
pub struct StatusWriter {
    written: Option<PodStatus>,
    revision: u64,
}

fn revision(pod: &Pod) -> u64 {
    pod.metadata.resource_version.as_deref().and_then(|v| v.parse().ok()).unwrap_or(0)
}

impl StatusWriter {
    /// Takes note of what the API has. A newer object somebody else wrote may lack what was written; an older one, on
    /// its way while we wrote, tells nothing.
    pub fn seen(&mut self, pod: &Pod) {
        let revision = revision(pod);
        if revision > self.revision {
            self.revision = revision;
            if let (Some(written), Some(status)) = (&self.written, &pod.status)
                && !holds(status, written)
            {
                self.written = None;
            }
        }
    }

    /// Takes note that `status` was written, giving `pod`.
    pub fn wrote(&mut self, status: PodStatus, pod: &Pod) {
        self.revision = self.revision.max(revision(pod));
        self.written = Some(status);
    }

    /// Whether `status` has to be written.
    pub fn differs(&self, status: &PodStatus) -> bool {
        self.written.as_ref() != Some(status)
    }

    /// Whether what `status` has and what was written has not is no news to anybody who waits: the address of a pod
    /// that does not run yet, the state of its sandbox.
    pub fn can_wait(&self, status: &PodStatus) -> bool {
        let brief = |status: &PodStatus| {
            let mut status = status.clone();
            (status.pod_ip, status.pod_ips) = (None, None);
            status.conditions.iter_mut().flatten().for_each(|c| c.last_transition_time = None);
            status.conditions.iter_mut().for_each(|all| all.retain(|c| c.type_ != "PodReadyToStartContainers"));
            status
        };
        let ready = status.conditions.iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True");
        !ready && self.written.as_ref().is_some_and(|written| brief(written) == brief(status))
    }

    /// The patch that makes `status` the API's; `api` is what the API has. Conditions merge by type, so those of others
    /// stay; addresses merge by value, so old ones are named to go. The uid keeps it from a namesake.
    pub fn patch(&self, status: &PodStatus, api: &PodStatus, uid: &str) -> Value {
        let mut body = json!(status);
        for key in ["reason", "message", "podIP", "hostIP"] {
            if body.get(key).is_none() && json!(api).get(key).is_some() && (key == "podIP" || key == "hostIP") {
                body[key] = Value::Null;
            }
        }
        let own = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"];
        if let Some(conditions) = body["conditions"].as_array_mut() {
            conditions.retain(|c| c["type"].as_str().is_some_and(|t| own.contains(&t)));
            for condition in conditions {
                for key in ["reason", "message"] {
                    // What holds now may have no reason where what held before had one.
                    if condition.get(key).is_none() {
                        condition[key] = Value::Null;
                    }
                }
            }
        }
        let old = api.pod_ips.iter().flatten().map(|ip| ip.ip.clone());
        let new: Vec<String> = status.pod_ips.iter().flatten().map(|ip| ip.ip.clone()).collect();
        let gone: Vec<Value> =
            old.filter(|ip| !new.contains(ip)).map(|ip| json!({"ip": ip, "$patch": "delete"})).collect();
        if !gone.is_empty() {
            let kept = new.iter().map(|ip| json!({"ip": ip}));
            body["podIPs"] = gone.into_iter().chain(kept).collect();
        }
        json!({"metadata": {"uid": uid}, "status": body})
    }
}

/// Whether `api` still says what `written` said, in the fields this node owns.
fn holds(api: &PodStatus, written: &PodStatus) -> bool {
    let brief = |status: &PodStatus| {
        let conditions = status.conditions.iter().flatten();
        let ready: Vec<_> = conditions.filter(|c| c.type_ == "Ready").map(|c| c.status.clone()).collect();
        let containers = status.container_statuses.iter().flatten();
        let containers: Vec<_> = containers
            .map(|c| (c.name.clone(), c.ready, c.restart_count, c.container_id.clone().unwrap_or_default()))
            .collect();
        (status.phase.clone(), status.pod_ip.clone(), ready, containers)
    };
    brief(api) == brief(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(value: Value) -> PodStatus {
        serde_json::from_value(value).expect("a status")
    }

    #[test]
    fn patches_own_conditions_and_drop_old_addresses() {
        let desired = status(json!({"phase": "Pending", "podIPs": [{"ip": "2"}], "podIP": "2", "conditions": [
            {"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}]}));
        let api = status(json!({"podIPs": [{"ip": "1"}], "podIP": "1"}));
        let patch = StatusWriter::default().patch(&desired, &api, "u");
        assert_eq!(patch["metadata"]["uid"], "u");
        assert_eq!(patch["status"]["podIPs"], json!([{"ip": "1", "$patch": "delete"}, {"ip": "2"}]));
        assert_eq!(patch["status"]["conditions"].as_array().map(Vec::len), Some(1));
        assert_eq!(patch["status"]["conditions"][0]["reason"], Value::Null);
    }

    #[test]
    fn addresses_wait_and_news_does_not() {
        let before = status(
            json!({"phase": "Pending", "conditions": [{"type": "PodReadyToStartContainers", "status": "False"}]}),
        );
        let mut writer = StatusWriter::default();
        assert!(!writer.can_wait(&before), "the first word is news");
        writer.wrote(before, &Pod::default());
        let address = json!({"phase": "Pending", "podIP": "1", "podIPs": [{"ip": "1"}],
            "conditions": [{"type": "PodReadyToStartContainers", "status": "True"}]});
        assert!(writer.can_wait(&status(address)));
        assert!(!writer.can_wait(&status(json!({"phase": "Running"}))));
    }

    #[test]
    fn what_others_undid_is_written_again() {
        let desired = status(json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}));
        let pod = |revision: &str, ready: &str| -> Pod {
            serde_json::from_value(json!({"metadata": {"resourceVersion": revision},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}}))
            .expect("a pod")
        };
        let mut writer = StatusWriter::default();
        assert!(writer.differs(&desired));
        writer.wrote(desired.clone(), &pod("10", "True"));
        writer.seen(&pod("9", "False"));
        assert!(!writer.differs(&desired), "an older object tells nothing");
        writer.seen(&pod("11", "True"));
        assert!(!writer.differs(&desired));
        writer.seen(&pod("12", "False"));
        assert!(writer.differs(&desired));
    }
}
