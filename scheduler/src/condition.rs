//! The PodScheduled condition of pods that cannot run:
//! <https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-conditions>.

use crate::pod::{POD_SCHEDULED, PodInfo, Refusal};
use jiff::Timestamp;
use serde_json::{Value, json};

/// A condition to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionWrite {
    /// Pod's namespace.
    pub namespace: String,
    /// Pod's name.
    pub name: String,
    /// Pod's uid.
    pub uid: String,
    /// Version the pod was seen at. A late write must not tell a pod that was bound since that it is not.
    pub resource_version: String,
    /// When the condition turned False.
    pub since: Timestamp,
    /// What it says.
    pub refusal: Refusal,
}

impl ConditionWrite {
    /// What to write where `pod` is refused at `now`; `None` where the pod says so already.
    pub fn of(pod: &PodInfo, reason: &str, message: &str, now: Timestamp) -> Option<Self> {
        let refusal = Refusal { reason: reason.to_owned(), message: message.to_owned() };
        if pod.refusal.as_ref() == Some(&refusal) {
            return None;
        }
        Some(Self {
            namespace: pod.namespace.to_string(),
            name: pod.name.to_string(),
            uid: pod.uid.to_string(),
            resource_version: pod.resource_version.to_string(),
            since: pod.condition_since.unwrap_or(now),
            refusal,
        })
    }

    /// As a strategic merge patch of the pod's status.
    pub fn patch(&self) -> Value {
        json!({
            "metadata": {"uid": self.uid, "resourceVersion": self.resource_version},
            "status": {"conditions": [{
                "type": POD_SCHEDULED,
                "status": "False",
                "reason": self.refusal.reason,
                "message": self.refusal.message,
                "lastTransitionTime": self.since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            }]},
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::pod;

    #[test]
    fn only_what_changed_is_written() {
        let now = Timestamp::from_second(1_800_000_000).expect("time");
        let mut web = pod("web").info();
        let first = ConditionWrite::of(&web, "Unschedulable", "no room", now).expect("news");
        assert_eq!(first.since, now);
        let condition = &first.patch()["status"]["conditions"][0];
        assert_eq!(condition["lastTransitionTime"], "2027-01-15T08:00:00Z");
        web.refusal = Some(first.refusal);
        web.condition_since = Some(now);
        assert_eq!(ConditionWrite::of(&web, "Unschedulable", "no room", now), None);
        let later = Timestamp::from_second(1_800_000_060).expect("time");
        let second = ConditionWrite::of(&web, "Unschedulable", "no label", later).expect("news");
        assert_eq!(second.since, now, "it was False before");
    }
}
