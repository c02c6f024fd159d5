//! APIServices of the versions that are served here: one a version of a group, made where it is missing.
//! <https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/api-service-v1/>

use super::default_roles::Step;
use crate::discovery;
use crate::state::{Key, State};
use kubus_proto::kinds::api_service;
use kubus_proto::path::ResourcePath;
use kubus_proto::request::Method;
use serde_json::{Value, json};

/// Says who keeps these objects.
const MANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";
/// Where a group stands that comes first, and how far behind it the next one is.
const FIRST_PRIORITY: usize = 18_000;
const PRIORITY_STEP: usize = 100;
/// Priority of a group's least version, and how far above it the next one is.
const LEAST_VERSION_PRIORITY: usize = 1;
const VERSION_PRIORITY_STEP: usize = 14;

/// The steps that make those which are missing in `state`.
pub fn steps(state: &State) -> Vec<Step> {
    let resource = api_service::ROW.resource_key();
    let missing = objects().into_iter().filter(|object| {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        state.get(&Key::new(resource.as_str(), "", name)).is_none()
    });
    let path = ResourcePath::of(&api_service::ROW, "", "", "");
    missing.map(|body| Step { method: Method::Post, path: path.clone(), body }).collect()
}

fn objects() -> Vec<Value> {
    let mut objects = Vec::new();
    for (i, group) in discovery::served(kubus_proto::KIND_TABLE.iter().copied()).iter().enumerate() {
        let priority = FIRST_PRIORITY - i * PRIORITY_STEP;
        for (behind, version) in group.versions.iter().rev().enumerate() {
            objects.push(json!({
                "metadata": {"name": format!("{}.{}", version.name, group.name), "labels": {MANAGED: "onstart"}},
                "spec": {"group": group.name, "version": version.name, "groupPriorityMinimum": priority,
                    "versionPriority": LEAST_VERSION_PRIORITY + behind * VERSION_PRIORITY_STEP},
            }));
        }
    }
    objects
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour;

    #[test]
    fn every_version_has_its_object() {
        let all = objects();
        for name in ["v1.", "v1.apps", "v1beta1.extensions", "v2.autoscaling", "v1.events.k8s.io"] {
            assert!(all.iter().any(|object| object["metadata"]["name"] == name), "{name}");
        }
        let behaviour = behaviour::of(&api_service::ROW);
        for mut object in all {
            behaviour.default(&mut object);
            assert_eq!(behaviour.validate(&object), [], "{object}");
        }
        assert!(!steps(&State::default()).is_empty());
    }
}
