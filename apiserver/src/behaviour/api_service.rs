//! APIService on its way into the store.
//! <https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/apiserver-aggregation/>

use super::at::At;
use super::defaulting::{object, put};
use super::names::{dns_1035_label, dns_subdomain, port_number};
use super::{Behaviour, NameRule, PLAIN, WITH_STATUS, prepare, schema_of};
use jiff::Timestamp;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use kubus_proto::status::Cause;
use serde_json::{Value, json};

/// Behaviour of APIService.
pub static BEHAVIOUR: Behaviour = Behaviour {
    row: &kubus_proto::kinds::api_service::ROW,
    schema: schema_of!(APIService),
    // `v1.` is the one of the core group.
    name: NameRule::PathSegment,
    defaults: |api| {
        let spec = api.as_object_mut().and_then(|api| object(api, "spec"));
        if let Some(service) = spec.and_then(|spec| object(spec, "service")) {
            put(service, "port", SERVICE_PORT);
        }
    },
    prepare_create: |api| {
        let status = if api["spec"]["service"].is_null() { local_status(&created(api)) } else { json!({}) };
        prepare::first_status(api, status);
    },
    spec_changed: PLAIN.spec_changed,
    rules,
    ..WITH_STATUS
};

const SERVICE_PORT: i64 = 443;
const GROUP_PRIORITY_LIMIT: i64 = 20_000;
const VERSION_PRIORITY_LIMIT: i64 = 1_000;

/// What is served here is there as soon as it is registered.
fn local_status(since: &str) -> Value {
    json!({"conditions": [{"type": "Available", "status": "True", "lastTransitionTime": since, "reason": "Local",
        "message": "Local APIServices are always available"}]})
}

fn created(api: &Value) -> String {
    let own = api["metadata"]["creationTimestamp"].as_str().map(str::to_owned);
    own.unwrap_or_else(|| Timestamp::UNIX_EPOCH.to_string())
}

fn rules(api: &Value, causes: &mut Vec<Cause>) {
    let spec = At::root(api, "spec");
    let (group, version) = (spec.field("group"), spec.field("version"));
    let metadata = At::root(api, "metadata");
    let name = metadata.field("name");
    let wanted = format!("{}.{}", version.text(), group.text());
    if name.text() != wanted && !name.is_empty() {
        name.invalid(format!("must be `spec.version+\".\"+spec.group`: {wanted:?}"), causes);
    }
    version.require_text(dns_1035_label, causes);
    group.follow(dns_subdomain, causes);
    let priority = spec.field("groupPriorityMinimum");
    if !(1..=GROUP_PRIORITY_LIMIT).contains(&priority.number().unwrap_or_default()) {
        priority.invalid("must be positive and less than 20000", causes);
    }
    let priority = spec.field("versionPriority");
    if !(1..=VERSION_PRIORITY_LIMIT).contains(&priority.number().unwrap_or_default()) {
        priority.invalid("must be positive and less than 1000", causes);
    }
    let (service, bundle, skip) = (spec.field("service"), spec.field("caBundle"), spec.field("insecureSkipTLSVerify"));
    let insecure = *skip.value == json!(true);
    if service.is_null() {
        if !bundle.is_empty() {
            bundle.invalid("local APIServices may not have a caBundle", causes);
        }
        if insecure {
            skip.invalid("local APIServices may not have insecureSkipTLSVerify", causes);
        }
        return;
    }
    service.field("namespace").require("", causes);
    service.field("name").require("", causes);
    let port = service.field("port");
    if let Some(number) = port.number() {
        port_number(number).iter().for_each(|problem| port.invalid(format!("port is not valid: {problem}"), causes));
    }
    if insecure && !bundle.is_empty() {
        skip.invalid("may not be true if caBundle is present", causes);
    }
}
