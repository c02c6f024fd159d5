//! Quality of service class of a pod: <https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/>.

use k8s_openapi::api::core::v1::{Container, Pod, ResourceRequirements};
use kubus_proto::quantity::Quantity;

/// Class of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Every container has limits for cpu and memory, equal to its requests.
    Guaranteed,
    /// Something is requested or limited.
    Burstable,
    /// Nothing is.
    BestEffort,
}

impl Class {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Guaranteed => "Guaranteed",
            Class::Burstable => "Burstable",
            Class::BestEffort => "BestEffort",
        }
    }
}

const COUNTED: [&str; 2] = ["cpu", "memory"];

/// An amount of a resource list, `None` where it is not given or zero.
pub fn amount(
    list: Option<&std::collections::BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>>,
    name: &str,
) -> Option<Quantity> {
    let quantity = Quantity::parse(&list?.get(name)?.0).ok()?;
    (quantity.milli_value() > 0).then_some(quantity)
}

fn guaranteed(resources: Option<&ResourceRequirements>) -> bool {
    COUNTED.iter().all(|name| {
        let limit = amount(resources.and_then(|r| r.limits.as_ref()), name);
        // A request that is not given is the limit.
        let request = amount(resources.and_then(|r| r.requests.as_ref()), name).or(limit);
        limit.is_some() && limit.map(Quantity::milli_value) == request.map(Quantity::milli_value)
    })
}

fn best_effort(resources: Option<&ResourceRequirements>) -> bool {
    let none = |list| COUNTED.iter().all(|name| amount(list, name).is_none());
    none(resources.and_then(|r| r.requests.as_ref())) && none(resources.and_then(|r| r.limits.as_ref()))
}

/// Class of a pod by its containers' resources.
pub fn class(pod: &Pod) -> Class {
    let all: Vec<&Container> = super::state::containers(pod).map(|(c, _)| c).collect();
    if all.iter().all(|c| best_effort(c.resources.as_ref())) {
        Class::BestEffort
    } else if all.iter().all(|c| guaranteed(c.resources.as_ref())) {
        Class::Guaranteed
    } else {
        Class::Burstable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn classes_follow_requests_and_limits() {
        for (resources, class_name) in [
            (json!({}), "BestEffort"),
            (json!({"requests": {"cpu": "0"}}), "BestEffort"),
            (json!({"requests": {"cpu": "100m"}}), "Burstable"),
            (json!({"limits": {"cpu": "1"}}), "Burstable"),
            (json!({"limits": {"cpu": "1", "memory": "1Gi"}}), "Guaranteed"),
            (
                json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}),
                "Guaranteed",
            ),
            (json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}), "Burstable"),
        ] {
            let pod = json!({"spec": {"containers": [{"name": "c", "resources": resources}]}});
            let pod: Pod = serde_json::from_value(pod).expect("a pod");
            assert_eq!(class(&pod).as_str(), class_name, "{resources}");
        }
    }
}
