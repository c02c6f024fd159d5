//! Which log a request means, and what stands in its way.

use super::{bad, container};
use crate::pipeline::options::Query;
use kubus_proto::ApiError;
use kubus_proto::stream::Operation;
use serde_json::Value;

/// What stands in the way of a container's log, in the kubelet's words.
fn check_log(pod: &Value, container: &str, previous: bool) -> Result<(), ApiError> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let statuses = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    let status = statuses
        .iter()
        .flat_map(|list| pod["status"][*list].as_array().into_iter().flatten())
        .find(|status| status["name"] == container);
    let waiting = |why: &str| Err(bad(format!("container {container:?} in pod {name:?} is waiting to start{why}")));
    let Some(status) = status else {
        return waiting(": ContainerCreating");
    };
    let (state, last) = (&status["state"], &status["lastState"]["terminated"]);
    if previous {
        return match last.is_object() {
            true => Ok(()),
            false => Err(bad(format!("previous terminated container {container:?} in pod {name:?} not found"))),
        };
    }
    if state["running"].is_object() || state["terminated"].is_object() || last.is_object() {
        return Ok(());
    }
    match state["waiting"]["reason"].as_str().unwrap_or_default() {
        "" => waiting(" - no logs yet"),
        "ErrImagePull" => waiting(": image can't be pulled"),
        "ImagePullBackOff" => waiting(": trying and failing to pull image"),
        reason => waiting(&format!(": {reason}")),
    }
}

/// What a request for a log asks of the node.
pub(super) fn logs(pod: &Value, query: &Query) -> Result<Operation, ApiError> {
    let container = container(pod, query.text("container"))?;
    let previous = query.flag("previous");
    let positive = |key: &str| match query.number(key)? {
        Some(number) if number < 0 => {
            Err(bad(format!("{key}: Invalid value: {number}: must be greater than or equal to 0")))
        }
        number => Ok(number),
    };
    let operation = Operation::Logs {
        follow: query.flag("follow"),
        previous,
        tail_lines: positive("tailLines")?,
        since_seconds: positive("sinceSeconds")?,
        since_time: Some(query.text("sinceTime").to_owned()).filter(|t| !t.is_empty()),
        timestamps: query.flag("timestamps"),
        limit_bytes: positive("limitBytes")?,
        container: container.clone(),
    };
    let bound = pod["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
    if bound {
        check_log(pod, &container, previous)?;
    }
    Ok(operation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn logs_wait_for_their_container() {
        for (status, previous, expected) in [
            (json!({}), false, Err("container \"c\" in pod \"p\" is waiting to start: ContainerCreating")),
            (json!({"name": "c", "state": {"running": {}}}), false, Ok(())),
            (json!({"name": "c", "state": {"terminated": {}}}), false, Ok(())),
            (
                json!({"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {}}}),
                false,
                Ok(()),
            ),
            (
                json!({"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff"}}}),
                false,
                Err("container \"c\" in pod \"p\" is waiting to start: trying and failing to pull image"),
            ),
            (
                json!({"name": "c", "state": {"running": {}}}),
                true,
                Err("previous terminated container \"c\" in pod \"p\" not found"),
            ),
        ] {
            let pod = json!({"metadata": {"name": "p"}, "status": {"containerStatuses": [status]}});
            let answer = check_log(&pod, "c", previous).map_err(|e| e.message);
            assert_eq!(answer, expected.map_err(str::to_owned), "{status}");
        }
    }
}
