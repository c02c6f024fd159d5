//! How far a rollout may go beyond and below the wanted size: maxSurge and maxUnavailable as numbers.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment>

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// What a Deployment is rolled out with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizing {
    /// Wanted pods.
    pub replicas: i32,
    /// Pods above that during a rolling update.
    pub max_surge: i32,
    /// Pods below that during a rolling update.
    pub max_unavailable: i32,
    /// Whether old and new pods may run side by side.
    pub rolling: bool,
}

impl Sizing {
    /// Reads a Deployment's spec.
    pub fn of(deployment: &Deployment) -> Self {
        deployment.spec.as_ref().map_or(
            Self { replicas: 0, max_surge: 0, max_unavailable: 0, rolling: true },
            |spec: &DeploymentSpec| {
                let replicas = spec.replicas.unwrap_or(1).max(0);
                let strategy = spec.strategy.as_ref();
                if strategy.and_then(|s| s.type_.as_deref()) == Some("Recreate") {
                    return Self { replicas, max_surge: 0, max_unavailable: 0, rolling: false };
                }
                let rolling = strategy.and_then(|s| s.rolling_update.as_ref());
                let default = IntOrString::String("25%".to_owned());
                let surge = rolling.and_then(|r| r.max_surge.as_ref()).unwrap_or(&default);
                let unavailable = rolling.and_then(|r| r.max_unavailable.as_ref()).unwrap_or(&default);
                let (max_surge, max_unavailable) = fenceposts(surge, unavailable, replicas);
                Self { replicas, max_surge, max_unavailable: max_unavailable.min(replicas), rolling: true }
            },
        )
    }

    /// Most pods there may be.
    pub fn ceiling(&self) -> i32 {
        self.replicas + self.max_surge
    }

    /// Fewest pods that must be available.
    pub fn floor(&self) -> i32 {
        self.replicas - self.max_unavailable
    }
}

/// maxSurge rounded up and maxUnavailable rounded down; where both come to nothing, one pod may be unavailable, else
/// nothing could ever move.
pub fn fenceposts(surge: &IntOrString, unavailable: &IntOrString, replicas: i32) -> (i32, i32) {
    let surge = scaled(surge, replicas, true);
    let unavailable = scaled(unavailable, replicas, false);
    if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
}

/// A number, or a percentage of `total`; what is neither counts as 0.
fn scaled(value: &IntOrString, total: i32, up: bool) -> i32 {
    match value {
        IntOrString::Int(n) => (*n).max(0),
        IntOrString::String(text) => {
            let percent = text.strip_suffix('%').and_then(|p| p.parse::<i64>().ok()).unwrap_or(0).max(0);
            let scaled = percent * i64::from(total);
            let rounded = if up { (scaled + 99) / 100 } else { scaled / 100 };
            i32::try_from(rounded).unwrap_or(i32::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_like_kubernetes() {
        let text = |t: &str| IntOrString::String(t.to_owned());
        for (surge, unavailable, replicas, expected) in [
            (text("25%"), text("25%"), 1, (1, 0)),
            (text("25%"), text("25%"), 2, (1, 0)),
            (text("25%"), text("25%"), 3, (1, 0)),
            (text("25%"), text("25%"), 4, (1, 1)),
            (text("25%"), text("25%"), 5, (2, 1)),
            (text("25%"), text("25%"), 10, (3, 2)),
            (text("50%"), text("50%"), 5, (3, 2)),
            (text("100%"), text("100%"), 7, (7, 7)),
            (text("0%"), text("0%"), 10, (0, 1)),
            (text("0%"), text("5%"), 10, (0, 1)),
            (text("1%"), text("0%"), 10, (1, 0)),
            (IntOrString::Int(0), IntOrString::Int(0), 10, (0, 1)),
            (IntOrString::Int(2), IntOrString::Int(3), 10, (2, 3)),
            (IntOrString::Int(0), text("34%"), 3, (0, 1)),
            (IntOrString::Int(3), text("99%"), 1, (3, 0)),
            (text("25%"), text("25%"), 0, (0, 1)),
        ] {
            assert_eq!(fenceposts(&surge, &unavailable, replicas), expected, "{surge:?} {unavailable:?} of {replicas}");
        }
    }
}
