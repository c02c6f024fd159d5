//! Validation of the spec of a Job, alone or in a CronJob's template.

use super::causes::{duplicate, invalid, not_supported, required, too_long, too_many};
use super::names::{domain_prefixed_path, qualified_name, range};
use super::path::FieldPath;
use super::pod_spec::{problems, text};
use super::workload::{not_negative, validate_pod_template};
use k8s_openapi::api::batch::v1::{JobSpec, PodFailurePolicy, PodFailurePolicyRule, SuccessPolicy};
use kubus_proto::status::Cause;
use serde_json::json;

const MODES: &[&str] = &["NonIndexed", "Indexed"];
/// Most pods of an indexed job at a time, and most indexes of one whose indexes fail alone.
const INDEXES_LIMIT: i32 = 100_000;
const MANAGER_LIMIT: usize = 63;
const RULES_LIMIT: usize = 20;
const EXIT_CODES_LIMIT: usize = 255;
const CONDITIONS_LIMIT: usize = 20;
const ACTIONS: &[&str] = &["Count", "FailIndex", "FailJob", "Ignore"];
const EXIT_CODE_OPERATORS: &[&str] = &["In", "NotIn"];
const CONDITION_STATUSES: &[&str] = &["False", "True", "Unknown"];
const REPLACEMENTS: &[&str] = &["Failed", "TerminatingOrFailed"];

/// Everything but the selector.
pub fn validate_job_spec(spec: &JobSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    not_negative(&path.field("parallelism"), spec.parallelism, causes);
    not_negative(&path.field("completions"), spec.completions, causes);
    not_negative(&path.field("activeDeadlineSeconds"), spec.active_deadline_seconds, causes);
    not_negative(&path.field("backoffLimit"), spec.backoff_limit, causes);
    not_negative(&path.field("ttlSecondsAfterFinished"), spec.ttl_seconds_after_finished, causes);
    not_negative(&path.field("backoffLimitPerIndex"), spec.backoff_limit_per_index, causes);
    not_negative(&path.field("maxFailedIndexes"), spec.max_failed_indexes, causes);
    if spec.max_failed_indexes.is_some() && spec.backoff_limit_per_index.is_none() {
        causes.push(required(path.field("backoffLimitPerIndex"), "when maxFailedIndexes is specified"));
    }
    if let Some(manager) = &spec.managed_by {
        problems(&path.field("managedBy"), manager, domain_prefixed_path(manager), causes);
        if manager.len() > MANAGER_LIMIT {
            causes.push(too_long(path.field("managedBy"), MANAGER_LIMIT));
        }
    }
    validate_mode(spec, path, causes);
    if let Some(policy) = &spec.pod_failure_policy {
        validate_failure_policy(spec, policy, &path.field("podFailurePolicy"), causes);
    }
    if let Some(policy) = &spec.success_policy {
        validate_success_policy(spec, policy, &path.field("successPolicy"), causes);
    }
    validate_replacement(spec, &path.field("podReplacementPolicy"), causes);
    let template = path.field("template");
    validate_pod_template(&spec.template, &template, causes);
    let pods = template.field("spec");
    let field = pods.field("restartPolicy");
    let policy = spec.template.spec.as_ref().map_or("", |pods| text(&pods.restart_policy));
    match policy {
        "" | "Always" => causes.push(required(field, "valid values: \"OnFailure\", \"Never\"")),
        "OnFailure" if spec.pod_failure_policy.is_some() => {
            let detail = "only \"Never\" is supported when podFailurePolicy is specified";
            causes.push(invalid(field, policy, detail));
        }
        "OnFailure" | "Never" => {}
        other => causes.push(not_supported(field, other, &["OnFailure", "Never"])),
    }
}

fn is_indexed(spec: &JobSpec) -> bool {
    text(&spec.completion_mode) == "Indexed"
}

fn validate_mode(spec: &JobSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    match text(&spec.completion_mode) {
        "Indexed" => {
            if spec.completions.is_none() {
                causes.push(required(path.field("completions"), "when completion mode is Indexed"));
            }
            let detail = format!("must be less than or equal to {INDEXES_LIMIT} when completion mode is Indexed");
            if let Some(count) = spec.parallelism.filter(|count| *count > INDEXES_LIMIT) {
                causes.push(invalid(path.field("parallelism"), count, detail));
            }
            let many = spec.completions.is_some_and(|count| count > INDEXES_LIMIT);
            if many && spec.backoff_limit_per_index.is_some() && spec.max_failed_indexes.is_none() {
                let detail = format!("must be specified when completions is above {INDEXES_LIMIT}");
                causes.push(required(path.field("maxFailedIndexes"), &detail));
            }
        }
        "NonIndexed" | "" => {
            for (field, value) in
                [("backoffLimitPerIndex", spec.backoff_limit_per_index), ("maxFailedIndexes", spec.max_failed_indexes)]
            {
                causes.extend(value.map(|v| invalid(path.field(field), v, "requires indexed completion mode")));
            }
        }
        other => causes.push(not_supported(path.field("completionMode"), other, MODES)),
    }
}

