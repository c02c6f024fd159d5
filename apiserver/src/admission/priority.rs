//! Priority: the number and the manners behind a pod's priority class.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/>

use kubus_proto::{ApiError, KindRow};
use serde_json::{Value, json};

/// The priority classes that every cluster has, though nobody made them yet.
const BUILT_IN: [(&str, i64); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];
/// What a class says where it says nothing else.
const PREEMPTS: &str = "PreemptLowerPriority";

/// Sets a new pod's priority, or refuses a class that is not there and a number that is not its class'.
pub fn fill(row: &KindRow, pod: &mut Value, classes: &[Value]) -> Result<(), ApiError> {
    if (row.group, row.plural) != ("", "pods") || !pod["spec"].is_object() {
        return Ok(());
    }
    let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let refuse = |why: String| Err(ApiError::forbidden("", "pods", &name, &why));
    let wanted = pod["spec"]["priorityClassName"].as_str().unwrap_or_default().to_owned();
    let class = if wanted.is_empty() {
        // Of several defaults the lowest counts.
        let defaults = classes.iter().filter(|class| class["globalDefault"] == true);
        defaults.min_by_key(|class| class["value"].as_i64())
    } else {
        classes.iter().find(|class| class["metadata"]["name"] == wanted.as_str())
    };
    let (value, manners) = match class {
        Some(class) => {
            (class["value"].as_i64().unwrap_or_default(), class["preemptionPolicy"].as_str().unwrap_or(PREEMPTS))
        }
        None if wanted.is_empty() => (0, PREEMPTS),
        None => match BUILT_IN.iter().find(|(built_in, _)| *built_in == wanted) {
            Some((_, value)) => (*value, PREEMPTS),
            None => return refuse(format!("no PriorityClass with name {wanted} was found")),
        },
    };
    if let Some(given) = pod["spec"]["priority"].as_i64().filter(|given| *given != value) {
        return refuse(format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller \
             computed {value} from the given PriorityClass name"
        ));
    }
    if let Some(given) = pod["spec"]["preemptionPolicy"].as_str().filter(|given| class.is_some() && *given != manners) {
        return refuse(format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission \
             controller computed {manners} from the given PriorityClass name"
        ));
    }
    let manners = pod["spec"]["preemptionPolicy"].as_str().unwrap_or(manners).to_owned();
    if let Some(class) = class.filter(|_| wanted.is_empty()) {
        pod["spec"]["priorityClassName"] = class["metadata"]["name"].clone();
    }
    pod["spec"]["priority"] = json!(value);
    pod["spec"]["preemptionPolicy"] = json!(manners);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubus_proto::kinds::pod;

    #[test]
    fn classes_give_numbers() {
        let classes = [
            json!({"metadata": {"name": "high"}, "value": 1000, "preemptionPolicy": "Never"}),
            json!({"metadata": {"name": "usual"}, "value": 10, "globalDefault": true}),
        ];
        for (spec, classes, expected) in [
            (json!({}), &classes[..0], Ok((0, "PreemptLowerPriority", json!(null)))),
            (json!({}), &classes[..], Ok((10, "PreemptLowerPriority", json!("usual")))),
            (json!({"priorityClassName": "high"}), &classes[..], Ok((1000, "Never", json!("high")))),
            (
                json!({"priorityClassName": "system-node-critical"}),
                &classes[..],
                Ok((2_000_001_000, "PreemptLowerPriority", json!("system-node-critical"))),
            ),
            (json!({"priorityClassName": "none"}), &classes[..], Err("no PriorityClass with name none was found")),
            (
                json!({"priority": 5}),
                &classes[..0],
                Err(
                    "the integer value of priority (5) must not be provided in pod spec; priority admission controller \
                     computed 0 from the given PriorityClass name",
                ),
            ),
        ] {
            let mut object = json!({"metadata": {"name": "p"}, "spec": spec});
            let answer = fill(&pod::ROW, &mut object, classes);
            match expected {
                Ok((value, manners, name)) => {
                    answer.expect("admitted");
                    let spec = &object["spec"];
                    assert_eq!((&spec["priority"], &spec["preemptionPolicy"]), (&json!(value), &json!(manners)));
                    assert_eq!(spec["priorityClassName"], name);
                }
                Err(why) => {
                    assert_eq!(answer.expect_err(why).message, format!("pods \"p\" is forbidden: {why}"));
                }
            }
        }
    }
}
