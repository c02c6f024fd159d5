//! Taints of nodes and tolerations of pods: <https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/>.

use k8s_openapi::api::core::v1 as api;

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// They are not scheduled here.
    NoSchedule,
    /// Better not.
    PreferNoSchedule,
    /// They are not scheduled here, and evicted.
    NoExecute,
}

impl Effect {
    fn read(text: &str) -> Option<Self> {
        match text {
            "NoSchedule" => Some(Effect::NoSchedule),
            "PreferNoSchedule" => Some(Effect::PreferNoSchedule),
            "NoExecute" => Some(Effect::NoExecute),
            _ => None,
        }
    }

    /// Whether it keeps pods away altogether.
    pub fn forbids(self) -> bool {
        self != Effect::PreferNoSchedule
    }
}

/// A taint of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value, empty where there is none.
    pub value: String,
    /// Effect.
    pub effect: Effect,
}

impl Taint {
    /// From a node's spec; `None` for an effect that Kubernetes does not have.
    pub fn read(taint: &api::Taint) -> Option<Self> {
        Some(Self {
            key: taint.key.clone(),
            value: taint.value.clone().unwrap_or_default(),
            effect: Effect::read(&taint.effect)?,
        })
    }
}

/// A toleration of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toleration {
    /// Key; an empty one is every key.
    key: String,
    /// `None` is every value (operator Exists).
    value: Option<String>,
    /// `None` is every effect.
    effect: Option<Effect>,
}

impl Toleration {
    /// From a pod's spec; `None` where it cannot tolerate anything.
    pub fn read(toleration: &api::Toleration) -> Option<Self> {
        let effect = match toleration.effect.as_deref().unwrap_or_default() {
            "" => None,
            text => Some(Effect::read(text)?),
        };
        let value = match toleration.operator.as_deref().unwrap_or_default() {
            "Exists" => None,
            "" | "Equal" => Some(toleration.value.clone().unwrap_or_default()),
            _ => return None,
        };
        Some(Self { key: toleration.key.clone().unwrap_or_default(), value, effect })
    }

    /// Whether it tolerates `taint`.
    pub fn tolerates(&self, taint: &Taint) -> bool {
        self.effect.is_none_or(|effect| effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && self.value.as_ref().is_none_or(|value| *value == taint.value)
    }
}

/// Whether one of `tolerations` tolerates `taint`.
pub fn tolerated(tolerations: &[Toleration], taint: &Taint) -> bool {
    tolerations.iter().any(|toleration| toleration.tolerates(taint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tolerations_match_as_documented() {
        let taint = json!({"key": "dedicated", "value": "db", "effect": "NoSchedule"});
        let taint = Taint::read(&serde_json::from_value(taint).expect("taint")).expect("effect");
        for (toleration, expected) in [
            (json!({"key": "dedicated", "operator": "Equal", "value": "db", "effect": "NoSchedule"}), true),
            (json!({"key": "dedicated", "value": "db"}), true),
            (json!({"key": "dedicated", "value": "web"}), false),
            (json!({"key": "dedicated", "operator": "Exists"}), true),
            (json!({"key": "other", "operator": "Exists"}), false),
            (json!({"operator": "Exists"}), true),
            (json!({"operator": "Exists", "effect": "NoExecute"}), false),
            (json!({"key": "dedicated", "operator": "Sometimes"}), false),
        ] {
            let read: api::Toleration = serde_json::from_value(toleration.clone()).expect("toleration");
            let list: Vec<_> = Toleration::read(&read).into_iter().collect();
            assert_eq!(tolerated(&list, &taint), expected, "{toleration}");
        }
    }
}
