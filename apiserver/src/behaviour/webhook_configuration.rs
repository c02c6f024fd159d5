//! ValidatingWebhookConfiguration and MutatingWebhookConfiguration on their way into the store: they differ in one field.
//! <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/>

use super::admission_rules::{
    WEBHOOK_VARIABLES, default_match, default_rules, validate_conditions, validate_match, validate_operations,
    validate_policies,
};
use super::at::At;
use super::defaulting::{items, object, put};
use super::domains::fully_qualified_name;
use super::names::port_number;
use super::{Behaviour, PLAIN, prepare, schema_of};
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use kubus_proto::status::Cause;
use serde_json::Value;

/// Behaviour of ValidatingWebhookConfiguration.
pub static VALIDATING: Behaviour = Behaviour {
    row: &kubus_proto::kinds::validating_webhook_configuration::ROW,
    schema: schema_of!(ValidatingWebhookConfiguration),
    ..WEBHOOKS
};

/// Behaviour of MutatingWebhookConfiguration.
pub static MUTATING: Behaviour = Behaviour {
    row: &kubus_proto::kinds::mutating_webhook_configuration::ROW,
    schema: schema_of!(MutatingWebhookConfiguration),
    defaults: |configuration| {
        defaults(configuration);
        let Some(configuration) = configuration.as_object_mut() else { return };
        items(configuration, "webhooks").for_each(|webhook| put(webhook, "reinvocationPolicy", "Never"));
    },
    ..WEBHOOKS
};

const WEBHOOKS: Behaviour = Behaviour {
    defaults,
    prepare_create: prepare::only_first_generation,
    spec_changed: |new, old| new["webhooks"] != old["webhooks"],
    rules,
    ..PLAIN
};

/// Seconds a webhook has where nothing is said, and the most it may have.
const TIMEOUT_SECONDS: i64 = 10;
const TIMEOUT_LIMIT_SECONDS: i64 = 30;
/// Port of a webhook's service where nothing is said.
const SERVICE_PORT: i64 = 443;
/// The review versions that are spoken.
const REVIEW_VERSIONS: &[&str] = &["v1", "v1beta1"];

fn defaults(configuration: &mut Value) {
    let Some(configuration) = configuration.as_object_mut() else { return };
    for webhook in items(configuration, "webhooks") {
        put(webhook, "failurePolicy", "Fail");
        default_match(webhook);
        put(webhook, "timeoutSeconds", TIMEOUT_SECONDS);
        default_rules(webhook, "rules");
        if let Some(service) = object(webhook, "clientConfig").and_then(|config| object(config, "service")) {
            put(service, "port", SERVICE_PORT);
        }
    }
}

fn rules(configuration: &Value, causes: &mut Vec<Cause>) {
    let webhooks = At::root(configuration, "webhooks");
    webhooks.unique("name", causes);
    for webhook in webhooks.items() {
        validate_webhook(&webhook, causes);
    }
}

fn validate_webhook(webhook: &At<'_>, causes: &mut Vec<Cause>) {
    webhook.field("name").require_text(fully_qualified_name, causes);
    validate_review_versions(&webhook.field("admissionReviewVersions"), causes);
    for rule in webhook.field("rules").items() {
        validate_operations(&rule, causes);
    }
    validate_policies(webhook, causes);
    let effects = webhook.field("sideEffects");
    effects.require_one_of(&["None", "NoneOnDryRun"], causes);
    let timeout = webhook.field("timeoutSeconds");
    if timeout.number().is_some_and(|seconds| !(1..=TIMEOUT_LIMIT_SECONDS).contains(&seconds)) {
        timeout.invalid("the timeout value must be between 1 and 30 seconds", causes);
    }
    validate_match(webhook, causes);
    validate_client(&webhook.field("clientConfig"), causes);
    validate_conditions(&webhook.field("matchConditions"), WEBHOOK_VARIABLES, causes);
}

fn validate_review_versions(versions: &At<'_>, causes: &mut Vec<Cause>) {
    if !versions.require(&format!("must specify one of {}", REVIEW_VERSIONS.join(", ")), causes) {
        return;
    }
    let mut seen = std::collections::BTreeSet::new();
    for version in versions.items() {
        if !seen.insert(version.text()) {
            version.invalid("duplicate version", causes);
        }
        version.follow(super::domains::api_version, causes);
    }
    if !seen.iter().any(|version| REVIEW_VERSIONS.contains(version)) {
        versions.invalid(format!("must include at least one of {}", REVIEW_VERSIONS.join(", ")), causes);
    }
}