fn validate_replacement(spec: &JobSpec, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let Some(policy) = spec.pod_replacement_policy.as_deref() else { return };
    if spec.pod_failure_policy.is_some() && policy != "Failed" {
        causes.push(not_supported(path, policy, &["Failed"]));
    } else if !REPLACEMENTS.contains(&policy) {
        causes.push(not_supported(path, policy, REPLACEMENTS));
    }
}

fn validate_failure_policy(spec: &JobSpec, policy: &PodFailurePolicy, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    let path = path.field("rules");
    if policy.rules.len() > RULES_LIMIT {
        causes.push(too_many(path, policy.rules.len(), RULES_LIMIT));
    }
    for (i, rule) in policy.rules.iter().enumerate() {
        validate_failure_rule(spec, rule, &path.index(i), causes);
    }
}

fn validate_failure_rule(spec: &JobSpec, rule: &PodFailurePolicyRule, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    match rule.action.as_str() {
        "" => causes
            .push(required(path.field("action"), "valid values: \"Count\", \"FailIndex\", \"FailJob\", \"Ignore\"")),
        "FailIndex" if spec.backoff_limit_per_index.is_none() => {
            causes.push(invalid(path.field("action"), "FailIndex", "requires the backoffLimitPerIndex to be set"));
        }
        action if !ACTIONS.contains(&action) => causes.push(not_supported(path.field("action"), action, ACTIONS)),
        _ => {}
    }
    let conditions = rule.on_pod_conditions.as_deref().unwrap_or_default();
    if let Some(codes) = &rule.on_exit_codes {
        validate_exit_codes(spec, codes, &path.field("onExitCodes"), causes);
    }
    let conditions_path = path.field("onPodConditions");
    if conditions.len() > CONDITIONS_LIMIT {
        causes.push(too_many(conditions_path, conditions.len(), CONDITIONS_LIMIT));
    }
    for (i, pattern) in conditions.iter().enumerate() {
        let path = conditions_path.index(i);
        problems(&path.field("type"), &pattern.type_, qualified_name(&pattern.type_), causes);
        let status = text(&pattern.status);
        if !CONDITION_STATUSES.contains(&status) {
            causes.push(not_supported(path.field("status"), status, CONDITION_STATUSES));
        }
    }
    match (rule.on_exit_codes.is_some(), conditions.is_empty()) {
        (true, false) => {
            let detail = "specifying both OnExitCodes and OnPodConditions is not supported";
            causes.push(invalid(path, "field.OmitValueType{}", detail));
        }
        (false, true) => {
            let detail = "specifying one of OnExitCodes and OnPodConditions is required";
            causes.push(invalid(path, "field.OmitValueType{}", detail));
        }
        _ => {}
    }
}

fn validate_exit_codes(
    spec: &JobSpec,
    codes: &k8s_openapi::api::batch::v1::PodFailurePolicyOnExitCodesRequirement,
    path: &FieldPath<'_>,
    causes: &mut Vec<Cause>,
) {
    if !EXIT_CODE_OPERATORS.contains(&codes.operator.as_str()) {
        causes.push(not_supported(path.field("operator"), codes.operator.as_str(), EXIT_CODE_OPERATORS));
    }
    if let Some(name) = &codes.container_name {
        let pods = spec.template.spec.clone().unwrap_or_default();
        let mut containers = pods.containers.iter().chain(pods.init_containers.iter().flatten());
        if !containers.any(|container| container.name == *name) {
            let detail = "must be one of the container or initContainer names in the pod template";
            causes.push(invalid(path.field("containerName"), name.as_str(), detail));
        }
    }
    let values = path.field("values");
    match codes.values.len() {
        0 => causes.push(invalid(values, json!(codes.values), "at least one value is required")),
        count if count > EXIT_CODES_LIMIT => causes.push(too_many(values, count, EXIT_CODES_LIMIT)),
        _ => {}
    }
    for (i, code) in codes.values.iter().enumerate() {
        if codes.operator == "In" && *code == 0 {
            causes.push(invalid(values.index(i), 0, "must not be 0 for the In operator"));
        }
        if codes.values[..i].contains(code) {
            causes.push(duplicate(values.index(i), *code));
        }
    }
    if codes.values.windows(2).any(|pair| pair[0] > pair[1]) {
        causes.push(invalid(values, json!(codes.values), "must be ordered"));
    }
}

