//! What the kinds of dynamic resource allocation share: requests for devices, selectors, configuration.
//! <https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/>

use super::admission_rules::{DEVICE_VARIABLES, validate_expression};
use super::at::At;
use super::defaulting::{items, object, put};
use super::names::{dns_label, dns_subdomain, qualified_name};
use crate::cel::Kind;
use kubus_proto::status::Cause;
use serde_json::{Map, Value};

/// Most requests of a claim, alternatives of a request, selectors, constraints and configurations.
pub const ITEMS_LIMIT: usize = 32;
/// Most alternatives of a request.
const ALTERNATIVES_LIMIT: usize = 8;

/// Fills in a claim's spec: one device of each request, where nothing is said.
pub fn default_claim(spec: &mut Map<String, Value>) {
    let Some(devices) = object(spec, "devices") else { return };
    for request in items(devices, "requests") {
        if let Some(exactly) = object(request, "exactly") {
            default_request(exactly);
        }
        items(request, "firstAvailable").for_each(default_request);
    }
}

fn default_request(request: &mut Map<String, Value>) {
    put(request, "allocationMode", "ExactCount");
    if request["allocationMode"] == "ExactCount" {
        put(request, "count", 1);
    }
    items(request, "tolerations").for_each(|toleration| put(toleration, "operator", "Equal"));
}

/// Checks a claim's spec.
pub fn validate_claim(spec: &At<'_>, causes: &mut Vec<Cause>) {
    let devices = spec.field("devices");
    let requests = devices.field("requests");
    limit(&requests, ITEMS_LIMIT, causes);
    requests.unique("name", causes);
    for request in requests.items() {
        request.field("name").require_text(dns_label, causes);
        let (exactly, first) = (request.field("exactly"), request.field("firstAvailable"));
        match (exactly.is_null(), first.is_empty()) {
            (true, true) => request.missing("exactly one of `exactly` or `firstAvailable` is required", causes),
            (false, false) => {
                let detail = "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set";
                request.invalid(detail, causes);
            }
            (false, true) => validate_request(&exactly, causes),
            (true, false) => {
                limit(&first, ALTERNATIVES_LIMIT, causes);
                first.unique("name", causes);
                for alternative in first.items() {
                    alternative.field("name").require_text(dns_label, causes);
                    validate_request(&alternative, causes);
                }
            }
        }
    }
    let named: Vec<&str> = requests.items().map(|request| request.value["name"].as_str().unwrap_or_default()).collect();
    let constraints = devices.field("constraints");
    limit(&constraints, ITEMS_LIMIT, causes);
    for constraint in constraints.items() {
        validate_names(&constraint.field("requests"), &named, causes);
    }
    let configurations = devices.field("config");
    limit(&configurations, ITEMS_LIMIT, causes);
    for configuration in configurations.items() {
        validate_names(&configuration.field("requests"), &named, causes);
        validate_configuration(&configuration, causes);
    }
}

/// Requests that are named must be there; a name may go on with that of an alternative.
fn validate_names(requests: &At<'_>, known: &[&str], causes: &mut Vec<Cause>) {
    for name in requests.items() {
        let request = name.text().split_once('/').map_or(name.text(), |(request, _)| request);
        if !known.contains(&request) {
            name.invalid(
                "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'",
                causes,
            );
        }
    }
}

fn validate_request(request: &At<'_>, causes: &mut Vec<Cause>) {
    request.field("deviceClassName").require_text(dns_subdomain, causes);
    validate_selectors(&request.field("selectors"), causes);
    let (mode, count) = (request.field("allocationMode"), request.field("count"));
    match mode.text() {
        "All" if count.number().unwrap_or_default() != 0 => {
            count.invalid("must not be specified when allocationMode is 'All'", causes);
        }
        "ExactCount" if count.number().unwrap_or_default() <= 0 => count.invalid("must be greater than zero", causes),
        "All" | "ExactCount" => {}
        _ => {
            mode.one_of(&["All", "ExactCount"], causes);
        }
    }
    for toleration in request.field("tolerations").items() {
        let operator = toleration.field("operator");
        toleration.field("key").follow(qualified_name, causes);
        operator.one_of(&["Equal", "Exists"], causes);
        if operator.text() == "Exists" && !toleration.field("value").is_empty() {
            toleration.field("value").invalid("must be empty for operator `Exists`", causes);
        }
        toleration.field("effect").one_of(&["NoExecute", "NoSchedule", "None"], causes);
    }
}

/// Expressions that devices must satisfy.
pub fn validate_selectors(selectors: &At<'_>, causes: &mut Vec<Cause>) {
    limit(selectors, ITEMS_LIMIT, causes);
    for selector in selectors.items() {
        let cel = selector.field("cel");
        if cel.is_null() {
            cel.missing("", causes);
        } else {
            validate_expression(&cel.field("expression"), DEVICE_VARIABLES, &[Kind::Bool], causes);
        }
    }
}

/// Configuration that a driver gets as it is.
pub fn validate_configuration(configuration: &At<'_>, causes: &mut Vec<Cause>) {
    let opaque = configuration.field("opaque");
    if opaque.is_null() {
        opaque.missing("", causes);
        return;
    }
    opaque.field("driver").require_text(dns_subdomain, causes);
    let parameters = opaque.field("parameters");
    if parameters.is_null() {
        parameters.missing("", causes);
    } else if !parameters.value.is_object() {
        parameters.invalid("parameters must be a valid JSON object", causes);
    }
}

/// Says so where a list is too long.
pub fn limit(list: &At<'_>, most: usize, causes: &mut Vec<Cause>) {
    if list.len() > most {
        causes.push(super::causes::too_many(list.path, list.len(), most));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims_are_defaulted_and_checked() {
        let exactly = json!({"deviceClassName": "gpu"});
        for (devices, expected) in [
            (json!({"requests": [{"name": "a", "exactly": exactly}]}), vec![]),
            (
                json!({"requests": [{"name": "a", "firstAvailable": [{"name": "b", "deviceClassName": "gpu", "allocationMode": "All"}]}]}),
                vec![],
            ),
            (json!({"requests": [{"name": "a"}]}), vec!["spec.devices.requests[0]"]),
            (
                json!({"requests": [{"name": "a", "exactly": {"deviceClassName": "", "count": 0, "selectors": [{}]}}]}),
                vec![
                    "spec.devices.requests[0].exactly.deviceClassName",
                    "spec.devices.requests[0].exactly.selectors[0].cel",
                    "spec.devices.requests[0].exactly.count",
                ],
            ),
            (
                json!({"requests": [{"name": "a", "exactly": exactly}], "config": [{"requests": ["b"], "opaque": {"driver": "d"}}]}),
                vec!["spec.devices.config[0].requests[0]", "spec.devices.config[0].opaque.parameters"],
            ),
        ] {
            let mut claim = json!({"spec": {"devices": devices}});
            default_claim(claim["spec"].as_object_mut().expect("spec"));
            let mut causes = Vec::new();
            validate_claim(&At::root(&claim, "spec"), &mut causes);
            let found: Vec<String> = causes.into_iter().map(|cause| cause.field).collect();
            assert_eq!(found, expected, "{claim}");
        }
    }
}