/// Where a webhook is: a URL or a service, and by whom its certificate is signed.
pub fn validate_client(client: &At<'_>, causes: &mut Vec<Cause>) {
    let (url, service) = (client.field("url"), client.field("service"));
    if url.is_null() == service.is_null() {
        client.missing("exactly one of url or service is required", causes);
    }
    if !url.is_null() {
        validate_url(&url, causes);
    }
    if service.is_null() {
        return;
    }
    service.field("name").require("service name is required", causes);
    service.field("namespace").require("service namespace is required", causes);
    let port = service.field("port");
    if let Some(number) = port.number() {
        port_number(number).iter().for_each(|problem| port.invalid(format!("port is not valid: {problem}"), causes));
    }
    let path = service.field("path");
    validate_path(&path, causes);
}

fn validate_url(url: &At<'_>, causes: &mut Vec<Cause>) {
    let form = "; desired format: https://host[/path]";
    let Some(rest) = url.text().strip_prefix("https://") else {
        url.invalid(format!("'https' is the only allowed URL scheme{form}"), causes);
        return;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let refused = [
        (authority.is_empty(), format!("host must be specified{form}")),
        (authority.contains('@'), "user information is not permitted in the URL".to_owned()),
        (rest.contains('#'), "fragments are not permitted in the URL".to_owned()),
        (rest.contains('?'), "query parameters are not permitted in the URL".to_owned()),
    ];
    refused.iter().filter(|(is, _)| *is).for_each(|(_, why)| url.invalid(why, causes));
}

fn validate_path(path: &At<'_>, causes: &mut Vec<Cause>) {
    let text = path.text();
    if path.is_null() || text == "/" {
        return;
    }
    let Some(rest) = text.strip_prefix('/') else {
        path.invalid("must start with a '/'", causes);
        return;
    };
    for step in rest.strip_suffix('/').unwrap_or(rest).split('/') {
        if step.is_empty() {
            path.invalid("segment must not be empty", causes);
        } else {
            let problems = super::names::dns_subdomain(step);
            problems.iter().for_each(|problem| path.invalid(format!("segment {step:?}: {problem}"), causes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn webhook() -> Value {
        json!({"name": "a.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": {"service": {"name": "s", "namespace": "n"}},
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]})
    }

    #[test]
    fn what_is_left_out_is_filled_in() {
        let mut configuration = json!({"webhooks": [webhook()]});
        MUTATING.default(&mut configuration);
        let webhook = &configuration["webhooks"][0];
        assert_eq!(
            json!([
                webhook["failurePolicy"],
                webhook["matchPolicy"],
                webhook["timeoutSeconds"],
                webhook["reinvocationPolicy"],
                webhook["namespaceSelector"],
                webhook["rules"][0]["scope"],
                webhook["clientConfig"]["service"]["port"]
            ]),
            json!(["Fail", "Equivalent", 10, "Never", {}, "*", 443])
        );
        let mut causes = Vec::new();
        rules(&configuration, &mut causes);
        assert_eq!(causes, []);
    }

    #[test]
    fn webhooks_are_checked() {
        for (field, value, expected) in [
            ("name", json!("short"), vec!["webhooks[0].name"]),
            ("admissionReviewVersions", json!([]), vec!["webhooks[0].admissionReviewVersions"]),
            ("admissionReviewVersions", json!(["v2"]), vec!["webhooks[0].admissionReviewVersions"]),
            ("sideEffects", json!("Some"), vec!["webhooks[0].sideEffects"]),
            ("timeoutSeconds", json!(31), vec!["webhooks[0].timeoutSeconds"]),
            ("failurePolicy", json!("Shrug"), vec!["webhooks[0].failurePolicy"]),
            ("clientConfig", json!({}), vec!["webhooks[0].clientConfig"]),
            ("clientConfig", json!({"url": "http://a"}), vec!["webhooks[0].clientConfig.url"]),
            ("clientConfig", json!({"url": "https://a/b"}), vec![]),
            (
                "clientConfig",
                json!({"service": {"name": "s", "namespace": "n", "path": "x"}}),
                vec!["webhooks[0].clientConfig.service.path"],
            ),
            (
                "rules",
                json!([{"operations": ["*", "CREATE"], "apiGroups": ["*"], "apiVersions": [], "resources": ["*"]}]),
                vec!["webhooks[0].rules[0].operations", "webhooks[0].rules[0].apiVersions"],
            ),
            (
                "matchConditions",
                json!([{"name": "a", "expression": ""}]),
                vec!["webhooks[0].matchConditions[0].expression"],
            ),
        ] {
            let mut one = webhook();
            one[field] = value.clone();
            let mut configuration = json!({"webhooks": [one]});
            VALIDATING.default(&mut configuration);
            let mut causes = Vec::new();
            rules(&configuration, &mut causes);
            let found: Vec<String> = causes.into_iter().map(|cause| cause.field).collect();
            assert_eq!(found, expected, "{field}: {value}");
        }
    }
}
