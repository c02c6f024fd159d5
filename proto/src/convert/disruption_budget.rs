//! PodDisruptionBudget of `policy/v1beta1`: an empty selector takes no pod, where in `v1` it takes all.
//! <https://kubernetes.io/docs/reference/using-api/deprecation-guide/#poddisruptionbudget-v125>

use super::{Conversion, fields};
use serde_json::{Value, json};

/// PodDisruptionBudget of `policy/v1beta1`.
pub static DISRUPTION_BUDGET_V1BETA1: Conversion = Conversion {
    to_stored: |budget| exchange(budget, json!({}), with_operator("Exists"), with_operator("DoesNotExist")),
    from_stored: |budget| exchange(budget, with_operator("Exists"), json!({}), with_operator("DoesNotExist")),
    ..super::SAME
};

/// A label that no pod has: demanding it takes none, forbidding it takes all.
const NO_PODS_LABEL: &str = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match";

fn with_operator(operator: &str) -> Value {
    json!({"matchExpressions": [{"key": NO_PODS_LABEL, "operator": operator}]})
}

/// The selector that takes none here is another one there; so is the one that takes all.
fn exchange(budget: &mut Value, none_here: Value, none_there: Value, all: Value) {
    let Some(selector) = fields(budget, "spec").and_then(|spec| spec.get_mut("selector")) else { return };
    let (all_here, all_there) = if none_here == json!({}) { (all, json!({})) } else { (json!({}), all) };
    if *selector == none_here {
        *selector = none_there;
    } else if *selector == all_here {
        *selector = all_there;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_selectors_keep_their_meaning() {
        for (old, stored) in [
            (json!({}), with_operator("Exists")),
            (with_operator("DoesNotExist"), json!({})),
            (json!({"matchLabels": {"a": "b"}}), json!({"matchLabels": {"a": "b"}})),
        ] {
            let mut budget = json!({"spec": {"selector": old}});
            (DISRUPTION_BUDGET_V1BETA1.to_stored)(&mut budget);
            assert_eq!(budget["spec"]["selector"], stored);
            (DISRUPTION_BUDGET_V1BETA1.from_stored)(&mut budget);
            assert_eq!(budget["spec"]["selector"], old);
        }
    }
}