fn validate_success_policy(spec: &JobSpec, policy: &SuccessPolicy, path: &FieldPath<'_>, causes: &mut Vec<Cause>) {
    if !is_indexed(spec) {
        return causes.push(invalid(path, json!(policy), "requires indexed completion mode"));
    }
    let path = path.field("rules");
    if policy.rules.is_empty() {
        causes.push(required(path, "at least one rules must be specified when the successPolicy is specified"));
    }
    if policy.rules.len() > RULES_LIMIT {
        causes.push(too_many(path, policy.rules.len(), RULES_LIMIT));
    }
    for (i, rule) in policy.rules.iter().enumerate() {
        let path = path.index(i);
        if rule.succeeded_count.is_none() && rule.succeeded_indexes.is_none() {
            let detail = "at least one of succeededCount or succeededIndexes must be specified";
            causes.push(required(path, detail));
        }
        not_negative(&path.field("succeededCount"), rule.succeeded_count, causes);
        let completions = spec.completions.unwrap_or_default();
        let mut limit = completions;
        if let Some(indexes) = &rule.succeeded_indexes {
            match count_indexes(indexes, completions) {
                Ok(count) => limit = count,
                Err(problem) => causes.push(invalid(path.field("succeededIndexes"), indexes.as_str(), problem)),
            }
        }
        if let Some(count) = rule.succeeded_count.filter(|count| *count > limit) {
            let detail = format!("must be less than or equal to {limit}");
            causes.push(invalid(path.field("succeededCount"), count, detail));
        }
    }
}

/// How many indexes a text such as `1,3-5,7` names, all of them below `completions` and in order.
fn count_indexes(text: &str, completions: i32) -> Result<i32, String> {
    let number =
        |part: &str| part.parse::<i32>().map_err(|_| format!("cannot convert string to integer for index: {part:?}"));
    let (mut count, mut last) = (0, -1);
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let (first, end) = match part.split_once('-') {
            Some((first, end)) => (number(first)?, number(end)?),
            None => (number(part)?, number(part)?),
        };
        if first <= last {
            return Err(format!("non-increasing order, previous: {last}, current: {first}"));
        }
        if end < first || end >= completions {
            return Err(format!("index {} {}", end, range(0, i64::from(completions) - 1)));
        }
        count += end - first + 1;
        last = end;
    }
    Ok(count)
}

/// The longest name that leaves room for what the controller of CronJobs puts behind it.
pub const CRON_JOB_NAME_LIMIT: usize = 52;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn said(spec: Value) -> Vec<String> {
        let mut all = json!({"completions": 3, "completionMode": "Indexed", "template": {"spec": {"restartPolicy": "Never",
            "terminationGracePeriodSeconds": 30, "dnsPolicy": "Default", "containers": [{"name": "c", "image": "x",
            "imagePullPolicy": "Always", "terminationMessagePolicy": "File"}]}}});
        json_patch::merge(&mut all, &spec);
        let spec: JobSpec = serde_json::from_value(all).expect("a spec");
        let mut causes = Vec::new();
        validate_job_spec(&spec, &FieldPath::root("spec"), &mut causes);
        causes.into_iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
    }

    #[test]
    fn policies_and_modes_are_checked() {
        let rule = |rule: Value| json!({"podFailurePolicy": {"rules": [rule]}});
        let success = |rule: Value| json!({"successPolicy": {"rules": [rule]}});
        for (spec, expected) in [
            (json!({}), vec![]),
            (json!({"completions": null}), vec!["spec.completions: Required value: when completion mode is Indexed"]),
            (
                json!({"completionMode": "NonIndexed", "backoffLimitPerIndex": 1}),
                vec!["spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"],
            ),
            (
                json!({"template": {"spec": {"restartPolicy": "Always"}}}),
                vec!["spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""],
            ),
            (rule(json!({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1, 42]}})), vec![]),
            (
                rule(json!({"action": "Ignore", "onExitCodes": {"operator": "In", "values": [2, 1, 0]}})),
                vec![
                    "spec.podFailurePolicy.rules[0].onExitCodes.values[2]: Invalid value: 0: must not be 0 for the In operator",
                    "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [2,1,0]: must be ordered",
                ],
            ),
            (success(json!({"succeededIndexes": "0,2"})), vec![]),
            (
                success(json!({"succeededIndexes": "0-1", "succeededCount": 3})),
                vec!["spec.successPolicy.rules[0].succeededCount: Invalid value: 3: must be less than or equal to 2"],
            ),
            (
                json!({"managedBy": "me"}),
                vec!["spec.managedBy: Invalid value: \"me\": must be a domain-prefixed path (such as \"acme.io/foo\")"],
            ),
        ] {
            assert_eq!(said(spec.clone()), expected, "{spec}");
        }
        assert_eq!(count_indexes("", 3), Ok(0));
        assert!(count_indexes("1,1", 3).is_err() && count_indexes("3", 3).is_err() && count_indexes("a", 3).is_err());
    }
}
