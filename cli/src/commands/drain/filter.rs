//! Decides which pods of a node a drain evicts, which it leaves, and which keep it from beginning. Pure.

use serde_json::Value;

/// Marks the API's copy of a pod that its node runs from a file.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// The pods of a node.
#[derive(Debug, Default)]
pub(super) struct Pods {
    /// Those that go.
    pub evicted: Vec<Value>,
    /// What the user is told of the others.
    pub warnings: Vec<String>,
    /// Why it does not begin, empty where it does.
    pub refused: Vec<String>,
}

/// Sorts the pods by what was allowed on the command line.
pub(super) fn sort_pods(pods: Vec<Value>, force: bool, ignore_daemon_sets: bool, delete_data: bool) -> Pods {
    let mut sorted = Pods::default();
    let (mut daemons, mut alone, mut local) = (Vec::new(), Vec::new(), Vec::new());
    for pod in pods {
        let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default();
        let name = format!("{}/{}", text("namespace"), text("name"));
        let owner = pod["metadata"]["ownerReferences"].as_array().into_iter().flatten();
        let owner = owner.filter(|reference| reference["controller"] == true).find_map(|r| r["kind"].as_str());
        let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        let data = pod["spec"]["volumes"].as_array().is_some_and(|v| v.iter().any(|v| v.get("emptyDir").is_some()));
        if pod["metadata"]["annotations"].get(MIRROR).is_some() {
            continue;
        }
        if owner == Some("DaemonSet") && !ended {
            daemons.push(name);
            continue;
        }
        if owner.is_none() && !ended {
            alone.push(name.clone());
        }
        if data && !ended {
            local.push(name);
        }
        sorted.evicted.push(pod);
    }
    let mut say = |names: &[String], allowed: bool, refusal: &str, warning: &str| {
        if names.is_empty() {
            return;
        }
        if !allowed {
            sorted.refused.push(format!("{refusal}: {}", names.join(", ")));
        } else if !warning.is_empty() {
            sorted.warnings.push(format!("{warning}: {}", names.join(", ")));
        }
    };
    say(
        &daemons,
        ignore_daemon_sets,
        "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)",
        "ignoring DaemonSet-managed Pods",
    );
    say(&local, delete_data, "cannot delete Pods with local storage (use --delete-emptydir-data to override)", "");
    say(
        &alone,
        force,
        "cannot delete Pods that declare no controller (use --force to override)",
        "deleting Pods that declare no controller",
    );
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, owner: &str, volumes: Value, phase: &str) -> Value {
        let owners = if owner.is_empty() { json!([]) } else { json!([{"kind": owner, "controller": true}]) };
        json!({"metadata": {"name": name, "namespace": "d", "ownerReferences": owners},
            "spec": {"volumes": volumes}, "status": {"phase": phase}})
    }

    #[test]
    fn pods_that_would_be_lost_keep_it_from_beginning() {
        let pods = || {
            vec![
                pod("rs", "ReplicaSet", json!([]), "Running"),
                pod("ds", "DaemonSet", json!([]), "Running"),
                pod("alone", "", json!([]), "Running"),
                pod("done", "", json!([{"emptyDir": {}}]), "Succeeded"),
                pod("data", "ReplicaSet", json!([{"emptyDir": {}}]), "Running"),
            ]
        };
        let refused = sort_pods(pods(), false, false, false).refused;
        assert_eq!(
            refused,
            [
                "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): d/ds",
                "cannot delete Pods with local storage (use --delete-emptydir-data to override): d/data",
                "cannot delete Pods that declare no controller (use --force to override): d/alone",
            ]
        );
        let allowed = sort_pods(pods(), true, true, true);
        let names: Vec<_> = allowed.evicted.iter().filter_map(|p| p["metadata"]["name"].as_str()).collect();
        assert_eq!(names, ["rs", "alone", "done", "data"]);
        assert_eq!(allowed.refused, Vec::<String>::new());
        assert_eq!(
            allowed.warnings,
            ["ignoring DaemonSet-managed Pods: d/ds", "deleting Pods that declare no controller: d/alone"]
        );
    }
}
