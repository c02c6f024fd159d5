//! Versions of a custom kind, their schemas, and how objects get from one to another.

use super::{subresources, text};
use crate::behaviour::at::At;
use crate::behaviour::causes::{invalid, not_supported, required};
use crate::behaviour::names::dns_1035_label;
use crate::behaviour::webhook_configuration::validate_client;
use crate::custom::rules::check_rules;
use crate::custom::schema::{Structural, check_schema};
use kubus_proto::status::Cause;
use serde_json::Value;
use std::collections::HashSet;

/// Versions of the ConversionReview that can be spoken.
const REVIEW_VERSIONS: [&str; 2] = ["v1", "v1beta1"];

fn schema_path(index: usize) -> String {
    format!("spec.versions[{index}].schema.openAPIV3Schema")
}

/// Checks all versions of a spec.
pub(super) fn check(spec: &Value, causes: &mut Vec<Cause>) {
    let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut seen = HashSet::new();
    for (i, version) in versions.iter().enumerate() {
        let name = text(version, "name");
        let path = format!("spec.versions[{i}]");
        let problems = dns_1035_label(name);
        causes.extend(problems.iter().map(|problem| invalid(format!("{path}.name"), name, problem)));
        if !seen.insert(name) {
            causes.push(invalid("spec.versions", spec["versions"].clone(), "must contain unique version names"));
        }
        check_version(&path, i, version, causes);
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        causes.push(invalid("spec.versions", spec["versions"].clone(), detail));
    }
}

fn check_version(path: &str, index: usize, version: &Value, causes: &mut Vec<Cause>) {
    if version["deprecated"] != true && !version["deprecationWarning"].is_null() {
        let warning = text(version, "deprecationWarning");
        let detail = "can only be set for deprecated versions";
        causes.push(invalid(format!("{path}.deprecationWarning"), warning, detail));
    }
    let schema = &version["schema"]["openAPIV3Schema"];
    if !schema.is_object() {
        causes.push(required(schema_path(index), "schemas are required"));
        return;
    }
    let found = check_schema(&schema_path(index), schema).causes;
    let good = found.is_empty();
    causes.extend(found);
    // Rules are read only where the values they speak of are known.
    if good {
        causes.extend(check_rules(&schema_path(index), &Structural::parse(schema)));
    }
    subresources::check(path, version, causes);
    subresources::check_columns(path, version, causes);
    subresources::check_selectable(path, version, causes);
}

/// What is suspicious in the schemas of a good spec.
pub(super) fn warnings(spec: &Value) -> Vec<String> {
    let versions = spec["versions"].as_array().into_iter().flatten().enumerate();
    versions.flat_map(|(i, v)| check_schema(&schema_path(i), &v["schema"]["openAPIV3Schema"]).warnings).collect()
}

/// Checks how objects get from one version to another.
pub(super) fn check_conversion(spec: &At<'_>, causes: &mut Vec<Cause>) {
    let conversion = &spec.value["conversion"];
    let webhook = &conversion["webhook"];
    match text(conversion, "strategy") {
        "None" if !webhook.is_null() => {
            let detail = "should not be set when strategy is not set to Webhook";
            causes.push(crate::behaviour::causes::forbidden("spec.conversion.webhook", detail));
        }
        "None" => {}
        "Webhook" if webhook["clientConfig"].is_null() => {
            let detail = "required when strategy is set to Webhook";
            causes.push(required("spec.conversion.webhook.clientConfig", detail));
        }
        "Webhook" => {
            let versions: Vec<&str> = webhook["conversionReviewVersions"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let field = "spec.conversion.webhook.conversionReviewVersions";
            if versions.is_empty() {
                causes.push(required(field, ""));
            } else if !versions.iter().any(|version| REVIEW_VERSIONS.contains(version)) {
                let detail = format!("must include at least one of {}", REVIEW_VERSIONS.join(", "));
                causes.push(invalid(field, webhook["conversionReviewVersions"].clone(), detail));
            }
            let conversion = spec.field("conversion");
            let webhook = conversion.field("webhook");
            let client = webhook.field("clientConfig");
            validate_client(&client, causes);
            causes.extend(crate::webhook::check_bundle(&client.path.to_string(), client.value));
        }
        "" => causes.push(required("spec.conversion.strategy", "")),
        other => causes.push(not_supported("spec.conversion.strategy", other, &["None", "Webhook"])),
    }
}
