//! PriorityLevelConfiguration on its way into the store.
//! <https://kubernetes.io/docs/concepts/cluster-administration/flow-control/>

use super::at::At;
use super::defaulting::{object, object_or_new, put};
use super::{Behaviour, WITH_STATUS, schema_of};
use k8s_openapi::api::flowcontrol::v1::PriorityLevelConfiguration;
use kubus_proto::status::Cause;
use serde_json::Value;

/// Behaviour of PriorityLevelConfiguration.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::priority_level_configuration::ROW,
    schema: schema_of!(PriorityLevelConfiguration),
    defaults,
    rules,
    ..WITH_STATUS
};

/// What a limited level has where nothing is said: shares, queues, how many of them a flow may use, requests in each.
const SHARES: i64 = 30;
const QUEUES: i64 = 64;
const HAND_SIZE: i64 = 8;
const QUEUE_LENGTH: i64 = 50;
/// Most queues of a level.
const QUEUES_LIMIT: i64 = 10_000_000;

fn defaults(level: &mut Value) {
    let Some(spec) = level.as_object_mut().and_then(|level| object_or_new(level, "spec")) else { return };
    let exempt = spec.get("type").is_some_and(|kind| kind == "Exempt");
    if exempt && let Some(exempt) = object_or_new(spec, "exempt") {
        put(exempt, "nominalConcurrencyShares", 0);
        put(exempt, "lendablePercent", 0);
    }
    if let Some(limited) = object(spec, "limited") {
        put(limited, "nominalConcurrencyShares", SHARES);
        put(limited, "lendablePercent", 0);
        if let Some(queuing) = object(limited, "limitResponse").and_then(|response| object(response, "queuing")) {
            put(queuing, "queues", QUEUES);
            put(queuing, "handSize", HAND_SIZE);
            put(queuing, "queueLengthLimit", QUEUE_LENGTH);
        }
    }
}

fn rules(level: &Value, causes: &mut Vec<Cause>) {
    let spec = At::root(level, "spec");
    let (kind, exempt, limited) = (spec.field("type"), spec.field("exempt"), spec.field("limited"));
    match kind.text() {
        "Exempt" => {
            if !limited.is_null() {
                limited.forbidden("must be nil if the type is not Limited", causes);
            }
            exempt.field("nominalConcurrencyShares").not_negative(causes);
            exempt.field("lendablePercent").within(0, 100, causes);
        }
        "Limited" => {
            if !exempt.is_null() {
                exempt.forbidden("must be nil if the type is Limited", causes);
            }
            if limited.is_null() {
                limited.missing("must not be empty when type is Limited", causes);
            } else {
                validate_limited(&limited, causes);
            }
        }
        _ => {
            kind.one_of(&["Exempt", "Limited"], causes);
        }
    }
}

fn validate_limited(limited: &At<'_>, causes: &mut Vec<Cause>) {
    limited.field("nominalConcurrencyShares").not_negative(causes);
    limited.field("lendablePercent").within(0, 100, causes);
    limited.field("borrowingLimitPercent").not_negative(causes);
    let response = limited.field("limitResponse");
    let (kind, queuing) = (response.field("type"), response.field("queuing"));
    match kind.text() {
        "Reject" if !queuing.is_null() => {
            queuing.forbidden("must be nil if limited.limitResponse.type is not Limited", causes)
        }
        "Reject" => {}
        "Queue" if queuing.is_null() => {
            queuing.missing("must not be empty if limited.limitResponse.type is Limited", causes);
        }
        "Queue" => validate_queuing(&queuing, causes),
        _ => {
            kind.one_of(&["Queue", "Reject"], causes);
        }
    }
}

fn validate_queuing(queuing: &At<'_>, causes: &mut Vec<Cause>) {
    let (queues, hand) = (queuing.field("queues"), queuing.field("handSize"));
    for at in [&queuing.field("queueLengthLimit"), &queues, &hand] {
        if at.number().unwrap_or_default() <= 0 {
            at.invalid("must be positive", causes);
        }
    }
    if queues.number().is_some_and(|number| number > QUEUES_LIMIT) {
        queues.invalid(format!("must not be greater than {QUEUES_LIMIT}"), causes);
    }
    if let (Some(queues), Some(size)) = (queues.number(), hand.number())
        && size > queues
    {
        hand.invalid(format!("should not be greater than queues ({queues})"), causes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn levels_are_defaulted_and_checked() {
        for (spec, expected) in [
            (json!({"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {}}}}), vec![]),
            (json!({"type": "Exempt"}), vec![]),
            (json!({"type": "Loose"}), vec!["spec.type"]),
            (json!({"type": "Limited"}), vec!["spec.limited"]),
            (
                json!({"type": "Limited", "limited": {"limitResponse": {"type": "Queue"}}}),
                vec!["spec.limited.limitResponse.queuing"],
            ),
            (
                json!({"type": "Limited", "limited": {"lendablePercent": 101, "limitResponse": {"type": "Queue", "queuing": {"queues": 2}}}}),
                vec!["spec.limited.lendablePercent", "spec.limited.limitResponse.queuing.handSize"],
            ),
        ] {
            let mut level = json!({"metadata": {"name": "l"}, "spec": spec});
            BEHAVIOUR.default(&mut level);
            let found: Vec<String> = BEHAVIOUR.validate(&level).into_iter().map(|cause| cause.field).collect();
            assert_eq!(found, expected, "{spec}");
        }
    }
}
